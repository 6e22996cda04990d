"""Delays: when a step of a programme is due, as values that can be printed and changed.

Most count from clocks: the beginning of the stay, or the last time that a named trigger happened.
Others look at what the stay is about: a date that comes near, a product that is used up, a period
that ends. `ecrm/due.py` resolves them for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ecrm import calendar
from ecrm.moment import Duration, Instant, format_duration


class After(msgspec.Struct, frozen=True, gc=False):
    """`span` after the clock `since`; without one, after the beginning of the stay."""

    span: Duration
    since: str = ""

    @property
    def clocks(self) -> tuple[After, ...]:
        return (self,)

    def __str__(self) -> str:
        start = self.since or "the beginning"
        return f"{format_duration(self.span)} after {start}" if self.span else f"at {start}"


class Earliest(msgspec.Struct, frozen=True, gc=False):
    """The first of several clocks; those that never started do not count."""

    options: tuple[After, ...]

    @property
    def clocks(self) -> tuple[After, ...]:
        return self.options

    def __str__(self) -> str:
        return "the earliest of " + ", ".join(str(option) for option in self.options)


class Latest(msgspec.Struct, frozen=True, gc=False):
    """The last of several clocks; those that never started do not count."""

    options: tuple[After, ...]

    @property
    def clocks(self) -> tuple[After, ...]:
        return self.options

    def __str__(self) -> str:
        return "the latest of " + ", ".join(str(option) for option in self.options)


class Before(msgspec.Struct, frozen=True, gc=False):
    """So long before what the stay is about begins."""

    span: Duration

    def __str__(self) -> str:
        return f"{format_duration(self.span)} before it begins"


class Cycle(msgspec.Struct, frozen=True, gc=False):
    """As long as what was bought lasts, to the catalogue's knowledge (R23); `usual` where it does
    not say, and never before `least`; then `more`.
    """

    usual: Duration
    least: Duration
    more: Duration = Duration(0)

    def __str__(self) -> str:
        more = f"{format_duration(self.more)} " if self.more else ""
        return f"{more}after the product's cycle, usually {format_duration(self.usual)}"


class Gathered(msgspec.Struct, frozen=True, gc=False):
    """The next end of the period that the stay gathers for, at that local time: any day, a Monday,
    or the first of a month (R66).
    """

    at: calendar.LocalTime

    def __str__(self) -> str:
        return f"at {self.at} of the day, Monday or first of the month"


Clocked = After | Earliest | Latest
Delay = Clocked | Before | Cycle | Gathered

AT_ONCE: Final = After(Duration(0))


def after(span: Duration, since: str = "") -> After:
    return After(span, since)


def earliest(*options: After) -> Earliest:
    return Earliest(options)


def latest(*options: After) -> Latest:
    return Latest(options)


def before(span: Duration) -> Before:
    return Before(span)


def cycle(usual: Duration, *, least: Duration, more: Duration = Duration(0)) -> Cycle:  # noqa: B008 - an immutable number
    return Cycle(usual, least, more)


def gathered(at: str) -> Gathered:
    return Gathered(calendar.parse_local_time(at))


def due_of(delay: Clocked, began: Instant, clocks: Mapping[str, Instant]) -> Instant:
    """When a step is due, for a stay that began at `began` and whose triggers happened last at
    `clocks`. Where none of its clocks has started, it counts from the beginning.
    """
    options = delay.clocks
    dues = [
        Instant((clocks[option.since] if option.since else began) + option.span)
        for option in options
        if not option.since or option.since in clocks
    ]
    if not dues:
        return Instant(began + options[0].span)
    return min(dues) if isinstance(delay, Earliest) else max(dues)
