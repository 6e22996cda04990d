"""The port's rules, kept by both stores."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.outside import open_outside
from actors.store.counted import CountRow, StandRow
from actors.store.memory import MemoryStore
from actors.store.port import (
    TERMINAL,
    AlarmRow,
    BoughtRow,
    BroadcastRow,
    BuyerRow,
    Commit,
    CutsRow,
    DedupeRow,
    HoldRow,
    JournalRow,
    KeyRow,
    Life,
    OutboxRow,
    ProductRow,
    QuarantineRow,
    QueueCount,
    RatingRow,
    ReportRow,
    Settled,
    SnapshotRow,
    SpentRow,
    StoreSize,
    SuppressionRow,
    TellRow,
)
from actors.store.sqlite import open_store
from ecrm import errors

NOW = 1_770_000_000_000
LANES = (0, 1, 2, 3)
NOBODY = frozenset()


@asynccontextmanager
async def opened(kind, folder):
    if kind == "memory":
        yield MemoryStore(lambda: NOW)
        return
    async with (
        open_outside() as outside,
        open_store(Path(folder) / "ecrm.db", outside, lambda: NOW) as store,
    ):
        yield store


@pytest.fixture(params=["memory", "sqlite"])
def kind(request):
    return request.param


@pytest.fixture
async def store(kind, tmp_path):
    async with opened(kind, tmp_path) as made:
        yield made


def turn(customer_id, seq, count=1):
    facts = f"facts {seq}".encode()
    return JournalRow(customer_id, seq, count, NOW + seq, b"message", facts)


def snapshot(customer_id, seq, state=b"state"):
    return SnapshotRow(customer_id, seq, NOW + seq, 3, b"hash", state)


def mail(
    mail_id, *, customer_id="ana", lane=1, due=NOW, domain="example.org", at=NOW, kept=None,
    opens=False, clicks=False,
):  # fmt: skip
    return OutboxRow(
        mail_id=mail_id,
        customer_id=customer_id,
        kind="k07",
        programme="cart",
        step="reminder",
        lane=lane,
        domain=domain,
        at=at,
        due=due,
        not_after=NOW + 10_000,
        mail=b"mail " + mail_id.encode(),
        kept=kept,
        opens=opens,
        clicks=clicks,
    )


def dedupe(key, at=NOW, answer=b"ok"):
    return DedupeRow(key, "ana", at, answer)


def bought(product_id, customer_id="ana", order_id="o1", at=NOW):
    return BoughtRow(product_id, customer_id, order_id, at)


def buyer(customer_id, count=1, total=1999):
    return BuyerRow(customer_id, count, total, NOW - count, NOW)


def broadcast(broadcast_id, start=NOW, audience=(), cursor="", done=False):
    return BroadcastRow(broadcast_id, NOW, start, audience, b"message", cursor, done)


def suppression(address, scope, reason="bounced", at=NOW, expires=None):
    return SuppressionRow(address, scope, reason, at, expires)


async def pages(read, limit, key=lambda row: row):
    """All pages up to the first that is not full."""
    found = [await read("", limit)]
    while len(found[-1]) == limit:
        found.append(await read(key(found[-1][-1]), limit))
    return found


async def claimed(store, limit=100, now=NOW, lanes=LANES, skip=NOBODY, epoch="boot"):
    return [row.mail_id for row in await store.claim(now, epoch, limit, lanes, skip)]


async def states(store):
    return {row.mail_id: row.state for row in await store.queue_rows(None, None, 1000)}


# lives


async def test_a_customer_nobody_knows_has_an_empty_life(store):
    assert await store.load(["ana"]) == {"ana": Life("ana", (), (), None)}


async def test_a_life_without_snapshots_is_all_of_the_journal(store):
    turns = [turn("ana", 0, 2), turn("ana", 2), turn("ana", 3)]
    await store.commit(Commit(journal=[*turns, turn("bea", 0)]))
    assert (await store.load(["ana"]))["ana"].journal == tuple(turns)


async def test_a_life_with_snapshots_is_the_newest_first_and_the_journal_since_the_older(store):
    await store.commit(Commit(journal=[turn("ana", n) for n in range(6)]))
    await store.commit(Commit(snapshots=[snapshot("ana", 2), snapshot("ana", 4)]))
    life = (await store.load(["ana"]))["ana"]
    assert life.snapshots == (snapshot("ana", 4), snapshot("ana", 2))
    assert [row.seq for row in life.journal] == [2, 3, 4, 5]


async def test_a_life_with_one_snapshot_has_the_journal_since_it(store):
    turns = [turn("ana", n) for n in range(3)]
    await store.commit(Commit(journal=turns, snapshots=[snapshot("ana", 2)]))
    assert [row.seq for row in (await store.load(["ana"]))["ana"].journal] == [2]


async def test_two_snapshots_are_kept_and_the_journal_never_goes(store):
    await store.commit(Commit(journal=[turn("ana", n) for n in range(4)]))
    for seq in (1, 2, 3):
        await store.commit(Commit(snapshots=[snapshot("ana", seq)]))
    life = (await store.load(["ana"]))["ana"]
    assert [row.seq for row in life.snapshots] == [3, 2]
    assert len(await store.journal("ana", before=None, limit=100)) == 4


async def test_a_snapshot_taken_again_at_the_same_fact_replaces_the_former(store):
    await store.commit(Commit(snapshots=[snapshot("ana", 1), snapshot("ana", 2, b"old")]))
    await store.commit(Commit(snapshots=[snapshot("ana", 2, b"new")]))
    life = (await store.load(["ana"]))["ana"]
    assert [row.state for row in life.snapshots] == [b"new", b"state"]


async def test_many_lives_are_loaded_at_once_and_each_is_its_own(store):
    names = [f"customer {n}" for n in range(600)]
    await store.commit(Commit(journal=[turn(name, n) for n, name in enumerate(names)]))
    lives = await store.load([*names, names[0], "nobody"])
    assert len(lives) == 601
    assert all(lives[name].journal == (turn(name, n),) for n, name in enumerate(names))


async def test_ids_and_bytes_of_any_kind_come_back_as_they_were(store):
    odd = ["", "nul\0", "nul", "é", "'; --", "😀" * 50]
    rows = [JournalRow(name, 0, 1, NOW, bytes(range(256)), b"") for name in odd]
    await store.commit(Commit(journal=rows))
    lives = await store.load(odd)
    assert [lives[name].journal for name in odd] == [(row,) for row in rows]


async def test_a_turn_without_facts_is_not_written(store):
    await store.commit(Commit(journal=[turn("ana", 0, 0)]))
    await store.commit(Commit(journal=[turn("ana", 0, 1)]))
    assert await store.journal("ana", before=None, limit=9) == [turn("ana", 0, 1)]


async def test_a_turn_in_a_taken_place_fails_the_whole_commit(store):
    await store.commit(Commit(journal=[turn("ana", 0)]))
    with pytest.raises(errors.StoreBroken):
        await store.commit(
            Commit(
                journal=[turn("bea", 0), turn("ana", 0)],
                alarms=[AlarmRow("bea", NOW)],
                outbox=[mail("m1")],
            )
        )
    assert await store.size() == StoreSize(1, 1, 1, 0, 0, 0)
    assert await store.queue_rows(None, None, 9) == []


async def test_a_store_works_on_after_a_failed_commit(store):
    twice = Commit(journal=[turn("ana", 0), turn("ana", 0)])
    with pytest.raises(errors.StoreBroken):
        await store.commit(twice)
    await store.commit(Commit(journal=[turn("ana", 0)]))
    assert (await store.load(["ana"]))["ana"].journal == (turn("ana", 0),)


async def test_the_journal_is_read_backwards_page_by_page(store):
    await store.commit(Commit(journal=[turn("ana", n) for n in range(5)]))
    newest = await store.journal("ana", before=None, limit=2)
    older = await store.journal("ana", before=newest[0].seq, limit=2)
    oldest = await store.journal("ana", before=older[0].seq, limit=2)
    assert [[row.seq for row in page] for page in (newest, older, oldest)] == [[3, 4], [1, 2], [0]]


async def test_the_last_instant_is_that_of_the_newest_turn(store):
    assert await store.last_at() is None
    await store.commit(Commit(journal=[turn("bea", 0), turn("ana", 0)]))
    assert await store.last_at() == turn("ana", 0).at


async def test_a_mail_cancelled_while_it_is_submitted_is_not_tried_again(store):
    await store.commit(Commit(outbox=[mail("taken"), mail("refused")]))
    await store.claim(NOW, "boot", 10, (0, 1, 2, 3), frozenset())
    await store.submitting([("taken", b""), ("refused", b"")], "boot")
    await store.commit(Commit(cancels=[("taken", "bought"), ("refused", "bought")]))
    assert {row.state for row in await store.queue_rows(None, None, 10)} == {"submitting"}
    await store.settle(
        NOW + 1,
        [Settled("taken", "accepted", "250"), Settled("refused", "queued", "451", NOW + 9, 1)],
    )
    outcomes = {row.mail_id: (row.state, row.response) for row in await store.unreported(10)}
    assert outcomes == {"taken": ("accepted", "250"), "refused": ("cancelled", "bought")}


async def test_a_hold_keeps_its_first_reason_until_it_is_released(store):
    await store.commit(Commit(holds=[HoldRow("bea", NOW + 1, "unreadable")]))
    await store.commit(
        Commit(holds=[HoldRow("bea", NOW + 2, "again"), HoldRow("ana", NOW, "hash")])
    )
    lives = await store.load(["ana", "bea", "eve"])
    assert [lives[name].held for name in ("ana", "bea", "eve")] == ["hash", "unreadable", None]
    assert await store.holds() == [
        HoldRow("ana", NOW, "hash"),
        HoldRow("bea", NOW + 1, "unreadable"),
    ]
    assert [await store.release("bea"), await store.release("bea")] == [True, False]
    assert (await store.load(["bea"]))["bea"].held is None


# messages


async def test_a_message_id_is_answered_as_it_was_the_first_time(store):
    await store.commit(Commit(dedupe=[dedupe(b"a", answer=b"1"), dedupe(b"b", answer=b"2")]))
    await store.commit(Commit(dedupe=[dedupe(b"a", answer=b"3")]))
    assert await store.repeats([b"a", b"b", b"c"]) == {b"a": b"1", b"b": b"2"}
    assert await store.repeats([]) == {}


async def test_old_message_ids_are_forgotten_a_few_at_a_time_oldest_first(store):
    rows = [dedupe(b"%d" % n, at=NOW + n) for n in range(5)]
    await store.commit(Commit(dedupe=rows))
    assert await store.prune(NOW + 3, 2) == 2
    assert {*await store.repeats([row.key for row in rows])} == {b"2", b"3", b"4"}
    assert [await store.prune(NOW + 3, 2), await store.prune(NOW + 3, 2)] == [1, 0]
    assert {*await store.repeats([row.key for row in rows])} == {b"3", b"4"}


async def quarantined(store, limit):
    """What is in quarantine, by whatever number the store keeps it."""
    return [row.numbered(0) for row in await store.quarantined(limit)]


async def test_quarantined_messages_are_shown_newest_first(store):
    rows = [QuarantineRow("ana", NOW + n, b"m", "Traceback", f"0.{n}") for n in range(3)]
    await store.commit(Commit(quarantine=rows))
    assert await quarantined(store, 2) == [rows[2], rows[1]]


async def test_a_tell_waits_in_order_until_it_was_told(store):
    rows = [TellRow(name, "ana", NOW, name.encode()) for name in ("t2", "t1", "t3")]
    await store.commit(Commit(tells=rows))
    await store.commit(Commit(tells=[TellRow("t1", "bea", NOW, b"other")], told=["t2"]))
    assert await store.tells() == rows[1:]


async def test_a_tell_made_and_told_in_one_commit_is_gone(store):
    await store.commit(Commit(tells=[TellRow("t1", "ana", NOW, b"")], told=["t1"]))
    assert await store.tells() == []


async def test_a_product_is_what_was_last_said_of_it(store):
    await store.commit(Commit(products=[ProductRow("b", 1, b"1"), ProductRow("a", 1, b"2")]))
    await store.commit(Commit(products=[ProductRow("b", 2, b"3")]))
    assert await store.products() == [ProductRow("a", 1, b"2"), ProductRow("b", 2, b"3")]


async def test_keys_are_kept_and_replaced_by_id(store):
    def key(key_id, secret):
        return KeyRow(key_id, "secret", secret, "https://shop.example", NOW)

    await store.add_keys([key("k2", "x"), key("k1", "y")])
    await store.add_keys([key("k2", "z")])
    assert await store.keys() == [key("k1", "y"), key("k2", "z")]


async def test_a_key_is_forgotten_and_its_uses_are_remembered(store):
    await store.add_keys([KeyRow("k1", "secret", "x", "", NOW)])
    await store.save_uses({"k1": NOW, "written": NOW})
    await store.save_uses({"k1": NOW + 1})
    assert await store.uses() == {"k1": NOW + 1, "written": NOW}
    assert await store.remove_key("k1")
    assert not await store.remove_key("k1")
    assert await store.keys() == []


async def test_a_secret_is_made_once_for_each_name(store):
    links, other = await store.secret("links"), await store.secret("other")
    assert (len(links), links != other) == (32, True)
    assert await store.secret("links") == links


# alarms


async def test_due_alarms_come_by_instant_then_customer_and_not_before(store):
    due = {"eve": NOW, "ana": NOW, "bea": NOW - 5, "kim": NOW + 1}
    await store.commit(Commit(alarms=[AlarmRow(who, at) for who, at in due.items()]))
    assert await store.due(NOW, 10) == ["bea", "ana", "eve"]
    assert await store.due(NOW, 2) == ["bea", "ana"]
    assert await store.next_alarm() == NOW - 5


async def test_a_customer_has_one_alarm_the_last_one_set(store):
    await store.commit(Commit(alarms=[AlarmRow("ana", NOW), AlarmRow("bea", NOW)]))
    await store.commit(Commit(alarms=[AlarmRow("ana", NOW + 9), AlarmRow("bea", None)]))
    assert (await store.due(NOW + 8, 9), await store.due(NOW + 9, 9)) == ([], ["ana"])
    assert (await store.next_alarm(), (await store.size()).alarms) == (NOW + 9, 1)


@pytest.mark.parametrize("last", [None, NOW + 7])
async def test_the_last_of_several_alarms_in_one_commit_counts(store, last):
    await store.commit(Commit(alarms=[AlarmRow("ana", NOW)]))
    rows = [AlarmRow("ana", None), AlarmRow("ana", NOW + 1), AlarmRow("ana", last)]
    await store.commit(Commit(alarms=rows))
    assert await store.next_alarm() == last


async def test_no_alarm_is_due_where_there_is_none(store):
    assert (await store.next_alarm(), await store.due(NOW, 9)) == (None, [])


# the outbox


async def test_rows_are_claimed_by_lane_then_due_then_arrival(store):
    rows = [
        mail("late bulk", lane=3, due=NOW - 1),
        mail("second", due=NOW - 1),
        mail("third", due=NOW - 1),
        mail("first", due=NOW - 2),
        mail("code", lane=0),
        mail("future", lane=0, due=NOW + 1),
    ]
    await store.commit(Commit(outbox=rows))
    assert await claimed(store, limit=2) == ["code", "first"]
    assert await claimed(store) == ["second", "third", "late bulk"]
    assert await claimed(store) == []


async def test_a_claim_looks_at_its_lanes_only_and_passes_over_full_domains(store):
    rows = [
        mail("a", lane=1, domain="full.example"),
        mail("b", lane=1, domain="free.example"),
        mail("c", lane=2, domain="free.example"),
    ]
    await store.commit(Commit(outbox=rows))
    assert await claimed(store, lanes=(0, 1), skip=frozenset({"full.example", "x"})) == ["b"]
    assert await claimed(store, lanes=(2, 1)) == ["a", "c"]


async def test_a_claimed_row_says_all_that_delivery_needs(store):
    await store.commit(Commit(outbox=[mail("m1", lane=2, due=NOW - 3)]))
    [row] = await store.claim(NOW, "boot", 1, LANES, NOBODY)
    assert msgspec.structs.asdict(row) == {
        "mail_id": "m1",
        "customer_id": "ana",
        "lane": 2,
        "domain": "example.org",
        "due": NOW - 3,
        "not_after": NOW + 10_000,
        "attempts": 0,
        "mail": b"mail m1",
        "body": None,
        "doubted_at": None,
    }


async def test_the_same_mail_is_never_queued_twice_not_even_after_it_went(store):
    await store.commit(Commit(outbox=[mail("m1"), mail("m1", lane=0)]))
    assert await claimed(store) == ["m1"]
    await store.settle(NOW, [Settled("m1", "accepted")])
    await store.commit(Commit(outbox=[mail("m1")]))
    assert (await claimed(store), await states(store)) == ([], {"m1": "accepted"})


async def test_next_send_is_the_earliest_queued_row_of_the_lanes(store):
    rows = [mail("a", lane=3, due=NOW + 5), mail("b", due=NOW + 9), mail("c", lane=0, due=NOW)]
    await store.commit(Commit(outbox=rows))
    await claimed(store, lanes=(0,))
    assert await store.next_send(LANES) == NOW + 5
    assert await store.next_send((1, 0)) == NOW + 9
    assert (await store.next_send((0,)), await store.next_send(())) == (None, None)


async def test_only_rows_still_leased_by_the_epoch_are_submitted(store):
    await store.commit(Commit(outbox=[mail(name) for name in ("mine", "gone", "queued")]))
    await claimed(store, limit=2)
    await store.commit(Commit(cancels=[("gone", "ordered")], outbox=[mail("other")]))
    wanted = [(name, b"bytes") for name in ("mine", "gone", "queued", "unknown")]
    assert await store.submitting(wanted, "other boot") == set()
    assert await store.submitting(wanted, "boot") == {"mine"}
    assert await store.submitting(wanted, "boot") == set()
    assert await states(store) == {
        "mine": "submitting", "gone": "cancelled", "queued": "queued", "other": "queued",
    }  # fmt: skip


async def test_a_retry_waits_until_due_and_finds_its_own_bytes(store):
    body = b"From: shop\r\n\r\n" * 1000
    await store.commit(Commit(outbox=[mail("m1")]))
    await claimed(store)
    await store.submitting([("m1", body)], "boot")
    await store.settle(NOW, [Settled("m1", "queued", "450 later", NOW + 60, 1)])
    assert await store.next_send(LANES) == NOW + 60
    assert await claimed(store, now=NOW + 59) == []
    [row] = await store.claim(NOW + 60, "boot", 9, LANES, NOBODY)
    assert (row.attempts, row.due, row.body) == (1, NOW + 60, body)


async def test_bytes_submitted_anew_replace_the_former(store):
    await store.commit(Commit(outbox=[mail("m1")]))
    for body in (b"first", b"first", b"second"):
        await claimed(store)
        assert await store.submitting([("m1", body)], "boot") == {"m1"}
        await store.settle(NOW, [Settled("m1", "queued", "", NOW, 1)])
    [row] = await store.claim(NOW, "boot", 9, LANES, NOBODY)
    assert row.body == b"second"


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_a_mail_that_ends_loses_its_secret(store, state):
    await store.commit(Commit(outbox=[mail("m1", kept=b"hidden"), mail("m2")]))
    await store.settle(NOW, [Settled("m1", state), Settled("m2", state)])
    assert [await store.mail("m1"), await store.mail("m2")] == [b"hidden", b"mail m2"]


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_a_settled_row_stays_as_it_is(store, state):
    await store.commit(Commit(outbox=[mail("m1")]))
    await claimed(store)
    await store.submitting([("m1", b"bytes")], "boot")
    await store.settle(NOW + 1, [Settled("m1", state, "250 ok", attempts=2)])
    await store.settle(NOW + 2, [Settled("m1", "queued", "no", NOW), Settled("m1", "dead", "no")])
    await store.commit(Commit(cancels=[("m1", "too late")]))
    [row] = await store.queue_rows(None, None, 9)
    assert (row.state, row.response, row.attempts) == (state, "250 ok", 2)
    assert await store.unreported(9) == [ReportRow("m1", "ana", state, "250 ok", NOW + 1)]
    assert (await claimed(store), await store.next_send(LANES)) == ([], None)


async def test_settling_a_mail_nobody_knows_changes_nothing(store):
    await store.settle(NOW, [Settled("m1", "accepted")])
    assert await store.queue_rows(None, None, 9) == []


async def test_attempts_are_not_lost_by_an_outcome_that_does_not_count_them(store):
    await store.commit(Commit(outbox=[mail("m1")]))
    await store.settle(NOW, [Settled("m1", "queued", "", NOW, 3)])
    await store.settle(NOW, [Settled("m1", "expired")])
    [row] = await store.queue_rows(None, None, 9)
    assert row.attempts == 3


async def test_a_held_row_rests_until_it_is_queued_again(store):
    await store.commit(Commit(outbox=[mail("m1")]))
    await store.settle(NOW, [Settled("m1", "held", "paused")])
    assert (await claimed(store), await store.next_send(LANES)) == ([], None)
    assert await store.unreported(9) == []
    await store.settle(NOW, [Settled("m1", "queued", "", NOW + 1, 0)])
    assert await claimed(store, now=NOW + 1) == ["m1"]


async def test_what_is_queued_held_or_leased_can_be_cancelled_and_the_rest_cannot(store):
    names = ["queued", "held", "leased", "submitting", "accepted"]
    await store.commit(Commit(outbox=[mail(name, due=NOW + n) for n, name in enumerate(names)]))
    await store.settle(NOW, [Settled("held", "held"), Settled("accepted", "accepted")])
    await store.settle(NOW, [Settled("queued", "queued", "", NOW + 99, 0)])
    await claimed(store, now=NOW + 50)
    await store.submitting([("submitting", b"")], "boot")
    await store.commit(Commit(cancels=[(name, "ordered") for name in [*names, "unknown"]]))
    assert await states(store) == {
        "queued": "cancelled",
        "held": "cancelled",
        "leased": "cancelled",
        "submitting": "submitting",
        "accepted": "accepted",
    }


async def test_a_mail_queued_and_cancelled_in_one_commit_never_goes(store):
    await store.commit(Commit(outbox=[mail("m1")], cancels=[("m1", "ordered")]))
    assert await claimed(store) == []
    assert await store.unreported(9) == [ReportRow("m1", "ana", "cancelled", "ordered", NOW)]


async def test_an_outcome_is_reported_until_its_customer_has_heard_it(store):
    await store.commit(Commit(outbox=[mail(name) for name in ("a", "b", "c", "d")]))
    await store.settle(NOW + 2, [Settled("a", "accepted"), Settled("b", "dead", "550 no")])
    await store.settle(NOW + 1, [Settled("c", "expired")])
    assert [row.mail_id for row in await store.unreported(9)] == ["c", "a", "b"]
    assert [row.mail_id for row in await store.unreported(2)] == ["c", "a"]
    await store.commit(Commit(reported=["a", "c", "unknown"]))
    assert await store.unreported(9) == [ReportRow("b", "ana", "dead", "550 no", NOW + 2)]


async def test_a_row_that_is_still_under_way_cannot_be_reported_away(store):
    await store.commit(Commit(outbox=[mail("m1")], reported=["m1"]))
    await store.settle(NOW, [Settled("m1", "accepted")])
    assert [row.mail_id for row in await store.unreported(9)] == ["m1"]


async def test_reclaim_frees_what_others_leased_and_returns_what_they_left_in_doubt(store):
    names = ["leased", "doubt", "mine", "my doubt"]
    await store.commit(Commit(outbox=[mail(name, due=NOW + n) for n, name in enumerate(names)]))
    await claimed(store, now=NOW + 1, epoch="before")
    await store.submitting([("doubt", b"bytes")], "before")
    await claimed(store, now=NOW + 9, epoch="boot")
    await store.submitting([("my doubt", b"mine")], "boot")
    in_doubt = await store.reclaim("boot")
    assert [(row.mail_id, row.body) for row in in_doubt] == [("doubt", b"bytes")]
    assert await store.reclaim("boot") == in_doubt
    assert await states(store) == {
        "leased": "queued", "doubt": "submitting", "mine": "leased", "my doubt": "submitting",
    }  # fmt: skip
    assert await claimed(store, now=NOW) == ["leased"]


async def test_a_mail_can_be_read_after_it_went(store):
    await store.commit(Commit(outbox=[mail("m1")]))
    await store.settle(NOW, [Settled("m1", "accepted")])
    assert (await store.mail("m1"), await store.mail("m2")) == (b"mail m1", None)


async def test_limits_are_remembered_by_key(store):
    assert await store.limiter_state() == {}
    await store.save_limiter({"all": 1, "example.org": 2})
    await store.save_limiter({"all": 3})
    assert await store.limiter_state() == {"all": 3, "example.org": 2}


# secrets


async def test_whoever_looks_at_a_mail_never_sees_its_secret_and_delivery_does(store):
    await store.commit(Commit(outbox=[mail("m1", kept=b"hidden"), mail("m2")]))
    assert [await store.mail("m1"), await store.mail("m2")] == [b"hidden", b"mail m2"]
    rows = await store.claim(NOW, "before", 9, LANES, NOBODY)
    assert [row.mail for row in rows] == [b"mail m1", b"mail m2"]
    await store.submitting([("m1", b"bytes")], "before")
    [in_doubt] = await store.reclaim("boot")
    assert (in_doubt.mail, await store.mail("m1")) == (b"mail m1", b"hidden")


async def test_a_secret_survives_a_retry_and_a_hold(store):
    await store.commit(Commit(outbox=[mail("m1", kept=b"hidden")]))
    await claimed(store)
    await store.settle(NOW, [Settled("m1", "held", "paused")])
    await store.settle(NOW, [Settled("m1", "queued", "", NOW, 1)])
    [row] = await store.claim(NOW, "boot", 9, LANES, NOBODY)
    assert (row.mail, await store.mail("m1")) == (b"mail m1", b"hidden")


async def test_a_mail_that_is_queued_again_keeps_what_it_had(store):
    await store.commit(Commit(outbox=[mail("m1", kept=b"hidden")]))
    await store.settle(NOW, [Settled("m1", "accepted")])
    await store.commit(Commit(outbox=[mail("m1", kept=b"other")]))
    assert await store.mail("m1") == b"hidden"


# sales


async def test_owners_are_the_customers_of_any_of_the_products_each_once(store):
    rows = [
        bought("p1", "eve", "o1"),
        bought("p1", "ana", "o2"),
        bought("p1", "ana", "o3"),
        bought("p2", "ana", "o3"),
        bought("p2", "bea", "o4"),
        bought("p3", "kim", "o5"),
    ]
    await store.commit(Commit(bought=rows))
    assert await store.owners(["p1", "p2"], "", 9) == ["ana", "bea", "eve"]
    assert await store.owners(["p2", "p2", "p1"], "ana", 9) == ["bea", "eve"]
    assert await store.owners(["p1", "p2"], "ana", 1) == ["bea"]
    assert [await store.owners(["p4"], "", 9), await store.owners([], "", 9)] == [[], []]


async def test_owners_come_in_pages_of_every_customer_once(store):
    names = [f"é{n:03}" if n % 2 else f"z{n:03}" for n in range(100)]
    rows = [bought(f"p{n % 3}", name, f"o{n}") for n, name in enumerate(names)]
    await store.commit(Commit(bought=[*rows, *(bought("p0", name, "again") for name in names)]))
    found = await pages(lambda after, limit: store.owners(["p0", "p1", "p2"], after, limit), 30)
    assert [len(page) for page in found] == [30, 30, 30, 10]
    assert [name for page in found for name in page] == sorted(names)


async def test_a_purchase_told_twice_is_one(store):
    await store.commit(Commit(bought=[bought("p1"), bought("p1", at=NOW + 1)]))
    await store.commit(Commit(bought=[bought("p1", at=NOW + 2)]))
    assert await store.owners(["p1"], "", 9) == ["ana"]
    assert await store.baskets("", 9) == [("o1", ("p1",))]


async def test_baskets_are_orders_with_their_products_in_order(store):
    rows = [bought("p2", order_id="o1"), bought("p1", order_id="o1"), bought("p1", order_id="o2")]
    await store.commit(Commit(bought=rows))
    assert await store.baskets("", 9) == [("o1", ("p1", "p2")), ("o2", ("p1",))]
    assert await store.baskets("o1", 9) == [("o2", ("p1",))]
    assert [await store.baskets("o2", 9), await store.baskets("", 0)] == [[], []]


async def test_an_order_of_two_customers_is_one_basket(store):
    await store.commit(Commit(bought=[bought("p1", "ana"), bought("p1", "bea")]))
    assert await store.baskets("", 9) == [("o1", ("p1",))]


async def test_a_page_of_baskets_never_cuts_one_in_two(store):
    rows = [bought(f"p{p}", order_id=f"o{o}") for o in range(5) for p in range(4)]
    await store.commit(Commit(bought=rows))
    found = await pages(store.baskets, 2, key=lambda basket: basket[0])
    everything = tuple(f"p{p}" for p in range(4))
    assert found == [
        [("o0", everything), ("o1", everything)],
        [("o2", everything), ("o3", everything)],
        [("o4", everything)],
    ]


async def test_a_buyer_is_what_was_last_said_of_it(store):
    await store.commit(Commit(buyers=[buyer("bea"), buyer("ana"), buyer("eve")]))
    await store.commit(Commit(buyers=[buyer("ana", 2), buyer("ana", 3), buyer("eve", 0)]))
    assert await store.buyers("", 9) == [buyer("ana", 3), buyer("bea")]
    assert [await store.buyers("", 1), await store.buyers("ana", 9)] == [
        [buyer("ana", 3)],
        [buyer("bea")],
    ]


@pytest.mark.parametrize("last", [0, 5])
async def test_the_last_of_several_words_on_a_buyer_in_one_commit_counts(store, last):
    await store.commit(Commit(buyers=[buyer("ana", 0), buyer("ana", 1), buyer("ana", last)]))
    assert await store.buyers("", 9) == ([buyer("ana", last)] if last else [])


async def test_the_newest_cuts_are_read(store):
    assert await store.cuts() is None
    for version, body in ((2, b"two"), (1, b"one"), (3, b"three"), (3, b"again")):
        await store.save_cuts(CutsRow(version, NOW, body))
    assert await store.cuts() == CutsRow(3, NOW, b"again")


# broadcasts


async def test_broadcasts_come_by_start_until_they_are_done(store):
    rows = [
        broadcast("b", NOW + 1),
        broadcast("c", NOW, audience=("p2", "p1")),
        broadcast("a", NOW + 1),
        broadcast("over", done=True),
    ]
    await store.commit(Commit(broadcasts=rows))
    assert await store.broadcasts() == [rows[1], rows[2], rows[0]]
    await store.advance("c", "kim", done=True)
    assert await store.broadcasts() == [rows[2], rows[0]]


async def test_a_broadcast_announced_again_goes_on_where_it_was(store):
    await store.commit(Commit(broadcasts=[broadcast("a"), broadcast("b")]))
    await store.advance("a", "ana", done=False)
    await store.advance("b", "zoe", done=True)
    await store.advance("unknown", "ana", done=False)
    await store.commit(Commit(broadcasts=[broadcast("a", NOW + 9), broadcast("b")]))
    assert await store.broadcasts() == [broadcast("a", cursor="ana")]


async def test_people_are_all_customers_with_a_life_but_visitors_and_the_house(store):
    people = [
        "Zoe",
        "ana",
        "nul",
        "nul\0",
        "nul\0x",
        "shop",
        "shop;",
        "visitor",
        "visitor;",
        "é",
        "😀",
    ]
    others = ["shop:", "shop:x", "visitor:", "visitor:\U0010ffff", "visitor:1"]
    turns = [turn(who, n) for who in [*people, *others] for n in range(3)]
    await store.commit(Commit(journal=turns, bought=[bought("p1", "only a purchase")]))
    assert await store.people("", 99) == people
    for limit in (1, 2, 3, 5):
        found = await pages(store.people, limit)
        assert [who for page in found for who in page] == people
    assert await store.people("shop:x", 1) == ["shop;"]
    assert [await store.people("😀", 9), await store.people("", 0)] == [[], []]


async def test_nobody_is_there_in_an_empty_store(store):
    assert await store.people("", 9) == []
    await store.commit(Commit(journal=[turn("visitor:1", 0)]))
    assert await store.people("", 9) == []


# counts


async def test_what_a_programme_spends_in_a_month_adds_up(store):
    rows = [SpentRow("cart", "2026-03", 200), SpentRow("cart", "2026-03", 50)]
    await store.commit(Commit(spent=[*rows, SpentRow("review", "2026-03", 5)]))
    await store.commit(
        Commit(spent=[SpentRow("cart", "2026-03", 1), SpentRow("cart", "2026-04", 7)])
    )
    assert await store.spent("2026-03") == {"cart": 251, "review": 5}
    assert [await store.spent("2026-04"), await store.spent("2026-05")] == [{"cart": 7}, {}]


async def test_ratings_are_counted_by_week_and_score(store):
    rows = [RatingRow("site", "2026-W10", 5), RatingRow("site", "2026-W09", 4)]
    await store.commit(Commit(ratings=[*rows, *rows, RatingRow("site", "2026-W10", 1)]))
    await store.commit(Commit(ratings=[rows[0], RatingRow("support", "2026-W10", 3)]))
    assert await store.ratings("site") == [
        ("2026-W09", 4, 2),
        ("2026-W10", 1, 1),
        ("2026-W10", 5, 3),
    ]
    assert await store.ratings("parcel") == []


# suppressions


async def test_an_address_is_suppressed_until_it_is_not(store):
    rows = [
        suppression("aa", "all"),
        suppression("bb", "marketing"),
        suppression("cc", "invitation"),
    ]
    await store.commit(Commit(suppressions=rows))
    assert await store.suppressed(["aa", "bb", "cc", "dd", "aa"]) == {
        "aa": "all",
        "bb": "marketing",
        "cc": "invitation",
    }
    await store.commit(Commit(freed=["aa", "unknown"]))
    assert await store.suppressed(["aa", "bb"]) == {"bb": "marketing"}
    assert await store.suppressed([]) == {}


@pytest.mark.parametrize(
    ("first", "then", "left"),
    [
        ("all", "marketing", "all"),
        ("all", "invitation", "all"),
        ("marketing", "invitation", "marketing"),
        ("marketing", "marketing", "marketing"),
        ("invitation", "marketing", "marketing"),
        ("marketing", "all", "all"),
    ],
)
async def test_a_suppression_is_widened_and_never_narrowed(store, first, then, left):
    await store.commit(Commit(suppressions=[suppression("aa", first)]))
    await store.commit(Commit(suppressions=[suppression("aa", then)]))
    assert await store.suppressed(["aa"]) == {"aa": left}


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([("all", NOW + 1)], {"aa": "all"}),
        ([("all", NOW)], {}),
        ([("marketing", None), ("all", NOW)], {"aa": "marketing"}),
        ([("all", NOW), ("marketing", NOW + 1)], {"aa": "marketing"}),
        ([("all", NOW + 1), ("all", NOW - 1)], {"aa": "all"}),
        ([("all", NOW - 1), ("all", NOW + 1)], {"aa": "all"}),
        ([("all", None), ("all", NOW - 1)], {"aa": "all"}),
        ([("all", NOW - 1), ("all", None)], {"aa": "all"}),
    ],
)
async def test_a_suppression_that_has_ended_leaves_the_others(store, rows, left):
    for scope, expires in rows:
        row = suppression("aa", scope, expires=expires)
        await store.commit(Commit(suppressions=[row]))
    assert await store.suppressed(["aa"]) == left


async def test_a_suppression_that_ended_is_forgotten_in_time(store):
    rows = [suppression(f"{n}", "all", expires=NOW - n) for n in range(4)]
    await store.commit(Commit(suppressions=[*rows, suppression("good", "all")]))
    assert await store.prune(NOW - 1, 1) == 1
    assert await store.prune(NOW - 1, 9) == 1
    assert await store.prune(NOW - 1, 9) == 0
    assert await store.suppressed(["good"]) == {"good": "all"}


async def test_an_address_is_freed_before_it_is_suppressed_anew(store):
    await store.commit(Commit(suppressions=[suppression("aa", "all")]))
    again = suppression("aa", "marketing")
    await store.commit(Commit(freed=["aa"], suppressions=[again]))
    assert await store.suppressed(["aa"]) == {"aa": "marketing"}


async def test_more_addresses_than_one_question_holds_are_all_looked_up(store):
    rows = [suppression(f"{n:04x}", "all") for n in range(600)]
    await store.commit(Commit(suppressions=rows))
    assert await store.suppressed([row.address for row in rows]) == {
        row.address: "all" for row in rows
    }


# erasure


def life(who):
    """Something of everything that a store keeps of a customer."""
    return Commit(
        journal=[turn(who, 0, 2), turn(who, 2)],
        snapshots=[snapshot(who, 2)],
        alarms=[AlarmRow(who, NOW)],
        outbox=[mail(f"{who} {n}", customer_id=who, lane=n % 4) for n in range(3)],
        quarantine=[QuarantineRow(who, NOW, b"m", "Traceback", "0.1")],
        holds=[HoldRow(who, NOW, "why")],
        tells=[TellRow(f"tell {who}", who, NOW, b"")],
        bought=[bought("p1", who, f"order of {who}")],
        buyers=[buyer(who)],
        dedupe=[DedupeRow(who.encode(), who, NOW, b"ok")],
        spent=[SpentRow("cart", "2026-03", 10)],
        ratings=[RatingRow("site", "2026-W10", 5)],
        suppressions=[suppression(f"hash of {who}", "all")],
    )


async def of_customers(store):
    """All that names customers."""
    return [
        await store.load(["ana", "bea"]),
        await store.last_at(),
        await store.due(NOW, 9),
        await store.queue_rows(None, None, 9),
        await store.queue_counts(),
        await store.unreported(9),
        await quarantined(store, 9),
        await store.holds(),
        await store.tells(),
        await store.owners(["p1"], "", 9),
        await store.baskets("", 9),
        await store.buyers("", 9),
        await store.people("", 9),
        await store.size(),
    ]


@pytest.fixture
async def never(kind, tmp_path):
    """A second store, of the same kind, in which somebody has never been."""
    (tmp_path / "never").mkdir()
    async with opened(kind, tmp_path / "never") as made:
        yield made


async def under_way(store, who):
    """Bring a customer's mails to different places of the queue."""
    await store.claim(NOW, "boot", 1, (0,), NOBODY)
    await store.submitting([(f"{who} 0", b"bytes")], "boot")
    await store.settle(NOW, [Settled(f"{who} 1", "accepted", "250")])


