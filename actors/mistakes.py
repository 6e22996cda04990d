"""What is wrong with a settings file, said so that it can be mended.

Msgspec tells where a value does not fit its type, and leaves out the names of tables that a shop
chose (`programmes[...]`) and what could have been written. Both are found again here, by walking
the file and its types along the same path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Annotated, Literal, TypeVar, get_args, get_origin

import msgspec

from ecrm.errors import Misconfigured, Rejected

T = TypeVar("T")
R = TypeVar("R")

_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: what is not listed in it is refused."""


def value(setting: str, read: Callable[[T], R], raw: T) -> R:
    """`raw` as `read` reads it. Raises Misconfigured, the setting first, where it cannot."""
    try:
        return read(raw)
    except (ValueError, Rejected) as error:
        raise Misconfigured(f"{setting}: {error}") from None


def explained(error: msgspec.ValidationError, raw: object, kind: object) -> str:
    """The mistake that `raw` has as a `kind`, the setting first."""
    what, _, where = str(error).partition(" - at `")
    place, kind = _followed(where.rstrip("`"), raw, kind)
    unknown = _UNKNOWN.fullmatch(what)
    if unknown is not None:
        names = [field.name for one in _kinds(kind) for field in _fields(one)]
        setting = f"{place}.{unknown[1]}" if place else unknown[1]
        return f"{setting!r} is no setting{near(unknown[1], names)}"
    allowed = [repr(value) for one in _kinds(kind) if _is_choice(one) for value in get_args(one)]
    if allowed and "enum" in what:
        what = f"{what}: write {' or '.join(allowed)}"
    return f"{place}: {what}" if place else what


def near(name: str, names: list[str]) -> str:
    """What may have been meant, as the end of a sentence."""
    found = get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]}?" if found else f"; there are {', '.join(names)}"


def _followed(where: str, raw: object, kind: object) -> tuple[str, object]:
    """The place in full, and the type of what should be there."""
    names = ""
    for field, index in _STEP.findall(where):
        if field:
            found = {one.name: one.type for each in _kinds(kind) for one in _fields(each)}
            kind, name, names = found.get(field), field, f"{names}.{field}"
        else:
            kind = next(
                (get_args(one)[-1] for one in _kinds(kind) if get_origin(one) is dict), kind
            )
            kind = next(
                (get_args(one)[0] for one in _kinds(kind) if get_origin(one) is tuple), kind
            )
            name = index if index != "..." else _unfit(raw, kind)
            names += f"[{name}]" if name.isdigit() else f".{name}"
        raw = _inside(raw, name)
    return names.removeprefix("."), kind


def _unfit(raw: object, kind: object) -> str:
    """Which entry of a table it is that does not fit: a path does not name it."""
    for name, value in raw.items() if isinstance(raw, dict) else ():
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return str(name)
    return "..."


def _inside(raw: object, name: str) -> object:
    match raw:
        case dict():
            return raw.get(name)
        case list() if name.isdigit():
            return raw[int(name)]
        case _:
            return None


def _kinds(kind: object) -> Iterator[object]:
    """The types that a value may have, out of their unions."""
    if get_origin(kind) is Annotated:
        yield from _kinds(get_args(kind)[0])
    elif get_args(kind) and not _is_choice(kind) and get_origin(kind) not in (dict, tuple):
        for one in get_args(kind):
            yield from _kinds(one)
    else:
        yield kind


def _is_choice(kind: object) -> bool:
    return get_origin(kind) is Literal


def _fields(kind: object) -> tuple[msgspec.structs.FieldInfo, ...]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return msgspec.structs.fields(kind)
    return ()
