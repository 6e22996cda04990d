"""Local days and times of day: where UTC instants meet a person's clock on the wall.

Rules: a wait of "two days" is 48 hours and needs no calendar; "at nine in the morning" is a local
time, resolved in the person's zone. A local time that a DST night skips moves forward; one that
happens twice means the first.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ecrm.moment import Instant


class LocalTime(msgspec.Struct, frozen=True, gc=False):
    hour: int
    minute: int = 0

    def __str__(self) -> str:
        return f"{self.hour:02}:{self.minute:02}"


class Quiet(msgspec.Struct, frozen=True, gc=False):
    """The hours in which nothing optional is sent; `start` after `end` spans midnight."""

    start: LocalTime
    end: LocalTime

    def __str__(self) -> str:
        return f"{self.start}-{self.end}"


def parse_local_time(text: str) -> LocalTime:
    """Read `"09:30"`. Raises ValueError."""
    hour, _, minute = text.partition(":")
    try:
        at = time(int(hour), int(minute))
    except ValueError:
        raise ValueError(f"{text!r} is no time of day: write 09:30") from None
    return LocalTime(at.hour, at.minute)


def parse_quiet(text: str) -> Quiet:
    """Read `"21:00-08:00"` (wire §5). Raises ValueError."""
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f"{text!r} are no quiet hours: write 21:00-08:00")
    return Quiet(parse_local_time(start.strip()), parse_local_time(end.strip()))


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The zone of that IANA name, or None where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # ZoneInfo answers a directory's name ("Europe") with OSError.
        return None


def local(instant: Instant, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(instant / 1_000, zone)


def resolve(day: date, at: LocalTime, zone: ZoneInfo, fold: int = 0) -> Instant:
    """The instant at which `zone` shows this time on this day; `fold=1` is the second of two."""
    # fold=0 takes the first of two, and in a gap keeps the offset from before the jump, which
    # reads as the time moved forward by the gap.
    moment = datetime.combine(day, time(at.hour, at.minute, fold=fold), zone)
    return Instant(round(moment.timestamp() * 1_000))


def next_local(after: Instant, at: LocalTime, zone: ZoneInfo) -> Instant:
    """The first instant not before `after` at which `zone` shows `at`."""
    day = local(after, zone).date()
    found = resolve(day, at, zone)
    while found < after:
        day += timedelta(days=1)
        found = resolve(day, at, zone)
    return found


def end_of_day(instant: Instant, zone: ZoneInfo) -> Instant:
    """The last millisecond of the local day that `instant` lies in."""
    tomorrow = local(instant, zone).date() + timedelta(days=1)
    return Instant(resolve(tomorrow, LocalTime(0), zone) - 1)


def quiet_until(now: Instant, quiet: Quiet, zone: ZoneInfo) -> Instant | None:
    """The end of the quiet hours that `now` lies in, or None outside them."""
    here = local(now, zone)
    minute = here.hour * 60 + here.minute
    start = quiet.start.hour * 60 + quiet.start.minute
    end = quiet.end.hour * 60 + quiet.end.minute
    inside = start <= minute < end if start <= end else minute >= start or minute < end
    if not inside:
        return None
    # In an hour that happens twice, the quiet hours end in the pass they are in.
    found = resolve(here.date(), quiet.end, zone, here.fold)
    return found if found > now else next_local(Instant(now + 1), quiet.end, zone)
