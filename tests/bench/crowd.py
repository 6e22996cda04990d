"""A store with many customers, built in minutes: what a shop's service holds after some weeks.

A few lives of each sort are lived through the real turns; all others are copies of them, with ids
of the same length in the same bytes. Every row goes in through the store's own transactions. The
shop stands at `NOW`, far ahead of every clock, so that a store built today is the same in a year:
`serve --warp` goes on where the store stands.
"""

from __future__ import annotations

import random
import sys
import time
from functools import cache
from pathlib import Path

import msgspec
import trio

from actors.batch import outbox_row
from actors.catalogue import Catalogue
from actors.ledger import SITE
from actors.outside import open_outside
from actors.samples import SHOP
from actors.store import port
from actors.store.sqlite import open_store
from ecrm import customer, facts, messages, moment, state
from ecrm.mail import Mail
from ecrm.moment import DAY, MINUTE, CustomerId, Instant, Seq
from ecrm.rules import Rules
from proto import envelope, events
from proto.envelope import Message, Traits

NOW = moment.parse_instant("2031-03-03T09:00:00Z")
BATCH = 500
# The id that the lived ones have; a copy's is as long.
MODEL = "cXXXXXX"
# Of a thousand customers, so many of each sort; the rest only looked around.
SORTS = {"cart": 150, "buyer": 200, "regular": 49, "collector": 1}
SNAPSHOT_EVERY = 64
# One customer whose life is as long as any will be.
GIANT = 7
QUEUED, DEAD, EXPIRED = 20, 10, 5  # every so manieth of these has its last mail so: of 1 000 buyers


class Model(msgspec.Struct, frozen=True):
    """A lived life: its rows, with the id of the model."""

    turns: tuple[tuple[int, int, int, bytes, bytes], ...]
    mails: tuple[Mail, ...]
    snapshots: tuple[port.SnapshotRow, ...]
    state: state.State


def sort_of(number: int) -> str:
    """The sort of a customer, by its number."""
    if number == GIANT:
        return "giant"
    place = number * 7_919 % 1_000
    for sort, count in SORTS.items():
        if place < count:
            return sort
        place -= count
    return "browser"


def customer_of(number: int) -> CustomerId:
    return CustomerId(f"c{number:06d}")


def mail_of(number: int, place: int) -> str:
    return f"{number:08x}-{place:04x}-7000-8000-{number * 65_537 + place:012x}"


def fate_of(number: int) -> str:
    """What became of a customer's last mail."""
    rest = number % 1_000
    for state_, count in (("queued", QUEUED), ("dead", DEAD), ("expired", EXPIRED)):
        if rest < count:
            return state_
        rest -= count
    return "accepted"


# Lives.


def _told(at: int, number: int, name: str, event: envelope.Told) -> Message:
    kind = "identify" if isinstance(event, Traits) else "track"
    return Message(
        kind=kind, message_id=f"m{number}", event_name=name, event=event, timestamp=at,
        user_id=MODEL,
    )  # fmt: skip


def _views(count: int, step: int) -> list[tuple[int, envelope.Told]]:
    return [
        (
            NOW - n * step - 3 * MINUTE,
            events.ProductViewed(
                product_id=f"p{n * 31 % 2_000}", name=f"Tea {n}", price=10 + n % 9
            ),
        )
        for n in range(count)
    ]


def _order(at: int, nth: int) -> list[tuple[int, envelope.Told]]:
    order_id = f"o-{MODEL}-{nth}"
    lines = tuple(
        events.Product(product_id=f"p{(nth * 13 + n * 7) % 2_000}", name=f"Tea {n}", price=12.5)
        for n in range(3)
    )
    paid = events.OrderPaid(order_id=order_id, total=37.5, currency="EUR", products=lines)
    return [
        (at, events.OrderCompleted(order_id=order_id, products=lines)),
        (at + MINUTE, paid),
        (at + 3 * 60 * MINUTE, events.OrderPrepared(order_id=order_id)),
        (at + DAY, events.OrderFulfilled(order_id=order_id, carrier="Colissimo")),
    ]


