"""The orders in a file, as what each customer is to remember (`actors/past.py`).

Rules:

- Orders are told at their own instants, those of one customer in order. An order of which a line
  is wrong is refused whole: half of it would be a wrong total, and could not be mended later.
- Without a customer there is nobody to remember it: such orders are counted and passed over, and so
  are those of fees alone.
- What came back is an order that the map's `[returns]` mark, or lines of a negative quantity.
- The total is what a column says, or else the sum of all lines, fees among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from actors.columns import AMOUNTS, Reader
from actors.past import (
    Found,
    Limits,
    Remembrance,
    Row,
    converted,
    customer_of,
    said_at,
    traits_of,
)
from actors.tables import Cells, Refused, Wrong
from ecrm.messages import History, Past, SentBack
from ecrm.moment import CustomerId, Instant
from proto import events

V = TypeVar("V")
D = TypeVar("D", bound=events.Event)


def orders(
    rows: Iterable[Cells | Refused], reader: Reader, source: str, limits: Limits, currency: str
) -> Found:
    """All orders of a file; `currency` is the shop's."""
    found = Found()
    for order_id, lines in _grouped(rows, reader, found).items():
        try:
            _Order(order_id, lines, reader, limits, currency).told(found, source)
        except _Line as wrong:
            found.refused.append((wrong.line, str(wrong)))
            others = [line.line for line in lines if line.line != wrong.line]
            why = f"its order {order_id} is wrong in line {wrong.line}"
            found.refused += [(line, why) for line in others]
    found.sort()
    return found


class _Line(Wrong):
    """A row is wrong, and so the order it belongs to."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _grouped(
    rows: Iterable[Cells | Refused], reader: Reader, found: Found
) -> dict[str, list[Cells]]:
    """The lines of each order, in the file's order."""
    grouped: dict[str, list[Cells]] = {}
    for row in rows:
        if isinstance(row, Refused):
            found.refused.append((row.line, row.reason))
            continue
        try:
            order_id = reader.needed(row.cells, "order_id")
        except Wrong as wrong:
            found.refused.append((row.line, str(wrong)))
            continue
        lines = grouped.setdefault(order_id, [])
        if lines and reader.map.rows == "orders":
            reason = f"order {order_id} is in line {lines[0].line} already"
            found.refused.append((row.line, reason))
            continue
        lines.append(row)
    return grouped


