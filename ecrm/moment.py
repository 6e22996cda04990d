"""Instants, durations, and the moment of a turn.

Domain time is UTC in integer milliseconds (`Instant`); spans are integer milliseconds too
(`Duration`). Seconds as floats belong to trio and never come in here. A `Moment` is all that a
turn may know of the world outside its state: the clock's reading, the sequence of its first fact,
and a key from which ids, jitter and splits are hashed, so that the same turn always makes the
same things.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import NewType

import msgspec

CustomerId = NewType("CustomerId", str)
Instant = NewType("Instant", int)
Duration = NewType("Duration", int)
Seq = NewType("Seq", int)

NEVER = Instant(2**62)

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
_UNITS = {"ms": 1, "s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN = re.compile(r"(\d+)(ms|s|min|h|d)")


class Moment(msgspec.Struct, frozen=True, gc=False):
    """When and where in its life a customer takes a turn.

    `now` is never before the customer's previous turn; `seq` numbers the turn's first fact.
    """

    now: Instant
    seq: Seq
    key: bytes


def moment_of(customer_id: CustomerId, seq: Seq, now: Instant) -> Moment:
    key = blake2b(f"{customer_id}\0{seq}".encode(), digest_size=16).digest()
    return Moment(now=now, seq=seq, key=key)


def seconds(n: int) -> Duration:
    return Duration(n * SECOND)


def minutes(n: int) -> Duration:
    return Duration(n * MINUTE)


def hours(n: int) -> Duration:
    return Duration(n * HOUR)


def days(n: int) -> Duration:
    """Whole days of 24 hours; a local time of day is the calendar's business."""
    return Duration(n * DAY)


def later(instant: Instant, span: Duration) -> Instant:
    return Instant(instant + span)


def parse_duration(text: str) -> Duration:
    """Read `"10min"`, `"3h"`, `"15d"`, `"1d12h"` (wire §5).

    Raises ValueError, saying what a duration looks like.
    """
    compact = text.replace(" ", "")
    parts = _SPAN.findall(compact)
    if not parts or "".join(n + unit for n, unit in parts) != compact:
        raise ValueError(f"{text!r} is no duration: write 30s, 10min, 3h or 15d")
    return Duration(sum(int(n) * _UNITS[unit] for n, unit in parts))


def format_duration(span: Duration) -> str:
    """Write a duration the way `parse_duration` reads it, largest units first."""
    left, out = int(span), ""
    for unit in ("d", "h", "min", "s", "ms"):
        count, left = divmod(left, _UNITS[unit])
        out += f"{count}{unit}" if count else ""
    return out or "0s"


def parse_instant(text: str) -> Instant:
    """Read an ISO 8601 date-time; one without an offset is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return instant_of(at if at.tzinfo else at.replace(tzinfo=UTC))


def instant_of(at: datetime) -> Instant:
    """The instant of an aware datetime."""
    return Instant(round(at.timestamp() * 1_000))


def format_instant(instant: Instant) -> str:
    """Write an instant as ISO 8601 UTC with `Z`, milliseconds only where there are any; one that no
    calendar knows (`NEVER`) as its number.
    """
    try:
        at = _EPOCH + timedelta(milliseconds=instant)
    except OverflowError:
        return f"{instant} ms"
    spec = "milliseconds" if instant % 1_000 else "seconds"
    return at.isoformat(timespec=spec).replace("+00:00", "Z")
