"""Waking a customer: from what is readable, or not at all (law 7)."""

from __future__ import annotations

import msgspec
import pytest

from actors.slot import SNAPSHOT_EVERY, Slot, Unreadable, wake
from actors.store.port import JournalRow, Life
from ecrm import apply, facts, state
from ecrm.errors import Held
from ecrm.moment import Instant, Seq
from tests.actors.house import START

EMPTY = state.State(customer_id="ana")


def happened(n):
    return facts.Happened(at=Instant(START + n), event="Page Viewed", occurred=Instant(START + n))


def row(seq, *made):
    made = made or (happened(seq), facts.Marked(f"mark {seq}"))
    return JournalRow("ana", Seq(seq), len(made), START + seq, b"", facts.encode(made))


def life(*rows, snapshots=(), held=None):
    return Life("ana", tuple(snapshots), tuple(rows), held)


def after(*rows):
    past = [fact for each in rows for fact in facts.decode(each.facts)]
    return apply.replay(EMPTY, tuple(past))


def snapshot(*rows):
    return Slot(after(*rows), 0).snapshot(START)


ROWS = tuple(row(seq) for seq in range(0, 12, 2))


def test_nobody_knows_anything_of_a_new_customer():
    slot = wake("ana", life())
    assert (slot.state, slot.alarm, slot.behind, slot.fallbacks) == (EMPTY, None, 0, 0)
    assert wake("ana", None).state == EMPTY


def test_a_customer_is_all_its_facts():
    slot = wake("ana", life(*ROWS))
    assert (slot.state, slot.behind) == (after(*ROWS), 12)
    assert slot.state.seq == 12


@pytest.mark.parametrize("place", range(6))
def test_a_snapshot_and_the_facts_after_it_make_the_same_customer(place):
    slot = wake("ana", life(*ROWS, snapshots=[snapshot(*ROWS[:place])]))
    assert (slot.state, slot.behind) == (after(*ROWS), 12 - 2 * place)


def _spoilt(kept):
    return [
        msgspec.structs.replace(kept, schema=kept.schema + 1),
        msgspec.structs.replace(kept, state_hash=b"another"),
        msgspec.structs.replace(kept, state=kept.state[:-1]),
        msgspec.structs.replace(kept, state=b"", state_hash=state.hash_of(b"")),
    ]


@pytest.mark.parametrize("spoilt", _spoilt(snapshot(*ROWS[:4])))
def test_an_unreadable_snapshot_gives_way_to_the_older_one(spoilt):
    slot = wake("ana", life(*ROWS[2:], snapshots=[spoilt, snapshot(*ROWS[:2])]))
    assert (slot.state, slot.fallbacks, slot.behind) == (after(*ROWS), 1, 8)


@pytest.mark.parametrize("spoilt", _spoilt(snapshot(*ROWS[:2])))
def test_without_a_readable_snapshot_only_the_whole_journal_will_do(spoilt):
    newer = msgspec.structs.replace(snapshot(*ROWS[:4]), state_hash=b"another")
    with pytest.raises(Unreadable):
        wake("ana", life(*ROWS[2:], snapshots=[newer, spoilt]))
    slot = wake("ana", life(*ROWS, snapshots=[newer, spoilt]))
    assert (slot.state, slot.fallbacks, slot.behind) == (after(*ROWS), 2, 12)


def test_missing_facts_hold_the_customer_and_are_named():
    with pytest.raises(Held, match="facts 4 to 5 of this customer are missing"):
        wake("ana", life(*ROWS[:2], *ROWS[3:]))


def test_unreadable_facts_hold_the_customer():
    broken = msgspec.structs.replace(ROWS[1], facts=b"\xc1")
    with pytest.raises(Held, match="the facts from 2 on cannot be read"):
        wake("ana", life(ROWS[0], broken, *ROWS[2:]))


def test_a_held_customer_stays_held_with_its_reason():
    with pytest.raises(Held, match="the disk was wet"):
        wake("ana", life(*ROWS, held="the disk was wet"))


def test_a_slot_counts_from_its_last_snapshot():
    slot = wake("ana", life(*(row(seq) for seq in range(0, SNAPSHOT_EVERY, 2))))
    assert slot.behind == SNAPSHOT_EVERY
    kept = slot.snapshot(Instant(START + 9))
    assert (slot.behind, kept.seq, kept.at) == (0, SNAPSHOT_EVERY, START + 9)
    assert wake("ana", life(snapshots=[kept])).state == slot.state


def test_the_alarm_of_a_woken_customer_is_its_earliest_timer():
    enrolled = facts.Enrolled("w", "welcome", "Registered", {}, START)
    waits = facts.Awaits("w", "week-1", Instant(START + 5))
    slot = wake("ana", life(row(0, happened(0), enrolled, waits)))
    assert slot.alarm == START + 5
