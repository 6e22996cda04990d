"""The SQL of the store, read from its files.

`queries.sql` holds named statements: a line `-- name: x`, a comment saying who asks, the
statement. Parameters are bound by name, except where `(:each)` stands for all of a list.
Migrations are numbered from 1 without gaps and are never changed once released.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent

# A list longer than this is asked in parts; the turn loop's batch fits in one.
EACH = 256
# So many rows are written by one statement, or a power of two between these two numbers.
FEW, MANY = 8, 64
_VALUES = re.compile(r"VALUES\s*\((?P<row>[^()]*)\)")
_NAME = re.compile(r":(\w+)")

Value = str | bytes | int | float | None
Params = Mapping[str, Value]


@cache
def named() -> dict[str, str]:
    """Statements by name."""
    _, *parts = (HERE / "queries.sql").read_text("utf-8").split("-- name: ")
    return {name: sql for name, _, sql in (part.partition("\n") for part in parts)}


@cache
def migrations() -> tuple[str, ...]:
    """The scripts in order; the n-th makes schema n. Raises ValueError where one is missing."""
    files = sorted((HERE / "migrations").glob("*.sql"))
    if [int(file.name[:4]) for file in files] != [*range(1, len(files) + 1)]:
        raise ValueError("migrations are numbered 0001_, 0002_, ... without gaps")
    return tuple(file.read_text("utf-8") for file in files)


@cache
def _for_each(name: str, count: int) -> str:
    return named()[name].replace("(:each)", ", ".join(["(?)"] * count))


def for_each(name: str, values: Sequence[Value]) -> Iterator[tuple[str, list[Value]]]:
    """A statement over a list: pairs of text and parameters, `EACH` values or fewer in each.

    Lists are bound by position: finding 256 names was measured at five times the time. They are
    filled up with NULL, which equals nothing, to a power of two: few texts to prepare.
    """
    for start in range(0, len(values), EACH):
        part = values[start : start + EACH]
        count = 1 << (len(part) - 1).bit_length()
        yield _for_each(name, count), [*part, *[None] * (count - len(part))]


@cache
def _columns(name: str) -> tuple[str, ...]:
    """The parameters of one row, in order; none where the statement is about more than rows."""
    sql = named()[name]
    values = _VALUES.search(sql)
    row = () if values is None else tuple(_NAME.findall(values["row"]))
    return row if len(row) == len(_NAME.findall(sql.partition("\n")[2])) else ()


@cache
def _rows(name: str, count: int) -> str:
    def repeated(values: re.Match[str]) -> str:
        row = _NAME.sub("?", values["row"])
        return "VALUES " + ", ".join([f"({row})"] * count)

    return _VALUES.sub(repeated, named()[name])


def for_rows(name: str, many: Sequence[Params]) -> Iterator[tuple[str, list[Value]]] | None:
    """Write many rows at a time: pairs of text and parameters; None where the statement does not.

    One step of SQLite writes them all. Between two steps its thread needs the interpreter, which
    the event loop may have: a commit of 130 turns was measured to wait for it 300 ms when busy.
    """
    columns = _columns(name)
    return _in_parts(name, many, columns) if columns else None


def _in_parts(
    name: str, many: Sequence[Params], columns: tuple[str, ...]
) -> Iterator[tuple[str, list[Value]]]:
    start = 0
    while left := len(many) - start:
        count = left if left <= FEW else min(MANY, 1 << (left.bit_length() - 1))
        part = many[start : start + count]
        yield _rows(name, count), [row[column] for row in part for column in columns]
        start += count
