"""Cleaning rehearsed: who would go, under each definition, before anything happens (R50, R52).

Nothing is changed here. Marketing ends by itself for those whom the last offer did not move
(`ecrm/programmes/last_chance.py`); this tells the shop whom that will be, and whom the definition
of the trade, "did not open", would have struck out wrongly (mission §9.3).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from actors.slot import recover
from actors.store import port
from ecrm import consent, engagement
from ecrm.engagement import Thresholds
from ecrm.errors import Held
from ecrm.moment import Duration, Instant, days, format_instant
from ecrm.state import State

PAGE: Final = 200
# The retention clock of the French regulator (delivery §2.4): an open is no contact of the
# person's.
RETENTION: Final = Duration(3 * days(365))


class Gone(msgspec.Struct, frozen=True):
    """One customer that a definition would take; `alive` is the last evidence of life, if any."""

    customer: str
    tier: str
    alive: str


class Definition(msgspec.Struct, frozen=True):
    name: str
    says: str
    gone: tuple[Gone, ...]


class Rehearsal(msgspec.Struct, frozen=True):
    """`customers` were looked at; `held` could not be read and are in no definition."""

    customers: int
    held: int
    definitions: tuple[Definition, ...]


Judge = Callable[[State, Instant, Thresholds], bool]


def _by_opens(state: State, now: Instant, thresholds: Thresholds) -> bool:
    of = state.engagement
    recent = [letter for letter in of.letters if letter.at + thresholds.window >= now]
    opened = [of.opened_on, *(letter.opened_at for letter in recent)]
    unopened = all(at is None or at + thresholds.window < now for at in opened)
    return len(recent) >= thresholds.received and unopened


def _by_evidence(state: State, now: Instant, thresholds: Thresholds) -> bool:
    return engagement.tier(state.engagement, now, thresholds) == "inactive"


def _sunset(state: State, _now: Instant, _thresholds: Thresholds) -> bool:
    return consent.SUNSET in state.marks


def _by_retention(state: State, now: Instant, _thresholds: Thresholds) -> bool:
    of = state.engagement
    contacts = (of.clicked_at, of.ordered_at, of.seen_at, of.answered_at, state.registered_at)
    last = max((at for at in contacts if at is not None), default=None)
    return last is not None and last + RETENTION < now


DEFINITIONS: Final[dict[str, tuple[str, Judge]]] = {
    "no open": ("got mails and opened none of them in the window (S2); opens lie", _by_opens),
    "no sign of life": ("inactive: no open, click, order, login or answer; ours", _by_evidence),
    "sunset": ("marketing has ended already, after the last offer", _sunset),
    "retention": ("no contact of the person's own for three years: to be erased", _by_retention),
}


async def rehearse(store: port.Store, now: Instant, thresholds: Thresholds) -> Rehearsal:
    """Look at every customer, by pages, and say who would go."""
    found: dict[str, list[Gone]] = {name: [] for name in DEFINITIONS}
    looked = held = 0
    async for state in _states(store):
        looked += 1
        if state is None:
            held += 1
            continue
        alive = engagement.last_evidence(state.engagement)
        gone = Gone(
            customer=state.customer_id,
            tier=engagement.tier(state.engagement, now, thresholds),
            alive="" if alive is None else format_instant(alive),
        )
        for name, (_, judge) in DEFINITIONS.items():
            if judge(state, now, thresholds):
                found[name].append(gone)
    definitions = tuple(
        Definition(name, says, tuple(found[name])) for name, (says, _) in DEFINITIONS.items()
    )
    return Rehearsal(looked, held, definitions)


async def _states(store: port.Store) -> AsyncIterator[State | None]:
    after = ""
    while page := await store.people(after, PAGE):
        lives = await store.load(page)
        for customer_id in page:
            try:
                yield (await recover(store, lives[customer_id])).state
            except Held:
                yield None
        after = page[-1]
