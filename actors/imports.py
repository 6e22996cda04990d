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

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from actors import mistakes, tables
from actors.tables import Cells, Refused, Wrong
from ecrm.errors import Misconfigured
from proto import events

PROPERTIES: Final = events.ProductUpserted.__struct_fields__
LISTS: Final = frozenset(("complements", "services", "affinity_categories"))
FLAGS: Final = frozenset(("recurring", "in_stock"))
NUMBERS: Final = frozenset(("price", "quantity", "position", "cycle_days"))

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


class Ignored(msgspec.Struct, frozen=True):
    """A property that no product has, where it is first met."""

    line: int
    reason: str


Row = Told | Refused | Ignored


def read_products(path: Path) -> Iterator[Row]:
    """All rows of a file, in its order, read as they are asked for. Raises Misconfigured."""
    met = set(PROPERTIES)
    with tables.read(path, "product") as table:
        if table.columns is not None:
            if "product_id" not in table.columns:
                raise Misconfigured(
                    f"{path} lacks the column product_id: its first line names the columns"
                )
            yield from _unknown(1, table.columns, met)
        for row in table:
            if isinstance(row, Refused):
                yield row
                continue
            yield from _unknown(row.line, row.cells, met)
            yield _told(row, table.delimiter)


def _unknown(line: int, names: Iterable[str], met: set[str]) -> Iterator[Ignored]:
    for name in names:
        if name not in met:
            met.add(name)
            near = mistakes.near(name, list(PROPERTIES))
            yield Ignored(line, f"{name!r} is no property of a product{near}")


def _told(row: Cells, delimiter: str) -> Told | Refused:
    known = {name: value for name, value in row.cells.items() if name in PROPERTIES}
    try:
        if delimiter:
            known = {name: _value(name, str(cell), delimiter) for name, cell in known.items()}
        return Told(row.line, _event(known))
    except Wrong as wrong:
        return Refused(row.line, str(wrong))


def _value(name: str, cell: str, delimiter: str) -> object:
    if name in LISTS:
        if "|" not in cell and (";" in cell or "," in cell):
            raise Wrong(f"{name}: {cell!r} is one name: write | between several")
        return [one for part in cell.split("|") if (one := part.strip())]
    if name in FLAGS:
        if cell.lower() not in _TRUTH:
            raise Wrong(f"{name}: {cell!r} is neither true nor false")
        return _TRUTH[cell.lower()]
    return _number(name, cell, delimiter) if name in NUMBERS else cell


def _number(name: str, cell: str, delimiter: str) -> int | float:
    plain = cell.replace(",", ".") if delimiter == ";" and _COMMA.fullmatch(cell) else cell
    if not _NUMBER.fullmatch(plain):
        raise Wrong(f"{name}: {cell!r} is no number: write 1234.50")
    # So many digits are beyond any bound, and Python would not read them.
    if len(plain) > 40:
        raise Wrong(f"{name}: is too long a number")
    return float(plain) if "." in plain else int(plain)


def _event(known: dict[str, object]) -> events.ProductUpserted:
    try:
        event = msgspec.convert(known, events.ProductUpserted)
        # Text with pieces that are no UTF-8 fits the types, and could not be stored.
        msgspec.msgpack.encode(event)
    except msgspec.ValidationError as error:
        raise Wrong(mistakes.explained(error, known, events.ProductUpserted)) from None
    except UnicodeEncodeError:
        raise Wrong("is not in UTF-8") from None
    return event
