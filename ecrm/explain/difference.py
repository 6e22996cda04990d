"""What lies between two states, line by line, and a state as a person reads it.

    cart.lines[0].quantity: 1 → 2
    enrolments.cart: new (programme cart, step reminder, …)

Instants are written out; which numbers are instants is known by the names of the fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from ecrm import moment
from ecrm.moment import Instant
from ecrm.state import State

# Where the state holds instants: by the names of its fields, and as the values of these maps.
_INSTANTS: Final = frozenset(("now", "at", "until", "due", "since", "last"))
_MAPS: Final = frozenset(("timers", "clocks", "marks", "ended", "over", "invited"))
# What changes with every fact and says nothing.
_COUNTED: Final = frozenset(("seq", "now"))


def readable(value: object, name: str = "", of: str = "") -> object:
    """A state as plain values, its instants written out."""
    match value:
        case dict():
            return {key: readable(inner, str(key), name) for key, inner in value.items()}
        case list() | tuple():
            return [readable(inner, name, of) for inner in value]
        case int() if name in _INSTANTS or name.endswith("_at") or of in _MAPS:
            return moment.format_instant(Instant(value))
        case _:
            return value


def plain(state: State) -> object:
    return readable(msgspec.to_builtins(state))


def lines(before: State, after: State) -> list[str]:
    """What changed, in the order of the state's fields; nothing about the count of facts."""
    was, now = plain(before), plain(after)
    assert isinstance(was, dict)
    assert isinstance(now, dict)
    kept = {name: value for name, value in was.items() if name not in _COUNTED}
    return list(_differing("", kept, {k: v for k, v in now.items() if k not in _COUNTED}))


def _differing(path: str, was: object, now: object) -> Iterator[str]:
    if was == now:
        return
    match was, now:
        case dict(), dict():
            for name in [*was, *(name for name in now if name not in was)]:
                at = f"{path}.{name}" if path else str(name)
                yield from _entry(at, was, now, name)
        case list(), list() if len(was) == len(now):
            for place, (one, other) in enumerate(zip(was, now, strict=True)):
                yield from _differing(f"{path}[{place}]", one, other)
        case _:
            yield f"{path}: {_written(was)} → {_written(now)}"


def _entry(
    path: str, was: dict[object, object], now: dict[object, object], name: object
) -> Iterator[str]:
    if name not in now:
        yield f"{path}: gone (was {_written(was[name])})"
    elif name not in was:
        yield f"{path}: new ({_written(now[name])})"
    else:
        yield from _differing(path, was[name], now[name])


def _written(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {_written(inner)}" for name, inner in value.items()) or "-"
        case list():
            return f"[{'; '.join(_written(inner) for inner in value)}]"
        case "" | None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