async def test_an_erased_customer_leaves_no_more_than_one_who_was_never_there(store, never):
    await store.commit(life("ana"))
    await under_way(store, "ana")
    for each in (store, never):
        await each.commit(life("bea"))
        await under_way(each, "bea")
    await store.commit(Commit(erase=["ana", "ana", "nobody"]))
    assert await of_customers(store) == await of_customers(never)
    assert [await store.mail(f"ana {n}") for n in range(3)] == [None] * 3


async def test_what_names_nobody_outlives_an_erasure(store):
    await store.commit(life("ana"))
    await store.commit(Commit(erase=["ana"]))
    assert await store.repeats([b"ana"]) == {b"ana": b"ok"}
    assert await store.suppressed(["hash of ana"]) == {"hash of ana": "all"}
    assert await store.spent("2026-03") == {"cart": 10}
    assert await store.ratings("site") == [("2026-W10", 5, 1)]


async def test_an_erasure_takes_along_what_its_own_commit_brought(store):
    made = life("ana")
    made.erase.append("ana")
    await store.commit(made)
    assert await store.size() == StoreSize(0, 0, 0, 0, 0, 0)
    assert [await store.queue_rows(None, None, 9), await store.queue_counts()] == [[], []]
    assert [await store.people("", 9), await store.buyers("", 9), await store.tells()] == [[]] * 3


