"""Remembering: what a file tells of the past goes into the lives and the books of a store at rest.

It takes the way of everything else: the turn loop, without alarms, delivery and gateway beside it,
on a clock that stands at one instant. So a turn is pure, its journal and its books are written in
one commit, a row that was told before is known by its name, and a stop between two commits, by
signal or by `kill -9`, loses nothing: the next run passes over what is there and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
import trio

from actors.broadcast import Announcer
from actors.catalogue import Catalogue
from actors.census import Census
from actors.clock import WarpClock
from actors.intake import BATCH, Answer, Item, dedupe_key
from actors.past import Found, Remembrance
from actors.store import port
from actors.system import System
from ecrm import customer, facts
from ecrm.errors import StoreBroken
from ecrm.moment import CustomerId, Instant
from ecrm.rules import Rules
from proto import events

PRODUCTS_AT_ONCE: Final = 500

# Hears how many of all were told.
Progress = Callable[[int], None]


class Remembered(msgspec.Struct):
    """What came of it: how many were told for the first time and how many were known already, which
    could not be (by line, with the reason), and what the lives say of it.
    """

    told: int = 0
    known: int = 0
    refused: list[tuple[int, str]] = []
    orders: int = 0
    taken_back: int = 0
    unmatched: int = 0
    products: int = 0
    stopped: bool = False

    def watch(self, _customer_id: CustomerId, made: customer.Facts) -> None:
        for fact in made:
            match fact:
                case facts.OrderPlaced():
                    self.orders += 1
                case facts.OrderRefunded() | facts.ProductsReturned():
                    self.taken_back += 1
                case facts.ReturnUnmatched():
                    self.unmatched += 1
                case _:
                    pass


async def into_store(
    found: Found,
    store: port.Store,
    rules: Rules,
    now: Instant,
    progress: Progress,
    stopping: trio.Event,
) -> Remembered:
    """Let every customer remember what was found. Sooner, between two commits, where it is asked to
    stop. Raises StoreBroken.
    """
    clock = WarpClock(now, rate=0)
    catalogue = Catalogue(rules.shop.currency)
    await catalogue.load(store)
    done = Remembered()
    done.products = await _introduce(list(found.products.values()), catalogue, store, now)
    system = System(store, clock, rules, catalogue, Announcer(catalogue, ()))
    system.watchers.append(done.watch)
    await system.ledger.load(store, now)
    for first in range(0, len(found.told), BATCH):
        if stopping.is_set():
            done.stopped = True
            break
        some = found.told[first : first + BATCH]
        await _tell(system, some, done)
        progress(first + len(some))
    await system.rest()
    if done.told:
        # The fifths are cut anew with those who are buyers now, as each night.
        await Census(store, clock, rules.zone, catalogue, system.ledger).count()
    return done


async def _introduce(
    products: Sequence[events.ProductUpserted],
    catalogue: Catalogue,
    store: port.Store,
    now: Instant,
) -> int:
    """Put into the catalogue what it does not know yet; what it knows is as the shop has told."""
    new = [one for one in products if catalogue.get(one.product_id) is None]
    for first in range(0, len(new), PRODUCTS_AT_ONCE):
        some = new[first : first + PRODUCTS_AT_ONCE]
        await store.commit(port.Commit(products=[catalogue.upsert(one, now) for one in some]))
    return len(new)


async def _tell(system: System, some: Sequence[Remembrance], done: Remembered) -> None:
    answers: list[tuple[Remembrance, Answer]] = []

    def answered(one: Remembrance, answer: Answer) -> None:
        answers.append((one, answer))

    for one in some:
        item = Item(
            one.customer_id,
            one.history,
            partial(answered, one),
            dedupe=dedupe_key(one.customer_id, one.name),
        )
        system.intake.put(item)
    await system.round()
    for one, answer in answers:
        match answer.outcome:
            case "taken":
                done.told += 1
            case "repeated":
                done.known += 1
            case "unknown":
                raise StoreBroken(answer.reason)
            case _:
                why = f"customer {one.customer_id} is {answer.outcome}: {answer.reason}"
                done.refused.append((one.line, why))
