"""The operator's terminal: one command typed, one request sent, the answer laid out (R93).

    status · customers [PREFIX] · inspect CUSTOMER · journal CUSTOMER · timers CUSTOMER ·
    queue [STATE] [CUSTOMER] · mail MAIL · why MAIL · programmes [NAME] [MONTH] ·
    satisfaction [SURVEY] · pause all|lane N|programme NAME|domain NAME|transport NAME [WHY] ·
    drain [WHY] · resume … · requeue MAIL · cancel-mail MAIL [WHY] · quarantine [NUMBER] ·
    release CUSTOMER · operations ·
    tail [customer ID] [programme NAME] [event NAME] [outcome WORD] [rate N] · keys [revoke ID] ·
    send CUSTOMER EVENT [PROPERTIES] · unsuppress CUSTOMER [ADDRESS [WHY]] · relearn ·
    clock [advance 15d] · why-not CUSTOMER PROGRAMME [--at T] [--language fr] ·
    forecast CUSTOMER [--days N] [--what-if FILE] ·
    at CUSTOMER [--seq N | --turn N | --at T] [--steps N] [--what-if FILE]

`--json` prints the answer as it came, for scripts.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from textwrap import indent
from typing import Final, TypeGuard, get_args

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors import teaching
from actors.asked import Plain
from actors.keys import PREFIX
from actors.store import port

USAGE: Final = (
    "commands: status | customers [PREFIX of an id or address] [AFTER an id] | inspect CUSTOMER | "
    "journal CUSTOMER | timers CUSTOMER | queue [STATE] [CUSTOMER] | mail MAIL | why MAIL | "
    "programmes [NAME] [MONTH] | satisfaction [SURVEY] | "
    "pause all|lane N|programme NAME|domain NAME|transport NAME [WHY] | drain [WHY] | resume … | "
    "requeue MAIL | cancel-mail MAIL [WHY] | quarantine [NUMBER] | release CUSTOMER | operations | "
    "unsuppress CUSTOMER [ADDRESS [WHY]] | relearn | keys [revoke ID] | clock [advance 15d] | "
    "send CUSTOMER EVENT [PROPERTIES] | "
    "tail [customer ID] [programme NAME] [event NAME] [outcome WORD] [rate N] | watch COMMAND | "
    "why-not CUSTOMER PROGRAMME [--at T] [--language fr] | "
    "forecast CUSTOMER [--days N] [--what-if EVENT.json] | "
    "at CUSTOMER [--seq N | --turn N | --at T] [--steps N] [--what-if EVENT.json]"
)


# These are copied from the table: a terminal that breaks them in two breaks that.
_WHOLE: Final = frozenset(("mail", "number", "key"))


# What an op wants to be told of, and an example of it; those with a "?" do without.
_ABOUT: Final[dict[str, tuple[str, str]]] = {
    "status": ("", ""),
    "relearn": ("", ""),
    "inspect": ("customer", "c42"),
    "journal": ("customer", "c42"),
    "timers": ("customer", "c42"),
    "operations": ("", ""),
    "release": ("customer", "c42"),
    "mail": ("mail", "01890a5d-ac96-… (`queue` lists them)"),
    "why": ("mail", "01890a5d-ac96-… (`queue` lists them)"),
    "satisfaction": ("survey?", "support"),
    "unsuppress": ("customer", "c42"),
    "requeue": ("mail", "01890a5d-ac96-…"),
    "cancel-mail": ("mail", "01890a5d-ac96-…"),
}


def parse(command: str) -> Plain:
    """The request that a typed command means. Raises ValueError with what can be typed."""
    try:
        op, *about = shlex.split(command) or [""]
    except ValueError as error:
        raise ValueError(f"{command!r} is not understood: {error}") from None
    if op == "help":
        raise ValueError(USAGE)
    told = _READERS[op](about) if op in _READERS else _told(op, about)
    if told is None:
        raise ValueError(teaching.correction(command, op, OPS))
    return {"op": op, **told}


def _told(op: str, about: list[str]) -> Plain | None:
    if op not in _ABOUT or len(about) > bool(_ABOUT[op][0]):
        return None
    name, example = _ABOUT[op]
    if name and not about and not name.endswith("?"):
        raise ValueError(f"{op} wants a {name}: {op} {example}")
    return {name.rstrip("?"): one for one in about}


def _queued(about: list[str]) -> Plain | None:
    """A state, a customer, or both; a customer called like a state is named behind one."""
    if about and about[0] not in get_args(port.OutboxState):
        about = ["", *about]
    named = dict(zip(("state", "customer"), about, strict=False))
    return {name: one for name, one in named.items() if one} if len(about) <= len(named) else None


def _counted(about: list[str]) -> Plain | None:
    """A programme, a month of its mails, or both."""
    if about and about[0][:1].isdecimal():
        about = ["", *about]
    named = dict(zip(("programme", "month"), about, strict=False))
    return {name: one for name, one in named.items() if one} if len(about) <= len(named) else None


def _sought(about: list[str]) -> Plain | None:
    named = dict(zip(("search", "after"), about, strict=False))
    return {**named} if len(about) <= len(named) else None


def _scoped(about: list[str]) -> Plain | None:
    match about:
        case ["all", *why]:
            return {"reason": " ".join(why)}
        case ["lane" | "programme" | "domain" | "transport" as scope, name, *why]:
            return {"scope": scope, "name": name, "reason": " ".join(why)}
        case _:
            return None


def _cancelled(about: list[str]) -> Plain | None:
    if not about:
        return _told("cancel-mail", about)
    return {"mail": about[0], "reason": " ".join(about[1:])}


def _freed(about: list[str]) -> Plain | None:
    match about:
        case [customer, address, *why]:
            return {"customer": customer, "name": address, "reason": " ".join(why)}
        case _:
            return _told("unsuppress", about)


def _numbered(about: list[str]) -> Plain | None:
    match about:
        case []:
            return {}
        case [number] if number.isdecimal():
            return {"number": int(number)}
        case _:
            return None


def _pushed(about: list[str]) -> Plain | None:
    match about:
        case []:
            return {}
        case ["advance", *spans] if spans:
            return {"advance": "".join(spans)}
        case _:
            return None


def _asked(wants: str, *names: str) -> Callable[[list[str]], Plain | None]:
    """A reader of these words in their order, and of options behind them."""

    def read(about: list[str]) -> Plain | None:
        plain = [word for word in about[: len(names)] if not word.startswith("--")]
        options = about[len(plain) :]
        if len(plain) < len(names):
            raise ValueError(f"this wants a {' and a '.join(names)}: {wants}")
        if len(options) % 2:
            return None
        told: Plain = dict(zip(names, plain, strict=True))
        for option, value in zip(options[::2], options[1::2], strict=True):
            found = _OPTIONS.get(option)
            if found is None:
                return None
            told[found[0]] = found[1](value)
        return told

    return read


def event_in(path: str) -> object:
    """The event of a "what if", from a file. Raises ValueError."""
    try:
        event = msgspec.json.decode(Path(path).read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(event, dict):
        raise ValueError(f"{path} holds no event: write one as a back end would send it")  # noqa: TRY004 - a file, not a type
    return event


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number")
    return int(text)


_OPTIONS: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "--at": ("at", str),
    "--language": ("language", str),
    "--seq": ("seq", _number),
    "--turn": ("turn", _number),
    "--days": ("days", _number),
    "--steps": ("steps", _number),
    "--what-if": ("event", event_in),
}


def _filtered(about: list[str]) -> Plain | None:
    """Words in pairs: what a turn has to have, and which."""
    told: Plain = {}
    for name, value in zip_longest(about[::2], about[1::2]):
        if value is None or name not in _FILTERS:
            return None
        if name == "rate" and not value.isdecimal():
            raise ValueError(f"{value!r} is not understood: rate wants a number of turns a second")
        told[_FILTERS[name]] = int(value) if name == "rate" else value
    return told


_FILTERS: Final = {
    "customer": "customer",
    "programme": "programme",
    "event": "name",
    "outcome": "outcome",
    "rate": "rate",
}


def _said(about: list[str]) -> Plain | None:
    """An event as a back end would say it, its properties as one word of JSON."""
    match about:
        case [customer, event, *rest] if len(rest) <= 1:
            said = rest[0] if rest else "{}"
        case _:
            return None
    try:
        properties = msgspec.json.decode(said, type=Plain)
    except msgspec.MsgspecError as error:
        hint = "write them between ' and '"
        raise ValueError(f"{said!r} is not understood as properties: {error}; {hint}") from None
    event_said = {"type": "track", "event": event, "properties": properties}
    return {"customer": customer, "event": event_said}


def _kept(about: list[str]) -> Plain | None:
    match about:
        case []:
            return {}
        case ["revoke", key_id]:
            return {"op": "revoke-key", "name": key_id}
        case _:
            return None


# Ops that are told more than one word, or none.
_READERS: Final[dict[str, Callable[[list[str]], Plain | None]]] = {
    "queue": _queued,
    "customers": _sought,
    "programmes": _counted,
    "pause": _scoped,
    "resume": _scoped,
    "drain": lambda why: {"reason": " ".join(why)},
    "cancel-mail": _cancelled,
    "unsuppress": _freed,
    "quarantine": _numbered,
    "clock": _pushed,
    "why-not": _asked("why-not c42 review", "customer", "programme"),
    "forecast": _asked("forecast c42 --days 30", "customer"),
    "at": _asked("at c42 --seq 12", "customer"),
    "keys": _kept,
    "tail": _filtered,
    "send": _said,
}


# What can be asked.
OPS: Final = frozenset((*_ABOUT, *_READERS))


# Layout: what an op answers decides how it is shown, not which op it was.


def harmless(text: str) -> str:
    """The text with its control characters shown: what a customer is called must not be obeyed by
    the terminal.
    """
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def show(result: Plain, console: Console) -> None:
    """Print a result for a person: scalars first, long texts as they are, each list as a table."""
    scalars = Table(show_header=False, box=None, pad_edge=False)
    for name, value in result.items():
        if not isinstance(value, list) and not _is_long(value):
            scalars.add_row(Text(name, style="bold"), Text(_text(value)))
    console.print(scalars)
    for name, value in result.items():
        if isinstance(value, list):
            console.print(_table(name, _folded(value, console.width)))
        elif _is_long(value):
            console.print(Text(f"\n{name}", style="bold"))
            console.print(Text(harmless(value)), soft_wrap=True)


def _is_long(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and "\n" in value


# What is told of a row in one cell needs that much; fewer columns than these stay as they are.
_ROOM: Final = 34
_FEW: Final = 4


def _folded(rows: list[object], width: int) -> list[object]:
    """The rows, their last columns together in one where all side by side would be too narrow."""
    if not rows or not isinstance(rows[0], dict) or len(rows[0]) <= _FEW:
        return rows
    wide = msgspec.convert(rows, list[Plain])
    needs = {name: max(len(_text(row.get(name))) for row in wide) for name in wide[0]}
    kept, left = list[str](), width - _ROOM
    for name, need in needs.items():
        left -= max(need, len(name)) + 3
        if left < 0 and kept:
            break
        kept.append(name)
    if sum(max(need, len(name)) + 3 for name, need in needs.items()) < width:
        return rows
    return [
        {**{name: row.get(name) for name in kept},
         "more": {name: one for name, one in row.items() if name not in kept}}
        for row in wide
    ]  # fmt: skip


def _table(name: str, rows: list[object]) -> Table | Text:
    if not rows:
        return Text(f"{name}: 0", style="italic")
    table = Table(
        title=f"{name}: {len(rows)}", title_justify="left", show_lines=name in ("journal", "steps")
    )
    columns = list(rows[0]) if isinstance(rows[0], dict) else ["value"]
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        cells = row.values() if isinstance(row, dict) else [row]
        # As it is: what a customer is called is no markup of ours.
        table.add_row(*(Text(_text(cell)) for cell in cells))
    return table


def _text(value: object) -> str:
    match value:
        case dict():
            return "\n".join(_entry(name, inner) for name, inner in value.items()) or "-"
        case list():
            return "\n".join(_text(inner) for inner in value) or "-"
        case None | "":
            return "-"
        case _:
            return harmless(str(value))


def _entry(name: object, value: object) -> str:
    """One line for a plain value; what holds others stands indented under its name."""
    if isinstance(value, dict | list) and value:
        return f"{name}:\n{indent(_text(value), '  ')}"
    return f"{name}: {_text(value)}"


def has_key(line: str) -> bool:
    """Whether a line holds what looks like a key, pasted where none belongs."""
    return _KEY.search(line) is not None


_KEY: Final = re.compile(rf"\b(?:{'|'.join(PREFIX.values())})_[A-Za-z0-9_-]{{8,}}")