async def test_an_erased_customer_can_begin_anew(store):
    await store.commit(life("ana"))
    await store.commit(Commit(erase=["ana"]))
    await store.commit(life("ana"))
    assert (await store.size()).customers == 1
    assert await store.journal("ana", before=None, limit=9) == [turn("ana", 0, 2), turn("ana", 2)]
    assert sum(row.count for row in await store.queue_counts()) == 3


async def test_the_mail_of_an_erased_customer_can_no_longer_go(store):
    await store.commit(Commit(outbox=[mail("m1"), mail("m2")]))
    await claimed(store, limit=1)
    await store.commit(Commit(erase=["ana"]))
    assert await store.submitting([("m1", b"bytes")], "boot") == set()
    await store.settle(NOW, [Settled("m1", "accepted"), Settled("m2", "queued", "", NOW, 1)])
    assert (await claimed(store), await store.queue_rows(None, None, 9)) == ([], [])


async def test_arrivals_stay_in_order_after_an_erasure(store):
    rows = [mail("m1", customer_id="ana"), mail("m2", customer_id="bea")]
    await store.commit(Commit(outbox=rows))
    await store.commit(Commit(erase=["ana"]))
    await store.commit(Commit(outbox=[mail("m3", customer_id="eve")]))
    await store.settle(NOW, [Settled("m3", "dead"), Settled("m2", "dead")])
    assert [row.mail_id for row in await store.unreported(9)] == ["m2", "m3"]


