"""The past in a file: rows of orders or of customers, as what each customer is to remember.

Rules:

- A row, or all lines of one order, becomes one `History` with an identity of its own (`name`), so
  that importing a file twice, or going on after a stop, tells it once.
- Consent is never presumed: an empty cell says nothing, and a yes needs its date and its source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

from actors import mistakes
from actors.columns import PURPOSES, TRAITS, Reader
from actors.tables import Cells, Refused, Wrong
from ecrm.messages import History, Past
from ecrm.moment import CustomerId, Instant
from proto import events
from proto.envelope import RESERVED, Traits

E = TypeVar("E", bound=msgspec.Struct)

_ADDRESS: Final = {"country": "country", "city": "city", "postal_code": "postalCode"}
_CAMEL: Final = {"first_name": "firstName", "last_name": "lastName"}
_UNDATED: Final = Instant(0)

Row = Mapping[str, object]


class Remembrance(msgspec.Struct, frozen=True):
    """What one customer is to remember, by its `name` once; `line` is where it begins in the file,
    `at` when it happened.
    """

    line: int
    customer_id: CustomerId
    name: str
    at: Instant
    history: History
    takes_back: bool = False


class Found(msgspec.Struct):
    """What a file holds. `products` are those of its orders as they were last sold; the counts are
    of orders that are nobody's, that are fees alone, that the shop says are none, and that happened
    after the time that is asked for.
    """

    told: list[Remembrance] = []
    refused: list[tuple[int, str]] = []
    products: dict[str, events.ProductUpserted] = {}
    guests: int = 0
    fees: int = 0
    ignored: int = 0
    later: int = 0

    @property
    def customers(self) -> int:
        return len({one.customer_id for one in self.told})

    def sort(self) -> None:
        """Customer by customer, so that each is in memory once; what came back behind the orders of
        the same instant.
        """
        self.told.sort(key=lambda one: (one.customer_id, one.at, one.takes_back, one.line))
        self.refused.sort()


class Limits(msgspec.Struct, frozen=True):
    """What happened before `until` is told; nothing can have happened after `now`."""

    now: Instant
    until: Instant


# Customers.


def customers(
    rows: Iterable[Cells | Refused], reader: Reader, source: str, limits: Limits
) -> Found:
    """All customers of a file."""
    found = Found()
    for row in rows:
        if isinstance(row, Refused):
            found.refused.append((row.line, row.reason))
            continue
        try:
            reader.needed(row.cells, "customer_id")
            customer_id = customer_of(reader, row.cells)
            created = said_at(reader, row.cells, "created_at", limits)
            if created >= limits.until:
                found.later += 1
                continue
            past = tuple(_customer(reader, row.cells, created, limits))
        except Wrong as wrong:
            found.refused.append((row.line, str(wrong)))
            continue
        # What a row says is its identity: a row that says something else is told again.
        digest = blake2b(msgspec.msgpack.encode(past), digest_size=16).hexdigest()
        told = Remembrance(
            row.line, customer_id, f"import/customer/{digest}", created, History(source, past)
        )
        found.told.append(told)
    found.sort()
    return found


def _customer(reader: Reader, row: Row, created: Instant, limits: Limits) -> Iterator[Past]:
    if traits := traits_of(reader, row):
        yield Past(created, traits)
    if reader.map.accounts:
        yield Past(created, events.SignedUp())
    for purpose in PURPOSES:
        said = reader.text(row, purpose).casefold()
        if said:
            yield _consent(reader, row, purpose, said, limits)


def _consent(reader: Reader, row: Row, purpose: str, said: str, limits: Limits) -> Past:
    words = reader.map.consents
    state = "granted" if said in words.granted else "denied" if said in words.denied else ""
    if not state:
        known = ", ".join((*words.granted, *words.denied))
        raise reader.wrong(purpose, said, f"is neither yes nor no: [consents] knows {known}")
    at = said_at(reader, row, f"{purpose}_at", limits)
    source = reader.text(row, f"{purpose}_source")
    if state == "granted" and not (at and source):
        raise reader.wrong(
            purpose, said, f"needs its proof: {purpose}_at and {purpose}_source, from columns or "
            "[constants]"
        )  # fmt: skip
    told = {
        "purpose": purpose,
        "state": state,
        "source": source or None,
        "proof": reader.text(row, f"{purpose}_proof") or None,
    }
    return Past(at, converted(told, events.ConsentUpdated))


# Both.


def said_at(reader: Reader, row: Row, name: str, limits: Limits) -> Instant:
    """When it was said or done; 0 where no cell tells. Raises Wrong where it is yet to come."""
    at = reader.instant(row, name)
    if at is not None and at > limits.now and at < limits.until:
        raise reader.wrong(name, reader.text(row, name), "has not happened yet")
    return _UNDATED if at is None else at


def customer_of(reader: Reader, row: Row) -> CustomerId:
    """Who it is; "" where nobody is named. Raises Wrong."""
    found = reader.text(row, "customer_id")
    if found.startswith(RESERVED):
        raise reader.wrong("customer_id", found, "begins like a life of our own")
    if found:
        # Held to what the wire allows for an id.
        converted({"product_id": found}, events.Product, reader.column("customer_id"))
    return CustomerId(found)


def traits_of(reader: Reader, row: Row) -> Traits | None:
    """What is told of the person; None where nothing is. Raises Wrong."""
    told: dict[str, object] = {}
    address: dict[str, str] = {}
    for name in TRAITS:
        found = reader.day(row, name) if name == "birthday" else reader.text(row, name)
        if found and name in _ADDRESS:
            address[_ADDRESS[name]] = found
        elif found:
            told[_CAMEL.get(name, name)] = found
    if address:
        told["address"] = address
    return converted(told, Traits) if told else None


def converted(told: Mapping[str, object], kind: type[E], column: str = "") -> E:
    """Held to what the wire allows. Raises Wrong."""
    try:
        return msgspec.convert(dict(told), kind)
    except msgspec.ValidationError as error:
        reason = mistakes.explained(error, told, kind)
        raise Wrong(f"{column}:{reason.partition(':')[2]}" if column else reason) from None
