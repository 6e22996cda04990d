"""Pressure: how many marketing mails one person may get, and when (R6, mission §9.7).

Any window of seven days holds at most `per_week` marketing mails, two of them are at least
`min_gap` apart, and none leaves in the quiet hours of the person's zone. A mail that may not go now
is told the first instant at which it might; whether that is soon enough is its own deadline.
"""

from __future__ import annotations

from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from ecrm import calendar
from ecrm.moment import DAY, NEVER, Duration, Instant, hours
from ecrm.state import Wish

WEEK: Final = Duration(7 * DAY)

Brake = Literal["cap", "quiet_hours"]


class Limits(msgspec.Struct, frozen=True, gc=False):
    """At most `per_week` in any `window`, which is a week unless the customer wished otherwise."""

    per_week: int = 2
    min_gap: Duration = hours(20)
    quiet: calendar.Quiet | None = calendar.Quiet(calendar.LocalTime(21), calendar.LocalTime(8))
    window: Duration = WEEK


class Room(msgspec.Struct, frozen=True, gc=False):
    """From when on a mail may go (now, later or `NEVER`), and what holds it back until then."""

    at: Instant
    brake: Brake | None = None
    detail: str = ""


def wished(limits: Limits, wish: Wish | None) -> Limits:
    """The limits as this person wants them: a stated frequency wins over the shop's."""
    if wish is None:
        return limits
    return msgspec.structs.replace(limits, per_week=wish.count, window=wish.window)


def room(
    limits: Limits, pressed: tuple[Instant, ...], now: Instant, zone: ZoneInfo, *, by_night: bool
) -> Room:
    """The first instant from `now` on at which one more marketing mail may go.

    `pressed` are the instants of those decided before, oldest first; `by_night` leaves the quiet
    hours out (k07: the person was on the site minutes ago).
    """
    if limits.per_week <= 0:
        return Room(NEVER, "cap", "no marketing mail is allowed at all")
    found = Room(now)
    while True:
        at = found.at
        capped = _capped(limits, pressed, at)
        if capped is not None:
            held = Room(capped, "cap", _cap_detail(limits, pressed, at))
        elif by_night or limits.quiet is None:
            return found
        else:
            morning = calendar.quiet_until(at, limits.quiet, zone)
            if morning is None:
                return found
            held = Room(morning, "quiet_hours", f"{limits.quiet} in {zone.key}")
        # What is told is the first brake; the later ones only push further.
        found = Room(held.at, found.brake or held.brake, found.detail or held.detail)


def _capped(limits: Limits, pressed: tuple[Instant, ...], at: Instant) -> Instant | None:
    """When the cap and the gap let the next one go, or None if they do now."""
    if pressed and pressed[-1] + limits.min_gap > at:
        return Instant(pressed[-1] + limits.min_gap)
    if len(pressed) >= limits.per_week and pressed[-limits.per_week] + limits.window > at:
        return Instant(pressed[-limits.per_week] + limits.window)
    return None


def _cap_detail(limits: Limits, pressed: tuple[Instant, ...], at: Instant) -> str:
    if pressed[-1] + limits.min_gap > at:
        return "the last marketing mail is too recent"
    recent = sum(instant + limits.window > at for instant in pressed)
    days = limits.window // DAY
    return f"{recent} marketing mails in {days} days, at most {limits.per_week}"