async def test_a_failing_commit_leaves_nothing_of_any_kind(store):
    await store.commit(life("bea"))
    before = await of_customers(store)
    failing = life("ana")
    failing.journal.append(turn("ana", 0))
    failing.broadcasts.append(broadcast("a"))
    failing.erase.append("bea")
    with pytest.raises(errors.StoreBroken):
        await store.commit(failing)
    assert await of_customers(store) == before
    assert [await store.broadcasts(), await store.suppressed(["hash of ana"])] == [[], {}]
    assert await store.spent("2026-03") == {"cart": 10}
    assert await store.ratings("site") == [("2026-W10", 5, 1)]


# the console


async def test_the_queue_is_counted_by_state_and_lane_as_rows_move(store):
    rows = [mail("a", lane=0), mail("b"), mail("c"), mail("d"), mail("b")]
    await store.commit(Commit(outbox=rows))
    await claimed(store, limit=2)
    await store.settle(NOW, [Settled("a", "accepted"), Settled("c", "dead")])
    assert await store.queue_counts() == [
        QueueCount("accepted", 0, 1),
        QueueCount("dead", 1, 1),
        QueueCount("leased", 1, 1),
        QueueCount("queued", 1, 1),
    ]


async def test_queue_rows_are_the_newest_of_a_state_and_a_customer(store):
    rows = [mail(f"{who}{n}", customer_id=who) for n in (1, 2) for who in ("ana", "bea")]
    await store.commit(Commit(outbox=rows))
    await store.settle(NOW, [Settled("ana1", "dead"), Settled("bea1", "dead")])

    async def shown(state, who, limit=9):
        return [row.mail_id for row in await store.queue_rows(state, who, limit)]

    assert await shown(None, None) == ["bea2", "ana2", "bea1", "ana1"]
    assert await shown(None, None, 1) == ["bea2"]
    assert await shown("dead", None) == ["bea1", "ana1"]
    assert await shown(None, "ana") == ["ana2", "ana1"]
    assert await shown("dead", "ana") == ["ana1"]