def _script(sort: str) -> list[tuple[int, envelope.Told]]:
    began = NOW - 60 * DAY
    known = [
        (began, Traits(email=f"{MODEL}@customers.example", first_name="Ana", locale="fr")),
        (began + 1, events.ConsentUpdated(purpose="email_marketing", state="granted", source="x")),
    ]
    match sort:
        case "cart":
            added = events.ProductAdded(product_id="p1", name="Kyusu", price=39.9, quantity=1)
            return [*known, *_views(3, DAY), (NOW - 2 * 60 * MINUTE, added)]
        case "buyer":
            return [*known, *_views(3, DAY), *_order(NOW - 5 * DAY, 1)]
        case "regular":
            orders = [one for n in range(4) for one in _order(NOW - (50 - 14 * n) * DAY, n)]
            return [*known, *_views(20, 2 * DAY), *orders]
        case "collector":
            orders = [one for n in range(12) for one in _order(NOW - (56 - 4 * n) * DAY, n)]
            return [*known, *_views(300, DAY // 6), *orders]
        case "giant":
            orders = [one for n in range(24) for one in _order(NOW - (56 - 2 * n) * DAY, n)]
            return [*known, *_views(3_000, DAY // 60), *orders]
        case _:
            return [*known, *_views(3, DAY)]


class _Living:
    def __init__(self) -> None:
        self.rules = Rules(SHOP)
        self.state = state.State(customer_id=CustomerId(MODEL))
        self.turns: list[tuple[int, int, int, bytes, bytes]] = []
        self.mails: list[Mail] = []
        self.snapshots: list[port.SnapshotRow] = []

    def take(self, message: messages.Incoming, now: int) -> None:
        before = self.state
        at = moment.moment_of(before.customer_id, before.seq, Instant(max(now, before.now)))
        taken = customer.turn(self.rules, before, message, at)
        if not taken.facts:
            return
        self.state = taken.after
        self.turns.append(
            (before.seq, len(taken.facts), taken.after.now, messages.encode(message),
             facts.encode(taken.facts))
        )  # fmt: skip
        self.mails += [f.mail for f in taken.facts if isinstance(f, facts.MailRequested)]
        if self.state.seq - (self.snapshots[-1].seq if self.snapshots else 0) >= SNAPSHOT_EVERY:
            encoded = state.encode(self.state)
            self.snapshots.append(
                port.SnapshotRow(
                    CustomerId(MODEL), self.state.seq, self.state.now, state.SCHEMA, b"", encoded
                )
            )
        for mail_id in sorted(self.state.waiting):
            self.take(messages.Report(mail_id, "accepted"), self.state.now)

    def until(self, then: int) -> None:
        while (due := state.earliest_timer(self.state)) is not None and due <= then:
            self.take(messages.Tick(), due)


@cache
def model(sort: str) -> Model:
    living = _Living()
    for number, (at, event) in enumerate(sorted(_script(sort), key=lambda one: one[0])):
        living.until(at)
        name = envelope.IDENTIFIED if isinstance(event, Traits) else events.NAMES[type(event)]
        living.take(_told(at, number, name, event), at)
    living.until(NOW)
    return Model(
        tuple(living.turns), tuple(living.mails), tuple(living.snapshots[-2:]), living.state
    )


# Copies.


class Copied(msgspec.Struct):
    rows: port.Commit = msgspec.field(default_factory=port.Commit)
    settled: list[port.Settled] = []


def copy(number: int, into: Copied) -> None:
    lived, who, rows = model(sort_of(number)), customer_of(number), into.rows
    names = [(MODEL.encode(), who.encode())]
    names += [
        (mail.mail_id.encode(), mail_of(number, place).encode())
        for place, mail in enumerate(lived.mails)
    ]

    def named(data: bytes) -> bytes:
        for was, is_ in names:
            data = data.replace(was, is_)
        return data

    for seq, count, at, message, made in lived.turns:
        rows.journal.append(
            port.JournalRow(who, Seq(seq), count, Instant(at), named(message), named(made))
        )
    for snapshot in lived.snapshots:
        encoded = named(snapshot.state)
        rows.snapshots.append(
            msgspec.structs.replace(
                snapshot, customer_id=who, state=encoded, state_hash=state.hash_of(encoded)
            )
        )
    rows.alarms.append(port.AlarmRow(who, state.earliest_timer(lived.state)))
    rows.addresses.append(port.AddressRow(who, f"{who}@customers.example".casefold()))
    for order in lived.state.orders.values():
        about = named(order.order_id.encode()).decode()
        rows.bought += [
            port.BoughtRow(line.product_id, who, about, order.paid_at or NOW)
            for line in order.lines
        ]
    if lived.state.purchases.count:
        bought = lived.state.purchases
        rows.buyers.append(port.BuyerRow(who, bought.count, bought.total, NOW - 60 * DAY, NOW))
    for place, mail in enumerate(lived.mails):
        wanted = msgspec.structs.replace(
            mail, mail_id=mail_of(number, place), customer_id=who, to=f"{who}@customers.example",
            not_after=Instant(NOW + 30 * DAY),
        )  # fmt: skip
        rows.outbox.append(outbox_row(wanted, None))
        last = place == len(lived.mails) - 1
        fate = fate_of(number) if last else "accepted"
        if fate != "queued":
            into.settled.append(port.Settled(wanted.mail_id, fate, "maildir: new/1.eml"))


def _around(count: int) -> port.Commit:
    """What there is beside the customers: products, ratings, what failed, who is held."""
    rng, catalogue, rows = random.Random(1), Catalogue(SHOP.currency), port.Commit()
    for n in range(2_000):
        product = events.ProductUpserted(product_id=f"p{n}", name=f"Tea {n}", price=12.5)
        rows.products.append(catalogue.upsert(product, NOW))
    for week in range(10):
        for _ in range(200):
            rows.ratings.append(port.RatingRow(SITE, f"2031-W{week:02}", rng.randint(1, 5)))
    message = messages.encode(messages.Tick())
    for n in range(300):
        who = customer_of(rng.randrange(count))
        trace = 'Traceback:\n  File "x.py", line 1\n' * 30 + f"ValueError: {n}\n"
        rows.quarantine.append(port.QuarantineRow(who, NOW, message, trace, "bench"))
    rows.holds += [port.HoldRow(customer_of(count - 1 - n), NOW, "bench") for n in range(200)]
    return rows


async def build(file: Path, count: int) -> None:
    began = time.monotonic()
    async with open_outside() as outside, open_store(file, outside, lambda: NOW) as store:
        await store.pause(port.PauseRow("all", "", "nothing leaves while it is measured", NOW))
        for start in range(0, count, BATCH):
            made = Copied()
            for number in range(start, min(start + BATCH, count)):
                copy(number, made)
            await store.commit(made.rows)
            await store.settle(NOW, made.settled)
            await store.commit(port.Commit(reported=[one.mail_id for one in made.settled]))
            if start % 20_000 == 0:
                print(f"  {start:,} of {count:,}, {time.monotonic() - began:.0f} s", flush=True)
        await store.commit(_around(count))
        for n in range(200):
            await store.register.note(port.OperationRow(NOW, "operator", "pause", f"lane {n % 4}"))
    size = (await trio.Path(file).stat()).st_size / 2**20
    print(f"built {count:,} customers, {size:,.0f} MiB, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    trio.run(build, Path(sys.argv[1]), int(sys.argv[2]))
