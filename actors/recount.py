"""The recount: where the lives of an older release stand, counted once.

A life counts itself with each of its turns (`actors/numbers.py`); those from before there were
numbers are read here, page by page, behind the service that runs already. One that takes a turn
while it is looked at is looked at again. A stop in between loses nothing but the time: the next
start begins anew, and until it is done the pages say that it is not.
"""

from __future__ import annotations

from typing import Final

import structlog

from actors import numbers
from actors.clock import Bell
from actors.slot import recover
from actors.store import port
from ecrm.errors import Held
from ecrm.moment import CustomerId
from ecrm.state import State

log = structlog.get_logger()

AT_ONCE: Final = 256


async def recount(store: port.Store, bell: Bell) -> None:
    """Count all lives, unless they are; gives up when the bell says that it is time to stop."""
    if await store.numbers.whole():
        return
    after, counted = "", 0
    while page := await store.register.named("", after, AT_ONCE):
        left = [CustomerId(row.customer_id) for row in page]
        counted, after = counted + len(left), left[-1]
        while left and not bell.stopping:
            left = await store.numbers.place(await _standing(store, left))
        if bell.stopping:
            return
    await store.numbers.complete()
    log.info("lives_counted", lives=counted)


async def _standing(store: port.Store, customer_ids: list[CustomerId]) -> list[port.Standing]:
    """Where these stand as far as they are on disk. Those erased meanwhile stand nowhere, nor does
    anybody whose life cannot be read.
    """
    found: list[port.Standing] = []
    for life in (await store.load(customer_ids)).values():
        try:
            state = (await recover(store, life)).state
        except Held as held:
            log.warning("life_not_counted", customer=life.customer_id, reason=str(held))
            continue
        if state.seq:
            found.append(port.Standing(life.customer_id, state.seq, rows_of(state)))
    return found


def rows_of(state: State) -> tuple[port.StandRow, ...]:
    places = sorted(numbers.places_of(state).items())
    return tuple(port.StandRow(state.customer_id, *place, count) for place, count in places)