async def test_a_queue_row_shows_where_its_mail_stands(store):
    await store.commit(Commit(outbox=[mail("m1", lane=2, at=NOW - 9)]))
    await store.settle(NOW, [Settled("m1", "queued", "450 later", NOW + 60, 4)])
    [row] = await store.queue_rows("queued", "ana", 9)
    assert msgspec.structs.asdict(row) == {
        "mail_id": "m1",
        "customer_id": "ana",
        "kind": "k07",
        "programme": "cart",
        "step": "reminder",
        "lane": 2,
        "state": "queued",
        "at": NOW - 9,
        "due": NOW + 60,
        "not_after": NOW + 10_000,
        "attempts": 4,
        "response": "450 later",
    }


async def test_the_size_counts_what_there_is(store):
    assert await store.size() == StoreSize(0, 0, 0, 0, 0, 0)
    await store.commit(
        Commit(
            journal=[turn("ana", 0, 3), turn("ana", 3, 2), turn("bea", 0, 1)],
            alarms=[AlarmRow("ana", NOW)],
            quarantine=[QuarantineRow("eve", NOW, b"", "", "")],
            holds=[HoldRow("eve", NOW, "why")],
        )
    )
    await store.commit(Commit(journal=[turn("bea", 1), turn("kim", 0)]))
    assert await store.size() == StoreSize(
        customers=3, events=5, facts=8, alarms=1, quarantined=1, held=1
    )