class _Order:
    """One order of a file on its way to a `Remembrance`. Raises `_Line` where it is wrong."""

    def __init__(
        self, order_id: str, lines: list[Cells], reader: Reader, limits: Limits, currency: str
    ) -> None:
        self.order_id = order_id
        self.lines = lines
        self.head = lines[0]
        self.reader = reader
        self.limits = limits
        self.shop_currency = currency

    def told(self, found: Found, source: str) -> None:
        """Add it to what is found, or count why it is passed over."""
        customer_id = self.at_line(self.head, self.customer)
        at = self.at_line(self.head, self.happened)
        if at >= self.limits.until:
            found.later += 1
            return
        if not customer_id:
            found.guests += 1
            return
        takes_back = self.reader.takes_back(self.head.cells)
        past = self.taken_back(at) if takes_back else self.bought(at, found)
        if past:
            kind = "return" if takes_back else "order"
            name = f"import/{kind}/{self.order_id}"
            history = History(source, tuple(past))
            found.told.append(
                Remembrance(self.head.line, customer_id, name, at, history, takes_back)
            )

    def at_line(self, line: Cells, read: Callable[[Row], V], row: Row | None = None) -> V:
        try:
            return read(line.cells if row is None else row)
        except Wrong as wrong:
            raise _Line(line.line, str(wrong)) from None

    def customer(self, row: Row) -> CustomerId:
        return customer_of(self.reader, row)

    def happened(self, row: Row) -> Instant:
        self.reader.needed(row, "at")
        at = self.reader.instant(row, "at")
        assert at is not None
        if at > self.limits.now and at < self.limits.until:
            raise self.reader.wrong("at", self.reader.text(row, "at"), "has not happened yet")
        return at

    def bought(self, at: Instant, found: Found) -> list[Past]:
        head = self.head.cells
        status = self.at_line(self.head, self.status)
        if status == "ignored":
            found.ignored += 1
            return []
        products, back, total = self.contents(found)
        if self.reader.map.rows == "lines" and not products and not back:
            found.fees += 1
            return []
        past: list[Past] = []
        if traits := self.at_line(self.head, lambda row: traits_of(self.reader, row)):
            past.append(Past(at, traits))
        if self.reader.map.accounts:
            past.append(Past(at, events.SignedUp()))
        if products or self.reader.map.rows == "orders":
            past += self.order(head, at, status, products, total)
        if back:
            past.append(Past(at, SentBack(dict(back))))
        return past

    def order(
        self, head: Row, at: Instant, status: str, products: list[Row], total: Decimal
    ) -> Iterator[Past]:
        """The order and how far it came."""
        said = self.at_line(self.head, self.amounts)
        currency = self.reader.text(head, "currency").upper() or self.reader.map.currency
        told: dict[str, object] = {
            "order_id": self.order_id,
            "total": float(total),
            "currency": currency or self.shop_currency,
            "payment_method": self.reader.text(head, "payment_method") or None,
            "products": products,
            **said,
        }
        yield Past(at, self.event(told, events.OrderCompleted))
        if status not in ("unpaid", "cancelled"):
            paid_at = self.instant("paid_at") if self.says("paid_at") else at
            if paid_at is not None:
                yield Past(paid_at, self.event(told, events.OrderPaid))
        for name, kind in _DEEDS.items():
            by_status = at if status == name.removesuffix("_at") else None
            happened = self.instant(name) if self.says(name) else by_status
            if happened is not None:
                yield Past(happened, self.event({"order_id": self.order_id}, kind))

    def contents(self, found: Found) -> tuple[list[Row], Counter[str], Decimal]:
        """The products, what came back of them, and what all lines cost together."""
        products: list[Row] = []
        back: Counter[str] = Counter()
        total = Decimal()
        for line in self.lines:
            self.check_customer(line)
            for row in self.at_line(line, self.parts):
                product, quantity, price = self.at_line(line, self.part, row)
                total += quantity * price
                if product is None:
                    continue
                if quantity < 0:
                    back[str(product["product_id"])] -= quantity
                else:
                    products.append({**product, "quantity": quantity})
                    self.introduce(line, product, found)
        return products, back, total

    def check_customer(self, line: Cells) -> None:
        """All lines of an order are one customer's. Most often the very same cell says so."""
        ours = self.reader.cell(self.head.cells, "customer_id")
        if self.reader.cell(line.cells, "customer_id") == ours:
            return
        if self.at_line(line, self.customer) != self.at_line(self.head, self.customer):
            raise _Line(line.line, f"order {self.order_id} is another customer's")

    def parts(self, row: Row) -> list[Row]:
        """The lines that a row holds: itself, or what its column of products lists."""
        listed = self.reader.cell(row, "products")
        match listed:
            case None:
                return [row]
            case str():
                return [_listed(self.reader, part) for part in listed.split("|") if part.strip()]
            case list():
                return [_listed(self.reader, part) for part in listed]
            case _:
                raise Wrong(f"{self.reader.column('products')}: is no list")

    def part(self, row: Row) -> tuple[dict[str, object] | None, int, Decimal]:
        """A product (None: a fee), how many, and what one costs."""
        read = self.reader
        quantity = read.whole(row, "quantity")
        quantity = 1 if quantity is None else quantity
        price = read.number(row, "price") or Decimal()
        is_fee = not read.text(row, "product_id") or not read.is_product(row)
        if is_fee or not quantity or price < 0:
            return None, quantity, price
        texts = ("product_id", "name", "category", "variant", "url", "image_url")
        told: dict[str, object] = {name: text for name in texts if (text := read.text(row, name))}
        return {**told, "price": float(price)}, quantity, price

    def introduce(self, line: Cells, product: Row, found: Found) -> None:
        if self.reader.map.new_products and "name" in product:
            currency = self.reader.text(self.head.cells, "currency").upper()
            told = {**product, "currency": currency or self.reader.map.currency or None}
            one = self.at_line(line, lambda _: converted(told, events.ProductUpserted))
            found.products[one.product_id] = one

    def taken_back(self, at: Instant) -> list[Past]:
        pieces: Counter[str] = Counter()
        for line in self.lines:
            for row in self.at_line(line, self.parts):
                product, quantity, _ = self.at_line(line, self.part, row)
                if product is not None and quantity < 0:
                    pieces[str(product["product_id"])] -= quantity
        # Who sends something back was here before, whatever else is known.
        account = [Past(at, events.SignedUp())] if self.reader.map.accounts else []
        return [*account, Past(at, SentBack(dict(pieces)))] if pieces else []

    def status(self, row: Row) -> str:
        said = self.reader.text(row, "status").casefold()
        words = msgspec.structs.asdict(self.reader.map.statuses)
        return next((name for name in words if said in map(str.casefold, words[name])), "")

    def amounts(self, row: Row) -> dict[str, float]:
        found = {name: self.reader.number(row, name) for name in AMOUNTS}
        return {name: float(value) for name, value in found.items() if value is not None}

    def says(self, name: str) -> bool:
        return bool(self.at_line(self.head, lambda row: self.reader.text(row, name)))

    def instant(self, name: str) -> Instant | None:
        """When it came so far; None where it had not by then."""
        found = self.at_line(self.head, lambda row: said_at(self.reader, row, name, self.limits))
        return found if 0 < found < self.limits.until else None

    def event(self, told: dict[str, object], kind: type[D]) -> D:
        return self.at_line(self.head, lambda _: converted(told, kind))


_DEEDS: Final[dict[str, type]] = {
    "shipped_at": events.OrderFulfilled,
    "delivered_at": events.OrderDelivered,
    "cancelled_at": events.OrderCancelled,
    "refunded_at": events.OrderRefunded,
}


def _listed(reader: Reader, part: object) -> Row:
    """One of a list of products: an object, or its id with a count, `tea*2`."""
    if isinstance(part, dict):
        return part
    if not isinstance(part, str):
        raise Wrong(f"{reader.column('products')}: write ids, tea*2|cup, or objects")
    product_id, _, count = part.partition("*")
    told = {"product_id": product_id.strip(), "quantity": count.strip() or "1"}
    return {reader.column(name): value for name, value in told.items()}
