"""Time travel: a customer as it was at any fact of its past, read from the journal.

The facts are folded from the first on. On the way every snapshot there is is compared with what the
facts before it make, those after the wanted place too: what is shown is what the service knew, or
it is refused. Nothing is written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec

from actors.asked import Refused
from actors.slot import recover
from actors.store import port
from ecrm import apply, facts
from ecrm.errors import Held
from ecrm.moment import CustomerId, Instant, Seq
from ecrm.state import SCHEMA, State, decode, hash_of


class Turn(msgspec.Struct, frozen=True):
    """One turn of the past: the state before and after, and the facts between."""

    seq: Seq
    at: Instant
    facts: tuple[facts.AnyFact, ...]
    before: State
    after: State


class Past(msgspec.Struct, frozen=True):
    """A customer's life up to a place in it, and what came after. `verified` are the places at
    which a snapshot says the same as the facts. `lived` is the turn that led to the place (of one
    that it lies within, the beginning), the `number`th of all `count`; none led to the first place.
    """

    state: State
    facts: tuple[facts.AnyFact, ...]
    later: tuple[port.JournalRow, ...]
    last: Seq
    verified: tuple[Seq, ...]
    lived: Turn | None
    number: int
    count: int

    @property
    def at(self) -> Instant:
        """The instant of the place; before the first turn, that turn's."""
        return self.later[0].at if self.lived is None else max(self.lived.at, self.state.now)

    @property
    def following(self) -> Seq | None:
        """Where the next turn ends, or this one where the place lies within it."""
        return Seq(self.later[0].seq + self.later[0].count) if self.later else None

    def turns(self, count: int) -> Iterator[Turn]:
        """The next turns after the place, at most so many; of one that it lies within, the rest."""
        state = self.state
        for row in self.later[:count]:
            made = facts.decode(row.facts)[max(0, state.seq - row.seq) :]
            after = apply.replay(state, made)
            yield Turn(state.seq, row.at, made, state, after)
            state = after


async def present(store: port.Store, customer_id: CustomerId) -> State:
    """The customer as it is. Raises `Refused` for one who is held or unknown."""
    lives = await store.load([customer_id])
    try:
        state = (await recover(store, lives[customer_id])).state
    except Held as held:
        raise Refused("held", f"{customer_id} is held: {held}") from None
    if state.seq == 0:
        raise Refused("unknown_customer", f"nobody has told anything of {customer_id}")
    return state


async def past(
    store: port.Store,
    customer_id: CustomerId,
    *,
    seq: int | None = None,
    turn: int | None = None,
    at: Instant | None = None,
) -> Past:
    """The life up to fact `seq`, through so many turns, or to the last turn at or before `at`;
    without any of them, all of it.

    Raises `Refused` where nothing is known, there is no such place, or a snapshot disagrees.
    """
    rows = await store.journal(customer_id, before=None, limit=sys.maxsize)
    if not rows:
        raise Refused("unknown_customer", f"nobody has told anything of {customer_id}")
    last = rows[-1].seq + rows[-1].count
    if seq is not None and not 0 <= seq <= last:
        raise Refused("invalid", f"{customer_id} has {last} facts: name a number from 0 to {last}")
    if turn is not None and not 0 <= turn <= len(rows):
        most = len(rows)
        raise Refused("invalid", f"{customer_id} took {most} turns: name a number from 0 to {most}")
    if at is not None and at < rows[0].at:
        raise Refused("invalid", "nothing was heard of this customer before its first turn")
    fold = _Fold(customer_id, await _snapshots(store, customer_id))
    told, number, lived = list[facts.AnyFact](), 0, None
    for row in rows[:turn]:
        if (at is not None and row.at > at) or (seq is not None and row.seq >= seq):
            break
        made, before = _read(row)[: None if seq is None else seq - row.seq], fold.state
        fold.take(row, made)
        number, lived = number + 1, Turn(before.seq, row.at, made, before, fold.state)
        told += made
    state = fold.state
    later = tuple(row for row in rows[max(0, number - 1) :] if row.seq + row.count > state.seq)
    fold.finish(later)
    verified = tuple(fold.verified)
    return Past(state, tuple(told), later, Seq(last), verified, lived, number, len(rows))


async def _snapshots(store: port.Store, customer_id: CustomerId) -> dict[Seq, State]:
    """The snapshots that can be read, by the number of facts behind them."""
    lives = await store.load([customer_id])
    return {row.seq: decode(row.state) for row in lives[customer_id].snapshots if _is_whole(row)}


class _Fold:
    """The facts folded one turn after the other, and compared with each snapshot on the way.

    A snapshot is compared as a state, not as bytes: an older release may have written the same
    state in other bytes.
    """

    def __init__(self, customer_id: CustomerId, snapshots: dict[Seq, State]) -> None:
        self.state = State(customer_id=customer_id)
        self.verified: list[Seq] = []
        self._wanted = snapshots

    def take(self, row: port.JournalRow, made: tuple[facts.AnyFact, ...]) -> None:
        """A turn, or the rest of one. Raises `Refused`."""
        if row.seq > self.state.seq:
            missing = f"facts {self.state.seq} to {row.seq - 1} of this customer are missing"
            raise Refused("unverified", missing)
        self.state = apply.replay(self.state, made)
        snapshot = self._wanted.pop(self.state.seq, None)
        if snapshot is None:
            return
        if snapshot != self.state:
            raise Refused(
                "unverified",
                f"the snapshot at fact {self.state.seq} is not what the facts make",
            )
        self.verified.append(self.state.seq)

    def finish(self, later: tuple[port.JournalRow, ...]) -> None:
        """Go on to the last snapshot there is."""
        for row in later:
            if not self._wanted:
                return
            self.take(row, _read(row)[max(0, self.state.seq - row.seq) :])


def _read(row: port.JournalRow) -> tuple[facts.AnyFact, ...]:
    try:
        return facts.decode(row.facts)
    except msgspec.MsgspecError as error:
        raise Refused(
            "unreadable", f"the facts from {row.seq} on cannot be read: {error}"
        ) from None


def _is_whole(row: port.SnapshotRow) -> bool:
    return row.schema == SCHEMA and hash_of(row.state) == row.state_hash