# cancellation and order


async def test_a_call_that_is_cancelled_before_it_begins_does_nothing(store):
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.commit(Commit(journal=[turn("ana", 0)]))
    assert (scope.cancelled_caught, (await store.size()).events) == (True, 0)


async def test_commits_at_once_are_all_kept(store):
    async with trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(store.commit, Commit(journal=[turn("ana", n)]))
    assert [row.seq for row in (await store.load(["ana"]))["ana"].journal] == [*range(20)]


# what only the twin can do


async def test_the_twin_fails_as_often_as_told_and_keeps_nothing_of_it():
    store = MemoryStore(lambda: NOW)
    store.fail_next(2)
    for _ in range(2):
        with pytest.raises(errors.StoreBroken):
            await store.commit(Commit(journal=[turn("ana", 0)]))
    assert (await store.size()).events == 0
    await store.commit(Commit(journal=[turn("ana", 0)]))
    assert (await store.size()).events == 1


async def test_a_slow_twin_takes_its_time_and_cannot_be_cancelled_half_way(autojump_clock):
    store, start = MemoryStore(lambda: NOW), trio.current_time()
    store.slow = 2.5
    with trio.move_on_after(1) as scope:
        await store.commit(Commit(journal=[turn("ana", 0)]))
    assert (trio.current_time() - start, scope.cancelled_caught) == (2.5, False)
    assert (await store.size()).events == 1


