"""Files of products: each row as the `Product Upserted` it stands for, or why it cannot be.

Rules:

- `.csv` has a header that names properties of Product Upserted, columns between `,` or `;` or tabs,
  lists between `|`, and true/false, yes/no or 1/0. An empty cell says nothing. Between `;` a comma
  may stand in a decimal number, as a French spreadsheet writes it, unless it could as well part
  thousands.
- `.jsonl` has an object of these properties on each line. Either may be `.gz`, in UTF-8, with or
  without a byte order mark.
- A row is held to what the wire allows (`proto/events.py`). One that is wrong is refused, with its
  line and the reason, and the others go on; a property that no product has is passed over as on
  the wire, and said once.
- What makes the whole file unreadable is `Misconfigured`.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from actors import mistakes
from ecrm.errors import Misconfigured
from proto import events

PROPERTIES: Final = events.ProductUpserted.__struct_fields__
LISTS: Final = frozenset(("complements", "services", "affinity_categories"))
FLAGS: Final = frozenset(("recurring", "in_stock"))
NUMBERS: Final = frozenset(("price", "quantity", "position", "cycle_days"))

_ENDINGS: Final = (".csv", ".jsonl")
_DELIMITERS: Final = (",", ";", "\t")
_TRUTH: Final = {
    "true": True, "yes": True, "1": True,
    "false": False, "no": False, "0": False,
}  # fmt: skip
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
# Three digits behind the comma may be thousands.
_COMMA: Final = re.compile(r"[+-]?[0-9]+,([0-9]{1,2}|[0-9]{4,})")


class Told(msgspec.Struct, frozen=True):
    """A row that says something; `line` is where it begins, the file's first being 1."""

    line: int
    event: events.ProductUpserted


class Refused(msgspec.Struct, frozen=True):
    """A row that cannot be taken; `reason` begins with the property it is about."""

    line: int
    reason: str


class Ignored(msgspec.Struct, frozen=True):
    """A property that no product has, where it is first met."""

    line: int
    reason: str


Row = Told | Refused | Ignored

_Bytes = gzip.GzipFile | io.BufferedReader


class _Wrong(ValueError):
    """The reason to refuse a row."""


def count_lines(path: Path) -> int:
    """How many lines a file has, for a progress bar: a row's `line` is among them. Reads it whole.

    Raises Misconfigured where it cannot.
    """
    with _opened(path) as file:
        return sum(1 for _ in file)


def read_products(path: Path) -> Iterator[Row]:
    """All rows of a file, in its order, read as they are asked for. Raises Misconfigured."""
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending.lower() not in _ENDINGS:
        raise Misconfigured(f"{path} is no file of products: write .csv or .jsonl, or these as .gz")
    with _opened(path) as file:
        yield from _csv(path, file) if ending.lower() == ".csv" else _jsonl(file)


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


def _csv(path: Path, file: _Bytes) -> Iterator[Row]:
    # What is no UTF-8 is kept as it is, so that its own row is refused and no other.
    with io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="") as text:
        first = text.readline()
        delimiter = max(_DELIMITERS, key=first.count)
        header = _header(path, first, delimiter)
        for name in header:
            if name not in PROPERTIES:
                yield Ignored(1, _unknown(name))
        yield from _rows(text, header, delimiter)


def _rows(text: io.TextIOWrapper, header: list[str], delimiter: str) -> Iterator[Row]:
    rows = csv.reader(text, delimiter=delimiter, strict=True)
    while True:
        line = rows.line_num + 2
        try:
            cells = next(rows)
            if any(map(str.strip, cells)):
                yield Told(line, _event(_properties(header, cells, delimiter)))
        except StopIteration:
            return
        except csv.Error as error:
            yield Refused(line, f"is no row: {error}")
        except _Wrong as wrong:
            yield Refused(line, str(wrong))


def _header(path: Path, first: str, delimiter: str) -> list[str]:
    """The names of the columns. Raises Misconfigured where no row could be read under them."""
    try:
        names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error as error:
        raise Misconfigured(f"{path} is no CSV: {error}") from None
    # A spreadsheet may leave empty columns behind the last.
    while names and not names[-1]:
        names.pop()
    if "product_id" not in names:
        raise Misconfigured(f"{path} lacks the column product_id: its first line names the columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Misconfigured(f"{path} has more than one column {', '.join(map(repr, twice))}")
    return names


def _properties(header: list[str], cells: list[str], delimiter: str) -> dict[str, object]:
    if len(cells) < len(header) or any(cells[len(header) :]):
        raise _Wrong(f"has {len(cells)} columns, the first line {len(header)}")
    told = zip(header, map(str.strip, cells), strict=False)
    return {
        name: _value(name, cell, delimiter) for name, cell in told if cell and name in PROPERTIES
    }


def _value(name: str, cell: str, delimiter: str) -> object:
    if name in LISTS:
        if "|" not in cell and (";" in cell or "," in cell):
            raise _Wrong(f"{name}: {cell!r} is one name: write | between several")
        return [one for part in cell.split("|") if (one := part.strip())]
    if name in FLAGS:
        if cell.lower() not in _TRUTH:
            raise _Wrong(f"{name}: {cell!r} is neither true nor false")
        return _TRUTH[cell.lower()]
    return _number(name, cell, delimiter) if name in NUMBERS else cell


def _number(name: str, cell: str, delimiter: str) -> int | float:
    plain = cell.replace(",", ".") if delimiter == ";" and _COMMA.fullmatch(cell) else cell
    if not _NUMBER.fullmatch(plain):
        raise _Wrong(f"{name}: {cell!r} is no number: write 1234.50")
    # So many digits are beyond any bound, and Python would not read them.
    if len(plain) > 40:
        raise _Wrong(f"{name}: is too long a number")
    return float(plain) if "." in plain else int(plain)


# JSON lines


def _jsonl(file: _Bytes) -> Iterator[Row]:
    met: set[str] = set()
    for line, text in enumerate(file, start=1):
        said = text.removeprefix(b"\xef\xbb\xbf").strip() if line == 1 else text.strip()
        if not said:
            continue
        try:
            properties = _object(said)
            for name in properties:
                if name not in PROPERTIES and name not in met:
                    met.add(name)
                    yield Ignored(line, _unknown(name))
            yield Told(line, _event(properties))
        except _Wrong as wrong:
            yield Refused(line, str(wrong))


def _object(said: bytes) -> dict[str, object]:
    try:
        found = msgspec.json.decode(said)
    except UnicodeError:
        raise _Wrong("is not in UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _Wrong(f"is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise _Wrong("is no object: write the properties of one product between { and }")
    return found


# Both


def _event(properties: dict[str, object]) -> events.ProductUpserted:
    known = {name: value for name, value in properties.items() if name in PROPERTIES}
    try:
        event = msgspec.convert(known, events.ProductUpserted)
        # Text with pieces that are no UTF-8 fits the types, and could not be stored.
        msgspec.msgpack.encode(event)
    except msgspec.ValidationError as error:
        raise _Wrong(mistakes.explained(error, known, events.ProductUpserted)) from None
    except UnicodeEncodeError:
        raise _Wrong("is not in UTF-8") from None
    return event


def _unknown(name: str) -> str:
    return f"{name!r} is no property of a product{mistakes.near(name, list(PROPERTIES))}"
