"""A column map: where a shop's file has what, and how it writes it.

A map is a TOML file; without one the columns have our own names, dates are ISO 8601 and a decimal
point is one. `retail` names a map that comes with ecrm, `actors/maps/retail.toml`, which says what
each setting means. A cell that cannot be read is `Wrong`, its column first.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from actors import mistakes
from actors.mistakes import Section
from actors.tables import Wrong
from ecrm import calendar
from ecrm.errors import Misconfigured
from ecrm.moment import Instant, instant_of

SHIPPED: Final = Path(__file__).parent / "maps"

TRAITS: Final = (
    "email", "first_name", "last_name", "phone", "birthday", "gender", "locale", "timezone",
    "country", "city", "postal_code",
)  # fmt: skip
PURPOSES: Final = ("email_marketing", "open_tracking", "click_tracking")
AMOUNTS: Final = ("total", "shipping", "tax", "discount")
LINE: Final = ("product_id", "name", "category", "variant", "url", "image_url", "price", "quantity")
ORDER: Final = (
    "order_id", "at", "customer_id", "currency", "payment_method", "status", "products", "paid_at",
    "shipped_at", "delivered_at", "cancelled_at", "refunded_at", *AMOUNTS, *LINE, *TRAITS,
)  # fmt: skip
CUSTOMER: Final = (
    "customer_id", "created_at", *TRAITS, *PURPOSES,
    *(f"{one}_{what}" for one in PURPOSES for what in ("at", "source", "proof")),
)  # fmt: skip
NEEDED: Final = {ORDER: ("order_id", "at", "customer_id"), CUSTOMER: ("customer_id",)}

# Spaces that spreadsheets put between thousands.
_SPACES: Final = re.compile(r"[\s'\u2019]")
_POINT: Final = re.compile(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")
_COMMA: Final = re.compile(r"-?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?")
# So many digits are beyond any bound.
_LONGEST: Final = 40

Pattern = Annotated[str, Meta(min_length=1)]
Words = tuple[str, ...]


class Statuses(Section, frozen=True):
    """What the shop calls an order that was not simply bought; any other word is bought."""

    unpaid: Words = ("pending", "unpaid", "on-hold", "awaiting payment")
    cancelled: Words = ("cancelled", "canceled", "voided", "failed")
    refunded: Words = ("refunded",)
    ignored: Words = ("draft", "checkout-draft", "trash")


class Consents(Section, frozen=True):
    """What the shop writes for a yes and for a no; an empty cell is neither."""

    granted: Words = ("granted", "yes", "true", "1", "subscribed")
    denied: Words = ("denied", "no", "false", "0", "unsubscribed")


class ColumnMap(Section, frozen=True):
    """The settings of a map; `columns`, `constants` and the like are by our own names."""

    rows: Literal["lines", "orders"] = "lines"
    encoding: str = "utf-8"
    date: str = "iso"
    decimal: Literal[".", ","] = "."
    currency: str = ""
    timezone: str = ""
    accounts: bool = True
    new_products: bool = False
    columns: dict[str, str] = msgspec.field(default_factory=dict)
    constants: dict[str, str] = msgspec.field(default_factory=dict)
    dates: dict[str, str] = msgspec.field(default_factory=dict)
    patterns: dict[str, Pattern] = msgspec.field(default_factory=dict)
    formats: dict[str, str] = msgspec.field(default_factory=dict)
    returns: dict[str, Pattern] = msgspec.field(default_factory=dict)
    products: dict[str, Pattern] = msgspec.field(default_factory=dict)
    statuses: Statuses = Statuses()
    consents: Consents = Consents()


def load(named: str | None, names: tuple[str, ...]) -> ColumnMap:
    """The map in this file, or the shipped one of this name, for a file with these properties.

    Raises Misconfigured, the setting first.
    """
    if named is None:
        return ColumnMap(columns={name: name for name in names})
    path = Path(named)
    if not path.suffix and not path.exists():
        path = SHIPPED / f"{named}.toml"
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(one.stem for one in SHIPPED.glob("*.toml")))
        raise Misconfigured(
            f"cannot read the map {named}: {error.strerror}; write one, or name a shipped one "
            f"({shipped})"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise Misconfigured(f"{path} is no TOML: {error}") from None
    try:
        read = msgspec.convert(raw, ColumnMap)
        _check(read, names)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{path}: {mistakes.explained(error, raw, ColumnMap)}") from None
    except ValueError as error:
        raise Misconfigured(f"{path}: {error}") from None
    if "products" in read.columns:
        # Within a list of products their properties have our names unless it is said otherwise.
        listed = {name: name for name in LINE} | read.columns
        read = msgspec.structs.replace(read, columns=listed)
    return read


def _check(read: ColumnMap, names: tuple[str, ...]) -> None:
    """Raises ValueError where a map cannot mean anything."""
    tables: dict[str, Mapping[str, str]] = {
        "columns": read.columns, "constants": read.constants, "dates": read.dates,
        "patterns": read.patterns, "formats": read.formats, "returns": read.returns,
        "products": read.products,
    }  # fmt: skip
    for table, said in tables.items():
        for name in said:
            if name not in names:
                raise ValueError(
                    f"{table}.{name}: is nothing we know{mistakes.near(name, [*names])}"
                )
    for table in ("patterns", "returns", "products"):
        for name, pattern in tables[table].items():
            _check_pattern(f"{table}.{name}", pattern)
    for name, made in read.formats.items():
        if "{}" not in made:
            raise ValueError(f'formats.{name}: {made!r} needs {{}}, where the cell goes: "c{{}}"')
    if read.timezone and calendar.zone_of(read.timezone) is None:
        raise ValueError(f"timezone: {read.timezone!r} is no time zone")
    try:
        "".encode(read.encoding)
    except LookupError:
        raise ValueError(f"encoding: {read.encoding!r} is none") from None


def _check_pattern(setting: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{setting}: {pattern!r} is no pattern: {error}") from None


class Reader:
    """Reads the cells of a row by our names."""

    def __init__(self, mapped: ColumnMap, zone: ZoneInfo) -> None:
        self.map = mapped
        self.zone = (calendar.zone_of(mapped.timezone) if mapped.timezone else None) or zone
        self._patterns = {name: re.compile(one) for name, one in mapped.patterns.items()}
        self._returns = {name: re.compile(one) for name, one in mapped.returns.items()}
        self._products = {name: re.compile(one) for name, one in mapped.products.items()}
        self._at = lru_cache(4_096)(self._instant)

    def check(self, path: Path, columns: list[str], names: tuple[str, ...]) -> None:
        """Raises Misconfigured where the file lacks a column that the map, or we, cannot miss."""
        mapped = self.map.columns
        own = all(name == column for name, column in mapped.items())
        inside = LINE if "products" in mapped else ()
        wanted = NEEDED[names] if own else tuple(name for name in mapped if name not in inside)
        missing = [
            mapped.get(name, name)
            for name in (*wanted, *NEEDED[names])
            if name not in self.map.constants and mapped.get(name, name) not in columns
        ]
        if missing:
            lacks = ", ".join(dict.fromkeys(missing))
            raise Misconfigured(
                f"{path} lacks the columns {lacks}; it has {', '.join(columns)}: say with --map "
                "which is which"
            )

    def column(self, name: str) -> str:
        """What the file calls it."""
        return self.map.columns.get(name, name)

    def cell(self, row: Mapping[str, object], name: str) -> object:
        """What stands there, `a.b` inside of objects; None where nothing does."""
        if name not in self.map.columns:
            return None
        found: object = row.get(self.map.columns[name])
        if found is None and "." in self.map.columns[name]:
            found = row
            for part in self.map.columns[name].split("."):
                found = found.get(part) if isinstance(found, dict) else None
        return found

    def text(self, row: Mapping[str, object], name: str) -> str:
        """The cell as text, cut by its pattern and put into its format; "" where nothing stands."""
        found = _plain(self.column(name), self.cell(row, name))
        if found and name in self._patterns:
            matched = self._patterns[name].search(found)
            if matched is None:
                raise self.wrong(name, found, f"does not match {self.map.patterns[name]}")
            found = matched[1] if matched.re.groups else matched[0]
        if found and name in self.map.formats:
            found = self.map.formats[name].replace("{}", found)
        return found or self.map.constants.get(name, "")

    def needed(self, row: Mapping[str, object], name: str) -> str:
        found = self.text(row, name)
        if not found:
            raise Wrong(f"{self.column(name)}: is empty")
        return found

    def number(self, row: Mapping[str, object], name: str) -> Decimal | None:
        """A decimal number as the map writes it. Raises Wrong."""
        found = self.text(row, name)
        if not found:
            return None
        plain = _SPACES.sub("", found)
        comma = self.map.decimal == ","
        if len(plain) > _LONGEST or not (_COMMA if comma else _POINT).fullmatch(plain):
            example = "1234,50" if comma else "1234.50"
            raise self.wrong(name, found, f"is no number: write {example}")
        plain = plain.replace(".", "").replace(",", ".") if comma else plain.replace(",", "")
        return Decimal(plain)

    def whole(self, row: Mapping[str, object], name: str) -> int | None:
        found = self.number(row, name)
        if found is not None and found != found.to_integral_value():
            raise self.wrong(name, str(found), "is no whole number")
        return None if found is None else int(found)

    def instant(self, row: Mapping[str, object], name: str) -> Instant | None:
        """When it was; a date without an offset is the shop's. Raises Wrong."""
        found = self.text(row, name)
        return self._at(name, found) if found else None

    def _instant(self, name: str, found: str) -> Instant:
        form = self.map.dates.get(name, self.map.date)
        try:
            if form in ("unix", "unix_ms"):
                number = Decimal(found) if form == "unix_ms" else Decimal(found) * 1_000
                at = datetime.fromtimestamp(int(number) / 1_000, UTC)
            elif form == "iso":
                at = datetime.fromisoformat(found)
            else:
                # The zone comes with the format, or below.
                at = datetime.strptime(found, form)  # noqa: DTZ007
        except (ValueError, ArithmeticError, OSError):
            like = "ISO 8601" if form == "iso" else form
            raise self.wrong(name, found, f"is no date as {like}") from None
        return instant_of(at if at.tzinfo else at.replace(tzinfo=self.zone))

    def day(self, row: Mapping[str, object], name: str) -> str:
        """A day, YYYY-MM-DD."""
        found = self.text(row, name)
        form = self.map.dates.get(name, "iso")
        if not found or form == "iso":
            return found[:10]
        try:
            return datetime.strptime(found, form).date().isoformat()  # noqa: DTZ007 - a day
        except ValueError:
            raise self.wrong(name, found, f"is no date as {form}") from None

    def takes_back(self, row: Mapping[str, object]) -> bool:
        """Is it marked as a return?"""
        return any(
            pattern.match(_plain(name, self.cell(row, name)))
            for name, pattern in self._returns.items()
        )

    def is_product(self, row: Mapping[str, object]) -> bool:
        """Is it a product, and no fee?"""
        return all(
            pattern.match(_plain(name, self.cell(row, name)))
            for name, pattern in self._products.items()
        )

    def wrong(self, name: str, found: str, why: str) -> Wrong:
        return Wrong(f"{self.column(name)}: {found[:80]!r} {why}")


def _plain(column: str, value: object) -> str:
    match value:
        case str():
            found = value.strip()
            if found.isascii():
                return found
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            found = str(value)
        case _:
            raise Wrong(f"{column}: is neither text nor a number")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise Wrong(f"{column}: is not in UTF-8") from None
    return found