async def test_a_dead_twin_answers_nobody_and_keeps_nothing_that_was_under_way(autojump_clock):
    store, ended = MemoryStore(lambda: NOW), []
    store.slow = 1

    async def commit():
        with pytest.raises(errors.StoreBroken):
            await store.commit(Commit(journal=[turn("ana", 0)]))
        ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit)
        await trio.testing.wait_all_tasks_blocked()
        store.die()
    with pytest.raises(errors.StoreBroken):
        await store.size()
    assert len(ended) == 1


# any sequence of calls gives the same answers

who = st.sampled_from(["ana", "bea", "eve"])
which = st.sampled_from(["m1", "m2", "m3", "m4"])
when = st.integers(NOW - 2, NOW + 2)
lane = st.sampled_from(LANES)
domain = st.sampled_from(["a.example", "b.example"])
epoch = st.sampled_from(["one", "two"])
few = {"max_size": 3}
kept = st.sampled_from([None, b"hidden"])
mails = st.builds(
    mail, which, customer_id=who, lane=lane, due=when, domain=domain, kept=kept,
    opens=st.booleans(), clicks=st.booleans(),
)  # fmt: skip
month = st.sampled_from(["2026-03", "2026-04"])
small = st.integers(0, 2)
place = st.sampled_from(["", "cart"])
scope = st.sampled_from(["all", "marketing", "invitation"])
state = st.sampled_from(["queued", "held", *sorted(TERMINAL)])
commits = st.builds(
    Commit,
    journal=st.lists(st.builds(turn, who, st.integers(0, 5), st.integers(0, 2)), **few),
    snapshots=st.lists(st.builds(snapshot, who, st.integers(0, 5), st.binary(max_size=2)), **few),
    alarms=st.lists(st.builds(AlarmRow, who, st.none() | when), **few),
    outbox=st.lists(mails, **few),
    cancels=st.lists(st.tuples(which, st.sampled_from(["why", "because"])), **few),
    reported=st.lists(which, **few),
    dedupe=st.lists(st.builds(dedupe, st.sampled_from([b"1", b"2"]), when, st.binary()), **few),
    quarantine=st.lists(
        st.builds(QuarantineRow, who, when, st.binary(max_size=2), st.just(""), st.just("")), **few
    ),
    holds=st.lists(st.builds(HoldRow, who, when, st.text("xy")), **few),
    tells=st.lists(st.builds(TellRow, which, who, when, st.binary(max_size=2)), **few),
    told=st.lists(which, **few),
    products=st.lists(st.builds(ProductRow, which, when, st.binary(max_size=2)), **few),
    bought=st.lists(st.builds(bought, which, who, which, when), **few),
    buyers=st.lists(st.builds(buyer, who, small, small), **few),
    broadcasts=st.lists(
        st.builds(broadcast, which, when, st.tuples(which), who, st.booleans()), **few
    ),
    spent=st.lists(st.builds(SpentRow, which, month, small), **few),
    ratings=st.lists(st.builds(RatingRow, st.just("site"), month, small), **few),
    suppressions=st.lists(
        st.builds(suppression, which, scope, st.text("xy"), when, st.none() | when), **few
    ),
    freed=st.lists(which, max_size=1),
    counts=st.lists(st.builds(CountRow, month, place, place, place, st.integers(-2, 2)), **few),
    stands=st.lists(st.builds(StandRow, who, place, place, small), **few),
    erase=st.lists(who, max_size=1),
)
settled = st.builds(Settled, which, state, st.text("xy"), when, st.integers(0, 3))
bodies = st.lists(st.tuples(which, st.binary(max_size=3)), **few)
calls = st.one_of(
    st.tuples(st.just("commit"), commits),
    st.tuples(st.just("claim"), when, epoch, st.integers(0, 3), st.tuples(lane, lane), st.frozensets(domain)),
    st.tuples(st.just("submitting"), bodies, epoch),
    st.tuples(st.just("settle"), when, st.lists(settled, **few)),
    st.tuples(st.just("reclaim"), epoch),
    st.tuples(st.just("unreported"), st.integers(0, 3)),
    st.tuples(st.just("next_send"), st.tuples(lane, lane), st.frozensets(domain)),
    st.tuples(st.just("due"), when, st.integers(0, 3)),
    st.tuples(st.just("release"), who),
    st.tuples(st.just("requeue"), which, when, when),
    st.tuples(st.just("prune"), when, st.integers(1, 2)),
    st.tuples(st.just("owners"), st.lists(which, **few), who, small),
    st.tuples(st.just("baskets"), which, small),
    st.tuples(st.just("people"), who, small),
    st.tuples(st.just("save_cuts"), st.builds(CutsRow, small, when, st.binary(max_size=2))),
)  # fmt: skip


