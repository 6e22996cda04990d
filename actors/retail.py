"""A shop's weeks, as the events it would have sent, from invoice lines (Online Retail's columns).

Rules of the mapping:

- every invoice becomes what its customer did: products into the cart, checkout, order, payment, all
  at the invoice's time; preparation two hours later; hand-over to the carrier a day later, but not
  on a Sunday;
- a customer's first line signs them up, with an address and consent; lines without a customer are
  guests, one visitor an invoice;
- a product is told to the catalogue when it is first seen, its category the last word of its name
  ("holder", "mug"); odd stock codes (postage, fees, manual
  corrections) are part of the total and no product;
- an invoice that begins with C takes back: its lines are looked for in the customer's earlier
  orders, newest first. An order of which nothing is left was cancelled, or refunded once it had
  left; one of which something is left was refunded in part. What was bought before the data begin
  cannot be found and is counted.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from ecrm.errors import Misconfigured
from ecrm.moment import DAY, HOUR, Instant, format_instant

COLUMNS: Final = (
    "InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID",
    "Country",
)  # fmt: skip

# The shop's clock and money.
ZONE: Final = ZoneInfo("Europe/London")
CURRENCY: Final = "GBP"

_FRENCH: Final = frozenset(("France", "Belgium", "Switzerland"))
_SUNDAY: Final = 6

Event = dict[str, object]


class Line(msgspec.Struct, frozen=True):
    invoice: str
    code: str
    name: str
    quantity: int
    price: Decimal
    customer: str
    country: str

    @property
    def is_product(self) -> bool:
        """Stock codes of products begin with a digit: POST, M, D and BANK CHARGES are none."""
        return self.code[:1].isdigit()


class Invoice(msgspec.Struct, frozen=True):
    number: str
    at: Instant
    lines: tuple[Line, ...]

    @property
    def customer(self) -> str:
        return self.lines[0].customer

    @property
    def takes_back(self) -> bool:
        return self.number.startswith("C")


class Order(msgspec.Struct):
    """What is left of an order, for the invoices that take back."""

    order_id: str
    left: Counter[str]
    ships_at: Instant


def read(path: Path) -> list[Invoice]:
    """All invoices of a file (`.csv` or `.csv.gz`), in order of time. Raises `Misconfigured`."""
    opened = gzip.open if path.suffix == ".gz" else open
    invoices: dict[str, tuple[Instant, list[Line]]] = {}
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise Misconfigured(f"{path} lacks the columns {', '.join(missing)}")
            for row in rows:
                at, line = _line(row, f"{path} line {rows.line_num}")
                invoices.setdefault(line.invoice, (at, []))[1].append(line)
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error, EOFError) as error:
        raise Misconfigured(f"{path} is no CSV of invoices: {error}") from None
    found = [Invoice(number, at, tuple(lines)) for number, (at, lines) in invoices.items()]
    return sorted(found, key=lambda invoice: (invoice.at, invoice.number))


def _line(row: dict[str, str], where: str) -> tuple[Instant, Line]:
    try:
        local = datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=ZONE)
        line = Line(
            invoice=row["InvoiceNo"],
            code=row["StockCode"].strip(),
            name=row["Description"].strip(),
            quantity=int(row["Quantity"]),
            price=Decimal(row["UnitPrice"]),
            customer=row["CustomerID"].partition(".")[0].strip(),
            country=row["Country"].strip(),
        )
    except (ValueError, ArithmeticError, AttributeError, TypeError) as error:
        raise Misconfigured(f"{where} is no invoice line: {error}") from None
    return Instant(round(local.astimezone(UTC).timestamp() * 1_000)), line


class Shop:
    """Tells the invoices as events, remembering who and what was told of before. What happened
    before `since` was told in another way (`run.py import orders`): of it nothing is said again,
    and what is taken back later is still found in it.
    """

    def __init__(self, since: Instant = Instant(0)) -> None:  # noqa: B008 - an immutable number
        self.unmatched = 0
        self._since = since
        self._customers: set[str] = set()
        self._products: set[str] = set()
        self._orders: dict[str, list[Order]] = {}
        self._numbers: Counter[str] = Counter()

    def events(self, invoices: list[Invoice]) -> Iterator[tuple[Instant, list[Event]]]:
        """All events from then on, by instant: what is due later (prepared, shipped) comes in its
        place.
        """
        return ((at, told) for at, told in self._events(invoices) if at >= self._since)

    def _events(self, invoices: list[Invoice]) -> Iterator[tuple[Instant, list[Event]]]:
        later: dict[Instant, list[Event]] = {}
        for invoice in invoices:
            for at in sorted(at for at in later if at < invoice.at):
                yield at, later.pop(at)
            told = later.pop(invoice.at, [])
            told += self._returned(invoice) if invoice.takes_back else self._bought(invoice, later)
            if told:
                yield invoice.at, told
        for at in sorted(later):
            yield at, later.pop(at)

    def _message(self, invoice: Invoice, at: Instant, kind: str, **body: object) -> Event:
        """One message of the wire, with an id that a second run gives it again."""
        self._numbers[invoice.number] += 1
        who = {"userId": invoice.customer and f"c{invoice.customer}"}
        if not invoice.customer:
            who = {"anonymousId": f"guest-{invoice.number}"}
        return {
            "type": kind,
            "messageId": f"{invoice.number}-{self._numbers[invoice.number]}",
            "timestamp": format_instant(at),
            **who,
            **body,
        }

    def _track(self, invoice: Invoice, at: Instant, event: str, **properties: object) -> Event:
        return self._message(invoice, at, "track", event=event, properties=properties)

    def _bought(self, invoice: Invoice, later: dict[Instant, list[Event]]) -> list[Event]:
        lines = [line for line in invoice.lines if line.quantity > 0 and line.price >= 0]
        goods = [line for line in lines if line.is_product]
        if not goods:
            return []
        told = self._introduced(invoice, goods)
        at, order_id = invoice.at, invoice.number
        cart = f"cart-{order_id}"
        total = float(sum(line.price * line.quantity for line in lines))
        products = [_product(line) for line in goods]
        for line in goods:
            properties = {**_product(line), "cart_id": cart, "currency": CURRENCY}
            told.append(self._track(invoice, at, "Product Added", **properties))
        order = {"order_id": order_id, "total": total, "currency": CURRENCY, "products": products}
        told += [
            self._track(invoice, at, "Checkout Started", cart_id=cart, currency=CURRENCY),
            self._track(invoice, at, "Order Completed", **order),
            self._track(invoice, at, "Order Paid", **order, payment_method="card"),
        ]
        ships_at = _next_day(at)
        later.setdefault(Instant(at + 2 * HOUR), []).append(
            self._track(invoice, Instant(at + 2 * HOUR), "Order Prepared", order_id=order_id)
        )
        later.setdefault(ships_at, []).append(self._shipped(invoice, ships_at))
        left = Counter[str]()
        for line in goods:
            left[line.code] += line.quantity
        if invoice.customer:
            self._orders.setdefault(invoice.customer, []).append(Order(order_id, left, ships_at))
        return told

    def _introduced(self, invoice: Invoice, goods: list[Line]) -> list[Event]:
        """Whoever and whatever is seen for the first time."""
        told: list[Event] = []
        if invoice.at < self._since:
            return told
        for line in goods:
            if line.code not in self._products:
                self._products.add(line.code)
                properties = {**_product(line), "currency": CURRENCY}
                del properties["quantity"]
                upserted = self._track(invoice, invoice.at, "Product Upserted", **properties)
                upserted.pop("userId", None)
                upserted.pop("anonymousId", None)
                told.append(upserted)
        customer = invoice.customer
        if customer and customer not in self._customers:
            self._customers.add(customer)
            country = invoice.lines[0].country
            traits = {
                "email": f"c{customer}@customers.example",
                "locale": "fr-FR" if country in _FRENCH else "en-GB",
                "address": {"country": country},
            }
            granted = {"purpose": "email_marketing", "state": "granted", "source": "registration"}
            told += [
                self._message(invoice, invoice.at, "identify", traits=traits),
                self._track(invoice, invoice.at, "Signed Up"),
                self._track(invoice, invoice.at, "Consent Updated", **granted),
            ]
        return told

    def _shipped(self, invoice: Invoice, at: Instant) -> Event:
        digits = int.from_bytes(blake2b(invoice.number.encode(), digest_size=6).digest())
        return self._track(
            invoice,
            at,
            "Order Fulfilled",
            order_id=invoice.number,
            fulfillment_id=f"p-{invoice.number}",
            carrier="Royal Mail",
            tracking_number=f"RM{digits % 10**9:09}GB",
        )

    def _returned(self, invoice: Invoice) -> list[Event]:
        """What an invoice that takes back means for the orders it takes from."""
        touched: dict[str, tuple[Order, Counter[str]]] = {}
        orders = self._orders.get(invoice.customer, []) if invoice.customer else []
        for line in invoice.lines:
            if not line.is_product or line.quantity >= 0:
                continue
            missing = -line.quantity
            for order in reversed(orders):
                back = min(missing, order.left[line.code])
                if back:
                    order.left[line.code] -= back
                    missing -= back
                    touched.setdefault(order.order_id, (order, Counter()))[1][line.code] += back
            if missing and invoice.at >= self._since:
                self.unmatched += 1
        return [self._took_back(invoice, order, back) for order, back in touched.values()]

    def _took_back(self, invoice: Invoice, order: Order, back: Counter[str]) -> Event:
        if order.left.total():
            products = [{"product_id": code, "quantity": count} for code, count in back.items()]
            return self._track(
                invoice, invoice.at, "Order Refunded", order_id=order.order_id, products=products
            )
        event = "Order Refunded" if order.ships_at <= invoice.at else "Order Cancelled"
        return self._track(invoice, invoice.at, event, order_id=order.order_id)


def _product(line: Line) -> dict[str, object]:
    words = re.findall(r"[A-Za-z-]+", line.name)
    return {
        "product_id": line.code,
        "name": line.name.title() or line.code,
        **({"category": words[-1].lower()} if words else {}),
        "price": float(line.price),
        "quantity": line.quantity,
    }


def _next_day(at: Instant) -> Instant:
    """A day later at the same time, on Monday where that would be a Sunday."""
    found = Instant(at + DAY)
    local = datetime.fromtimestamp(found / 1_000, ZONE)
    return Instant(found + DAY) if local.weekday() == _SUNDAY else found
