"""The operator's terminal: one command typed, one request sent, the answer laid out (R93).

    status · inspect CUSTOMER · journal CUSTOMER · timers CUSTOMER · queue [STATE] · why MAIL ·
    programmes · satisfaction [SURVEY] · pause all|lane N|programme NAME|domain NAME [WHY] · resume
    … · requeue MAIL · cancel-mail MAIL · unsuppress CUSTOMER [ADDRESS [WHY]] · clock [advance 15d]

`--json` prints the answer as it came, for scripts.
"""

from __future__ import annotations

import shlex
from textwrap import indent
from typing import Final

import msgspec
import trio_websocket
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.gateway import CONSOLE_PATH
from ecrm.errors import EcrmError

Plain = dict[str, object]

USAGE: Final = (
    "commands: status | inspect CUSTOMER | journal CUSTOMER | timers CUSTOMER | "
    "queue [STATE] [CUSTOMER] | why MAIL | programmes | satisfaction [SURVEY] | "
    "pause all|lane N|programme NAME|domain NAME [WHY] | resume … | requeue MAIL | "
    "cancel-mail MAIL | unsuppress CUSTOMER [ADDRESS [WHY]] | relearn | clock [advance 15d]"
)


class Unanswered(EcrmError):
    """The service did not answer."""


# What an op wants to be told of, and an example of it; those with a "?" do without.
_ABOUT: Final[dict[str, tuple[str, str]]] = {
    "status": ("", ""),
    "programmes": ("", ""),
    "relearn": ("", ""),
    "inspect": ("customer", "c42"),
    "journal": ("customer", "c42"),
    "timers": ("customer", "c42"),
    "why": ("mail", "01890a5d-ac96-… (`queue` lists them)"),
    "satisfaction": ("survey?", "support"),
    "unsuppress": ("customer", "c42"),
    "requeue": ("mail", "01890a5d-ac96-…"),
    "cancel-mail": ("mail", "01890a5d-ac96-…"),
}


def parse(command: str) -> Plain:
    """The request that a typed command means. Raises ValueError with what can be typed."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{command!r} is not understood: {error}") from None
    match words:
        case ["queue", *about] if len(about) <= 2:
            return {"op": "queue", **dict(zip(("state", "customer"), about, strict=False))}
        case ["pause" | "resume" | "unsuppress", _, _, *_] | ["pause" | "resume", "all"]:
            return _named(command, words)
        case ["clock"]:
            return {"op": "clock"}
        case ["clock", "advance", *spans] if spans:
            return {"op": "clock", "advance": "".join(spans)}
        case ["help", *_]:
            raise ValueError(USAGE)
        case [op, *about] if op in _ABOUT and len(about) <= bool(_ABOUT[op][0]):
            return _request(op, about)
        case _:
            raise ValueError(f"{command!r} is not understood; {USAGE}")


def _named(command: str, words: list[str]) -> Plain:
    """What names more than one thing, and may say why."""
    match words:
        case ["pause" | "resume" as op, "all"]:
            return {"op": op}
        case ["pause" | "resume" as op, "lane" | "programme" | "domain" as scope, name, *why]:
            return {"op": op, "scope": scope, "name": name, "reason": " ".join(why)}
        case ["unsuppress", customer, address, *why]:
            named = {"customer": customer, "name": address, "reason": " ".join(why)}
            return {"op": "unsuppress", **named}
        case _:
            raise ValueError(f"{command!r} is not understood; {USAGE}")


def _request(op: str, about: list[str]) -> Plain:
    name, example = _ABOUT[op]
    if name and not about and not name.endswith("?"):
        raise ValueError(f"{op} wants a {name}: {op} {example}")
    return {"op": op, **{name.rstrip("?"): one for one in about}}


async def ask(host: str, port: int, key: str, request: Plain) -> Plain:
    """Put one request to the running service and return its result.

    Raises `Unanswered`, in one line that says what to do.
    """
    url = f"ws://{host}:{port}{CONSOLE_PATH}"
    try:
        async with trio_websocket.open_websocket_url(url) as websocket:
            await websocket.send_message(_encode({"type": "hello", "key": key}))
            welcome = _decode(await websocket.get_message())
            if welcome.get("type") != "welcome":
                raise Unanswered(
                    "the service does not take this operator key: give the one that the first "
                    "start printed with --key or ECRM_OPERATOR_KEY"
                )
            await websocket.send_message(_encode({"id": 1, **request}))
            answer = _decode(await websocket.get_message())
    except (OSError, trio_websocket.HandshakeError):
        raise Unanswered(
            f"no service answers at {url}: start one with run.py serve, or name another --config"
        ) from None
    except trio_websocket.ConnectionClosed:
        raise Unanswered("the service closed the connection before it had answered") from None
    if answer.get("ok"):
        return msgspec.convert(answer["result"], Plain)
    error = msgspec.convert(answer["error"], dict[str, str])
    raise Unanswered(error["reason"])


def _encode(value: Plain) -> str:
    return msgspec.json.encode(value).decode()


def _decode(frame: str | bytes) -> Plain:
    return msgspec.json.decode(frame, type=Plain)


# Layout: what an op answers decides how it is shown, not which op it was.


def show(result: Plain, console: Console) -> None:
    """Print a result for a person: scalars first, then each list as a table."""
    scalars = Table(show_header=False, box=None, pad_edge=False)
    for name, value in result.items():
        if not isinstance(value, list):
            scalars.add_row(Text(name, style="bold"), Text(_text(value)))
    console.print(scalars)
    for name, value in result.items():
        if isinstance(value, list):
            console.print(_table(name, value))


def _table(name: str, rows: list[object]) -> Table | Text:
    if not rows:
        return Text(f"{name}: 0", style="italic")
    table = Table(title=f"{name}: {len(rows)}", title_justify="left", show_lines=name == "journal")
    columns = list(rows[0]) if isinstance(rows[0], dict) else ["value"]
    for column in columns:
        table.add_column(column, overflow="fold")
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
            return str(value)


def _entry(name: object, value: object) -> str:
    """One line for a plain value; what holds others stands indented under its name."""
    if isinstance(value, dict | list) and value:
        return f"{name}:\n{indent(_text(value), '  ')}"
    return f"{name}: {_text(value)}"