async def answer(store, name, *args):
    try:
        return await getattr(store, name)(*args)
    except errors.StoreBroken:
        return "broken"


async def everything(store):
    return [
        await store.load(["ana", "bea", "eve"]),
        await store.repeats([b"1", b"2"]),
        await store.next_alarm(),
        await store.unreported(9),
        await store.tells(),
        await store.products(),
        await store.queue_counts(),
        await store.queue_rows(None, None, 9),
        await store.queue_rows("queued", "ana", 9),
        await store.queue_rows("cancelled", None, 9),
        await store.journal("ana", before=4, limit=2),
        await store.holds(),
        await quarantined(store, 9),
        await store.size(),
        [await store.mail(f"m{n}") for n in range(5)],
        await store.last_at(),
        await store.owners(["m1", "m2"], "", 9),
        await store.baskets("", 9),
        await store.buyers("", 9),
        await store.people("", 9),
        await store.cuts(),
        await store.broadcasts(),
        await store.spent("2026-03"),
        await store.ratings("site"),
        [row for row in await store.numbers.counts() if row.count],
        [row for row in await store.numbers.counts("2026-03") if row.count],
        {place: n for place, n in (await store.numbers.stands()).items() if n},
        await store.suppressed(["m1", "m2", "m3", "m4"]),
    ]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(st.lists(calls, max_size=25))
def test_both_stores_answer_any_calls_alike(sequence):
    async def play(kind, folder):
        async with opened(kind, folder) as store:
            answers = [await answer(store, *call) for call in sequence]
            return answers, await everything(store)

    with tempfile.TemporaryDirectory() as folder:
        assert trio.run(play, "memory", folder) == trio.run(play, "sqlite", folder)
