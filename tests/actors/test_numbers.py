"""What is counted turn by turn, and mail by mail, is what a count of everything would find."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest

from actors import numbers
from actors.store.port import (
    Commit,
    HitRow,
    JournalRow,
    JudgedRow,
    Settled,
    Standing,
    StandRow,
)
from ecrm import apply
from ecrm.moment import DAY, HOUR
from ecrm.state import State
from proto import events
from tests.actors.test_store import NOW, mail
from tests.actors.test_store import opened as opened_store
from tests.fortunes import lived, passes


class Books:
    """What the turns of lives tell, added up as a store does it."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str], int] = {}
        self.sums: Counter[tuple[str, str, str, str]] = Counter()

    def check(self, before, _message, _moment, taken) -> None:
        for row in numbers.stands(before, taken):
            self.places[row.programme, row.step] = row.count
        for row in numbers.brought(before, taken):
            self.sums[row.month, row.programme, row.step, row.what] += row.count

    def begin(self, _nobody) -> None:
        self.places.clear()


def ends_with_clicks_and_orders(life, dice):
    """Mails are clicked, orders come, some are paid back."""
    for number in range(dice.randrange(1, 9)):
        if life.sent:
            life._sees("clicked", dice.choice(["", life.sent[-1].kind]), human=dice.random() < 0.8)
        passes(life, dice.choice([HOUR, DAY, 9 * DAY]))
        order = f"n{dice.randrange(4)}"
        line = events.Product(product_id="p1", price=dice.randrange(1, 90), quantity=2)
        told = {"order_id": order, "products": (line,), "currency": dice.choice(["EUR", "JPY"])}
        told["total"] = 2 * line.price
        life.tell(events.OrderCompleted(**told)).tell(events.OrderPaid(**told))
        deed = dice.randrange(5)
        if deed == 0:
            life.tell(events.OrderCancelled(order_id=order))
        elif deed == 1:
            life.tell(events.OrderRefunded(order_id=order))
        elif deed == 2:
            life.tell(
                events.OrderRefunded(
                    order_id=order, products=(events.Product(product_id="p1", quantity=1),)
                )
            )
        elif deed == 3:
            life.tell(
                events.OrderRefunded(order_id=order, total=1 + number, currency=told["currency"])
            )


def recounted(journal):
    """The sums of a journal: each order as it stood when it was heard of last."""
    state, last = State(customer_id="c1"), {}
    for fact in journal:
        state = apply.apply(state, fact)
        last |= state.orders
    return numbers.sums(last)


@pytest.mark.parametrize("number", range(40))
def test_what_turns_add_up_to_is_what_the_journal_says(number):
    books = Books()
    life = lived(number, watched=books)
    ends_with_clicks_and_orders(life, Random(number))
    assert {place: n for place, n in books.places.items() if n} == numbers.places_of(life.state)
    assert +books.sums == +recounted(life.facts)


def test_the_lives_above_have_orders_that_count_and_orders_taken_back():
    whats = Counter()
    for number in range(12):
        books = Books()
        ends_with_clicks_and_orders(lived(number, watched=books), Random(number))
        whats.update({key[-1] for key, count in books.sums.items() if count})
    assert {"orders", "undone", "revenue EUR", "revenue JPY"} <= whats.keys()


# Mails count themselves.


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    async with opened_store(request.param, tmp_path) as made:
        yield made


STATES = ("accepted", "accepted_unknown", "dead", "expired", "stale", "suppressed", "queued")
ENDS = (*STATES, "cancelled")


async def lives_of_mails(store, dice):
    """Mails are decided, sent, given up, taken back, tried again, looked at and forgotten. What
    became of them is told by what was done, in plain sets.
    """
    told: dict[str, set[str]] = {}
    whose: dict[str, str] = {}
    for number in range(30):
        opens, clicks = dice.random() < 0.6, dice.random() < 0.6
        row = mail(f"m{number}", customer_id=f"c{number % 7}")
        row = msgspec.structs.replace(row, opens=opens, clicks=clicks)
        await store.commit(Commit(outbox=[row, row]))
        said = told[row.mail_id] = {"decided"}
        whose[row.mail_id] = row.customer_id
        for _ in range(2):
            await store.claim(NOW + 10**9, "boot", 99, (0, 1, 2, 3), frozenset())
            ended = said & {*ENDS}
            match dice.randrange(4):
                case 0:
                    await store.commit(Commit(cancels=[(row.mail_id, "why")]))
                    said |= set() if ended else {"cancelled"}
                case 1 if ended <= {"dead", "expired"} and ended:
                    assert await store.requeue(row.mail_id, NOW, NOW + 99)
                    said -= ended
                case _:
                    state = dice.choice(STATES)
                    await store.settle(NOW, [Settled(row.mail_id, state, due=NOW)])
                    if not ended and state != "queued":
                        said.add(state)
        if said & {"accepted", "accepted_unknown"}:
            said |= {"opens"} if opens else set()
            said |= {"clicks"} if clicks else set()
        for _ in range(dice.randrange(4)):
            deed = dice.choice(["opened", "clicked", "rated"])
            await store.trail.keep_hit(HitRow(row.mail_id, deed, 1, NOW))
            (hit,) = await store.trail.unjudged(9)
            sort = dice.choice(["human", "machine", "unknown"])
            judged = JudgedRow(hit.arrival, sort, "why", 1)
            await store.trail.judge([judged, judged])
            await store.trail.judge([judged])
            said |= set() if deed == "rated" else {f"{deed} {sort}"}
        if dice.random() < 0.1:
            await store.commit(Commit(erase=[row.customer_id]))
            # None of them is on its way for ever: what had not ended was erased.
            for each in [one for one in whose if whose[one] == row.customer_id]:
                del whose[each]
                told[each] |= set() if told[each] & {*ENDS} else {"erased"}
    return Counter(one for said in told.values() for one in said)


@pytest.mark.parametrize("number", range(6))
async def test_mails_are_counted_as_what_became_of_them(store, number):
    expected = await lives_of_mails(store, Random(number))
    found = {row.what: row.count for row in await store.numbers.counts() if row.count}
    assert found == expected
    assert {(row.programme, row.step) for row in await store.numbers.counts()} == {
        ("cart", "reminder")
    }
    everything = [
        msgspec.structs.replace(row, month="2026-02") for row in await store.numbers.counts()
    ]
    assert await store.numbers.counts("2026-02") == everything
    assert await store.numbers.counts("2026-03") == []


async def test_a_life_is_placed_only_as_it_is(store):
    turn = JournalRow("ana", 0, 3, NOW, b"message", b"facts")
    row = StandRow("ana", "cart", "reminder", 1)
    await store.commit(Commit(journal=[turn], stands=[row]))
    late = Standing("ana", 2, (StandRow("ana", "cart", "offer", 1),))
    gone = Standing("bob", 1, (StandRow("bob", "", "active", 1),))
    assert await store.numbers.place([late, gone]) == ["ana", "bob"]
    assert await store.numbers.stands() == {("cart", "reminder"): 1}
    now = Standing(
        "ana", 3, (StandRow("ana", "", "active", 1), StandRow("ana", "cart", "offer", 2))
    )
    assert await store.numbers.place([now]) == []
    found = await store.numbers.stands()
    assert {place: n for place, n in found.items() if n} == {
        ("", "active"): 1,
        ("cart", "offer"): 2,
    }
    await store.commit(Commit(erase=["ana"]))
    assert not any((await store.numbers.stands()).values())
