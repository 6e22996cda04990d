"""The condition of a running service, as `status` tells it to a person (wire §4).

Plain values by their names, one level deep, so that a terminal and a page show all of them alike;
`/metrics` has the same figures for machines, and `queue` the destinations and lanes as tables.
"""

from __future__ import annotations

from math import inf

from actors.asked import Plain
from actors.figures import Reading
from actors.gate import Outlook
from actors.spread import Spread
from ecrm.moment import format_instant


def house(read: Reading) -> Plain:
    """Times, memory and the door; times are since the start."""
    waits = read.waits
    return {
        "times": {
            "turns": _took(read.meter.turns),
            "commits": _took(read.meter.commits),
            "answers": _took(read.meter.acks),
        },
        "memory": f"{read.memory / 2**20:.0f} MiB",
        "door": {
            "out now": waits.count,
            "oldest": f"{waits.oldest:.1f} s",
            "longest": f"{waits.longest:.1f} s",
            "busy in all": f"{waits.busy:.1f} s",
        },
    }


def mails(read: Reading) -> Plain:
    """The queue by lane, and how destinations may be written to."""
    lanes: dict[str, list[str]] = {}
    for row in sorted(read.queue, key=lambda row: (row.lane, row.state)):
        lanes.setdefault(str(row.lane), []).append(f"{row.state} {row.count}")
    return {
        "lanes": {lane: ", ".join(states) for lane, states in lanes.items()},
        "breaker": read.breaker,
        "destinations": {_name(one): _stands(one) for one in read.outlook},
    }


def slots(read: Reading, customers: int) -> Plain:
    """How many customers are in memory, and how many are only on the disk."""
    return {"hot": read.active, "cold": max(0, customers - read.active)}


def _took(spread: Spread) -> str:
    if not spread.count:
        return "none yet"
    most = spread.within(0.99)
    bound = f"over {_span(spread.bounds[-1])}" if most == inf else f"within {_span(most)}"
    return f"{_span(spread.mean)} on average, 99 % {bound}"


def _span(seconds: float) -> str:
    return f"{seconds * 1_000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def _name(one: Outlook) -> str:
    return "all together" if one.name == "*" else one.name


def _stands(one: Outlook) -> str:
    parts = ["no limit of its own" if one.per_second is None else f"{one.per_second:g} a second"]
    parts.append(f"pace {one.pace / 10:g} %")
    of = "" if one.connections is None else f" of {one.connections}"
    parts.append(f"{one.in_hand}{of} in hand")
    if one.failures:
        parts.append(f"{one.failures} failures in a row")
    if one.rests_until is not None:
        parts.append(f"rests until {format_instant(one.rests_until)}")
    return ", ".join(parts)
