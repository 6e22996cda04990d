"""A slot: where a customer lives while it is in memory.

The slot holds the state, and what of it the store already has (the last snapshot, the alarm row).
It is the only mutable thing about a customer. Forgetting it is always allowed between two commits:
what it held is on disk, and a message that still waits for it wakes it again (law 6).
"""

from __future__ import annotations

import sys

import msgspec

from actors.store import port
from ecrm import apply, facts
from ecrm.errors import Held
from ecrm.moment import CustomerId, Instant
from ecrm.state import SCHEMA, State, decode, earliest_timer, encode, hash_of

# A snapshot a turn would cost more than the replay of a few facts: 64 facts replay in a
# millisecond.
SNAPSHOT_EVERY = 64
# What a customer is behind its last snapshot when forgotten, and not worth a row.
NOT_WORTH_A_ROW = 8


class Unreadable(Held):
    """No snapshot of this customer can be read, and the journal is not whole."""


class Slot:
    def __init__(self, state: State, snapshot_seq: int, fallbacks: int = 0) -> None:
        self.state = state
        self.snapshot_seq = snapshot_seq
        self.alarm: Instant | None = earliest_timer(state)
        self.used_at = state.now
        # How many snapshots could not be read when this customer was woken.
        self.fallbacks = fallbacks

    def snapshot(self, now: Instant) -> port.SnapshotRow:
        """A snapshot of the state as it is; from now on the slot counts from here."""
        encoded = encode(self.state)
        self.snapshot_seq = self.state.seq
        return port.SnapshotRow(
            customer_id=self.state.customer_id,
            seq=self.state.seq,
            at=now,
            schema=SCHEMA,
            state_hash=hash_of(encoded),
            state=encoded,
        )

    @property
    def behind(self) -> int:
        return self.state.seq - self.snapshot_seq


def wake(customer_id: CustomerId, life: port.Life | None) -> Slot:
    """Bring a customer back from its newest readable snapshot and the journal after it.

    Falls back to the older snapshot, then to all facts (law 7). Raises `Unreadable` where it would
    need facts that the life does not bring along, `Held` where nothing gives a whole one.
    """
    if life is None:
        return Slot(State(customer_id=customer_id), 0)
    if life.held is not None:
        raise Held(life.held)
    for fallbacks, snapshot in enumerate(life.snapshots):
        state = _read(snapshot)
        if state is not None:
            return Slot(_replay(state, life), snapshot.seq, fallbacks)
    if life.journal and life.journal[0].seq != 0:
        raise Unreadable
    return Slot(_replay(State(customer_id=customer_id), life), 0, len(life.snapshots))


async def recover(store: port.Store, life: port.Life) -> Slot:
    """Wake a customer, and read the whole journal where no snapshot can be read. Raises `Held`."""
    try:
        return wake(life.customer_id, life)
    except Unreadable:
        whole = await store.journal(life.customer_id, before=None, limit=sys.maxsize)
        return wake(life.customer_id, msgspec.structs.replace(life, journal=tuple(whole)))


def _read(snapshot: port.SnapshotRow) -> State | None:
    if snapshot.schema != SCHEMA or hash_of(snapshot.state) != snapshot.state_hash:
        return None
    try:
        return decode(snapshot.state)
    except msgspec.MsgspecError:
        return None


def _replay(state: State, life: port.Life) -> State:
    for row in life.journal:
        if row.seq < state.seq:
            continue
        if row.seq > state.seq:
            raise Held(f"facts {state.seq} to {row.seq - 1} of this customer are missing")
        try:
            state = apply.replay(state, facts.decode(row.facts))
        except msgspec.MsgspecError as error:
            raise Held(f"the facts from {row.seq} on cannot be read: {error}") from None
    return state
