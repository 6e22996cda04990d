"""Tables: files of rows, as cells by the name of their column, read as they are asked for.

Rules:

- `.csv` has a header that names the columns, between `,` or `;` or tabs. `.jsonl` has an object on
  each line. Either may be `.gz`, in UTF-8 unless told otherwise, with or without a byte order mark.
- A row that cannot be read is refused, with its line and the reason, and the others go on.
- What makes the whole file unreadable is `Misconfigured`.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from ecrm.errors import Misconfigured

_ENDINGS: Final = (".csv", ".jsonl")
_DELIMITERS: Final = (",", ";", "\t")

_Bytes = gzip.GzipFile | io.BufferedReader


class Cells(msgspec.Struct, frozen=True):
    """A row; `line` is where it begins, the file's first being 1. Cells of a CSV are text without
    spaces around it, and empty ones are left out.
    """

    line: int
    cells: dict[str, object]


class Refused(msgspec.Struct, frozen=True):
    """A row that cannot be taken; `reason` begins with the column it is about."""

    line: int
    reason: str


class Wrong(ValueError):
    """The reason to refuse a row."""


class Table:
    """A file being read. `columns` are those of a CSV; None where each row names its own."""

    def __init__(
        self, columns: list[str] | None, delimiter: str, rows: Iterator[Cells | Refused]
    ) -> None:
        self.columns = columns
        self.delimiter = delimiter
        self._rows = rows

    def __iter__(self) -> Iterator[Cells | Refused]:
        return self._rows


def count_lines(path: Path) -> int:
    """How many lines a file has, for a progress bar: a row's `line` is among them. Reads it whole.

    Raises Misconfigured where it cannot.
    """
    with _opened(path) as file:
        return sum(1 for _ in file)


@contextmanager
def read(path: Path, what: str, encoding: str = "utf-8") -> Iterator[Table]:
    """The rows of a file, each of which is a `what`. Raises Misconfigured, between two rows too."""
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending.lower() not in _ENDINGS:
        raise Misconfigured(f"{path} is no file of {what}s: write .csv or .jsonl, or these as .gz")
    with _opened(path) as file:
        if ending.lower() == ".jsonl":
            yield Table(None, "", _jsonl(file, what))
            return
        # What is no UTF-8 is kept as it is, so that its own row is refused and no other.
        utf = codecs.lookup(encoding).name == "utf-8"
        known, errors = ("utf-8-sig", "surrogateescape") if utf else (encoding, "replace")
        with io.TextIOWrapper(file, known, errors=errors, newline="") as text:
            first = text.readline()
            delimiter = max(_DELIMITERS, key=first.count)
            columns = _columns(path, first, delimiter)
            yield Table(columns, delimiter, _csv(text, columns, delimiter))


@contextmanager
def _opened(path: Path) -> Iterator[_Bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield file
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise Misconfigured(f"{path} is damaged: {error}") from None


# CSV


def _columns(path: Path, first: str, delimiter: str) -> list[str]:
    """The names of the columns. Raises Misconfigured where no row could be read under them."""
    try:
        names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error as error:
        raise Misconfigured(f"{path} is no CSV: {error}") from None
    # A spreadsheet may leave empty columns behind the last.
    while names and not names[-1]:
        names.pop()
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Misconfigured(f"{path} has more than one column {', '.join(map(repr, twice))}")
    return names


def _csv(text: io.TextIOWrapper, columns: list[str], delimiter: str) -> Iterator[Cells | Refused]:
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        line = rows.line_num + 2
        try:
            cells = [cell.strip() for cell in next(rows)]
        except StopIteration:
            return
        except csv.Error as error:
            yield Refused(line, f"is no row: {error}")
            continue
        if not any(cells):
            continue
        if len(cells) < len(columns) or any(cells[len(columns) :]):
            counts = f"has {len(cells)} columns, the first line {len(columns)}"
            yield Refused(line, counts)
            continue
        named = zip(columns, cells, strict=False)
        yield Cells(line, {name: cell for name, cell in named if cell})


# JSON lines


def _jsonl(file: _Bytes, what: str) -> Iterator[Cells | Refused]:
    for line, text in enumerate(file, start=1):
        said = text.removeprefix(b"\xef\xbb\xbf").strip() if line == 1 else text.strip()
        if not said:
            continue
        try:
            yield Cells(line, _object(said, what))
        except Wrong as wrong:
            yield Refused(line, str(wrong))


def _object(said: bytes, what: str) -> dict[str, object]:
    try:
        found = msgspec.json.decode(said)
    except UnicodeError:
        raise Wrong("is not in UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Wrong(f"is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Wrong(f"is no object: write the properties of one {what} between {{ and }}")
    return found
