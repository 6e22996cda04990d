"""The SQL of the store, read from its files.

`queries.sql` holds named statements: a line `-- name: x`, a comment saying who asks, the
statement. Parameters are bound by name, except where `(:each)` stands for all of a list.
Migrations are numbered from 1 without gaps and are never changed once released.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent

# A list longer than this is asked in parts; the turn loop's batch fits in one.
EACH = 256

Value = str | bytes | int | float | None


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
