"""The turn loop over the store in memory: durable first, poison apart, and every restart legal."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
import trio

from actors import system as turn_loop
from actors.clock import TrioClock
from actors.intake import SHARE, Item
from actors.store.memory import MemoryStore
from actors.store.port import AlarmRow, Commit, Settled
from ecrm import facts, mail, messages
from ecrm.errors import Busy, StoreBroken
from ecrm.moment import HOUR, MINUTE, Instant, hours
from ecrm.rules import Rules
from proto import envelope, events, notices
from tests.actors.house import (
    SPOILT,
    START,
    House,
    Nudges,
    SetClock,
    added,
    farewell,
    marking,
    raising,
)
from tests.lives import shop
from tests.worlds import open_world

TEA = events.Product(product_id="tea", price=10)


@pytest.fixture
def clock():
    return SetClock()


@pytest.fixture
def store(clock):
    return MemoryStore(clock.now)


@pytest.fixture
def house(store, clock):
    return House(store, clock)


# Durable first.


async def test_nothing_is_answered_noticed_or_handed_over_before_it_is_durable(autojump_clock):
    clock = TrioClock(START)
    house = House(MemoryStore(clock.now), clock)
    delivery, alarms = Nudges(), Nudges()
    house.system.delivery, house.system.alarms = delivery, alarms
    await house.identify("ana")
    house.store.slow = 1.0
    outcomes = house.offer(house.message("ana", events.SignedUp()))

    def seen():
        return len(house.rows("ana")), outcomes, len(delivery.dues), len(alarms.dues)

    async with trio.open_nursery() as nursery:
        # A second to look for repeats, and one to commit: ana is in memory already.
        nursery.start_soon(house.system.round)
        await trio.sleep(1.9)
        assert seen() == (1, [], 0, 0)
        await trio.sleep(0.2)
        assert seen() == (2, ["taken"], 1, 1)


async def test_a_notice_is_told_only_of_what_is_durable(house):
    await house.register("ana")
    [waiting] = house.state("ana").waiting
    house.store.fail_next(1)
    report = messages.Report(waiting, "accepted")
    await _word(house, report)
    assert house.notices == []
    await _word(house, report)
    assert house.notices == [
        notices.EmailSent(
            customer_id="ana", at=START, mail_id=waiting, kind="k01", programme="welcome"
        )
    ]


async def test_a_failed_commit_is_answered_unknown_and_the_resend_is_applied_once(house):
    await house.tell("bob", added())
    house.store.fail_next(1)
    message = house.message("ana", added())
    outcomes = house.offer(message)
    await house.system.round()
    assert (outcomes, house.rows("ana"), house.outbox()) == (["unknown"], [], [])
    # Ana was ahead of the disk and is forgotten; bob was not touched.
    assert list(house.system._slots) == ["bob"]
    outcomes = house.offer(message, message)
    await house.system.round()
    outcomes += await house.tell("ana", added("cup"))
    assert outcomes == ["taken", "repeated", "taken"]
    assert [line.product_id for line in house.state("ana").cart.lines] == ["tea", "cup"]
    assert house.told("ana") == ["m2", "m3"]


async def test_three_failed_commits_in_a_row_end_the_loop(house):
    house.store.fail_next(3)
    message, outcomes = house.message("ana", added()), []

    def answered(answer):
        outcomes.append(answer.outcome)
        house.system.offer(message, answered)

    house.system.offer(message, answered)
    with pytest.raises(StoreBroken):
        await house.system.run()
    assert outcomes == ["unknown"] * 3


async def test_a_commit_that_succeeds_forgives_the_failures_before_it(house):
    for _ in range(3):
        house.store.fail_next(2)
        message = house.message("ana", added())
        outcomes = [await _again(house, message) for _ in range(3)]
        assert outcomes == [["unknown"], ["unknown"], ["taken"]]
    assert house.told("ana") == ["m1", "m2", "m3"]


async def test_a_store_that_cannot_be_read_answers_unknown_and_ends_the_loop_at_the_third(house):
    house.store.die()
    for _ in range(2):
        outcomes = house.offer(house.message("ana", added()))
        await house.system.round()
        assert outcomes == ["unknown"]
    house.offer(house.message("ana", added()))
    with pytest.raises(StoreBroken):
        await house.system.round()


# Poison.


async def test_a_turn_that_raises_is_quarantined_and_the_customer_lives_on(house):
    await house.tell("ana", added())
    before = house.state("ana")
    spoilt = house.message("ana", SPOILT)
    outcomes = house.offer(spoilt, house.message("ana", added("cup")), spoilt)
    await house.system.round()
    # It will never go better: the sender is told that it is taken care of.
    assert outcomes == ["poisoned", "taken", "repeated"]
    assert house.told("ana") == ["m1", "m3"]
    assert house.state("ana").seq > before.seq
    assert [line.product_id for line in house.state("ana").cart.lines] == ["tea", "cup"]
    [row] = await house.store.quarantined(10)
    assert (row.customer_id, row.at) == ("ana", START)
    assert "InvalidOperation" in row.traceback
    assert row.message == messages.encode(spoilt)


async def test_a_turn_that_raises_leaves_the_others_of_its_batch_alone(house):
    outcomes = house.offer(
        house.message("ana", added()), house.message("bob", SPOILT), house.message("eve", added())
    )
    await house.system.round()
    assert outcomes == ["taken", "poisoned", "taken"]
    assert (house.told("ana"), house.told("bob"), house.told("eve")) == (["m1"], [], ["m3"])


async def test_a_turn_whose_facts_cannot_be_written_is_poison_like_any_other(clock, store):
    # Half of a character is no text that could be stored.
    house = House(store, clock, Rules(shop(), of=(marking(hours(2), name="\ud800"),)))
    await house.identify("ana")
    before = house.state("ana")
    outcomes = house.offer(
        house.message("ana", events.SignedUp()), house.message("bob", added("cup"))
    )
    await house.system.round()
    assert outcomes == ["poisoned", "taken"]
    assert house.state("ana") == before
    [row] = await house.store.quarantined(10)
    assert "UnicodeEncodeError" in row.traceback


async def test_a_poisoned_tick_is_tried_again_after_an_hour_and_does_not_storm(autojump_clock):
    clock = TrioClock(START)
    rules = Rules(shop(), of=(raising(hours(2)),))
    house = House(MemoryStore(clock.now), clock, rules)
    async with house.lives():
        house.offer(
            house.message("ana", envelope.Traits(email="ana@x.example"), kind="identify", name="I"),
            house.message("ana", events.SignedUp()),
        )
        await trio.sleep(2 * 3_600 - 1)
        assert house.system.poisoned == 0
        await trio.sleep(3 * 3_600)
    # At two, three and four hours.
    rows = await house.store.quarantined(10)
    assert [row.at for row in rows] == [START + n * HOUR for n in (4, 3, 2)]
    assert house.alarms.ticks == 3
    assert all(messages.decode(row.message) == messages.Tick() for row in rows)


async def test_a_customer_whose_programme_raises_lives_on_once_it_is_mended(clock, store):
    house = House(store, clock, Rules(shop(), of=(raising(hours(2)),)))
    await house.register("ana")
    clock.at = Instant(START + 2 * HOUR)
    await _word(house, messages.Tick())
    clock.at = Instant(clock.at + MINUTE)
    # The step is due, so the event's turn raises as well, until a release mends the programme.
    assert await house.tell("ana", added()) == ["poisoned"]
    mended = house.restarted(Rules(shop()))
    assert await mended.tell("ana", added()) == ["taken"]


# Held.


async def _broken(house, user="ana"):
    """A customer of three turns, the second of which is lost."""
    await house.tell(user, added(), added(), added())
    del house.store._journal[user][1]
    await house.store.commit(Commit(alarms=[AlarmRow(user, START)]))


async def test_a_customer_whose_past_is_not_whole_is_held_and_the_others_are_not_touched(
    house, clock
):
    await _broken(house)
    after = house.restarted()
    outcomes = after.offer(
        after.message("ana", added(), "late-1"), after.message("bob", added(), "late-2")
    )
    await after.system.round()
    assert outcomes == ["held", "taken"]
    [row] = await house.store.holds()
    assert (row.customer_id, "are missing" in row.reason) == ("ana", True)
    assert len(house.rows("ana")) == 2


async def test_what_was_refused_while_held_is_taken_after_the_release(house, clock):
    await _broken(house)
    lost = house.store._journal["ana"]
    after = house.restarted()
    message = after.message("ana", added("cup"), "again")
    refused = after.offer(message)
    await after.system.round()
    # An operator mends the past and releases.
    whole = House(MemoryStore(clock.now), clock)
    await whole.tell("ana", added(), added(), added())
    lost[:] = whole.rows("ana")
    assert await house.store.release("ana")
    later = house.restarted()
    taken = later.offer(message)
    await later.system.round()
    assert (refused, taken) == (["held"], ["taken"])


async def test_a_held_customer_neither_rings_nor_reports_for_ever(autojump_clock):
    clock = TrioClock(START)
    house = House(MemoryStore(clock.now), clock)
    await house.register("ana")
    await _broken(house)
    [mail] = house.outbox()
    mail.finish("accepted", "250 fine", START)
    after = house.restarted()
    async with after.lives():
        await trio.sleep(3_600)
    assert after.alarms.ticks == 1
    assert await house.store.unreported(10) == []
    assert await house.store.next_alarm() is None
    assert after.system.meter.commits.count <= 2


async def test_a_journal_that_cannot_be_decoded_holds_its_customer(house, clock):
    await house.tell("ana", added())
    [row] = house.rows("ana")
    house.rows("ana")[0] = msgspec.structs.replace(row, facts=b"\xc1")
    after = house.restarted()
    assert await after.tell("ana", added()) == ["held"]


# Snapshots.


async def _long_life(house, turns):
    """Each turn makes two facts."""
    for n in range(turns):
        await house.tell("ana", added(f"p{n % 5}"))


async def test_a_snapshot_is_written_every_64_facts_and_two_are_kept(house):
    written = [0]
    for _ in range(140):
        before = house.system._slots["ana"].state.seq if house.rows("ana") else 0
        await _long_life(house, 1)
        snapshots = [row.seq for row in house.store._snapshots.get("ana", [])]
        if snapshots and snapshots[0] != written[-1]:
            # The turn that makes the 64th fact after the last snapshot writes the next one.
            assert before - written[-1] < 64 <= snapshots[0] - written[-1]
            written.append(snapshots[0])
        assert snapshots == written[:0:-1][:2]
    assert len(written) == 5


def _spoil(house, place):
    rows = house.store._snapshots["ana"]
    rows[place] = msgspec.structs.replace(rows[place], state=b"\xc1" + rows[place].state[1:])


@pytest.mark.parametrize(("spoilt", "fallbacks"), [((), 0), ((0,), 1), ((0, 1), 2)])
async def test_an_unreadable_snapshot_falls_back_to_the_older_one_and_then_to_all_facts(
    house, clock, spoilt, fallbacks
):
    await _long_life(house, 100)
    before = house.state("ana")
    for place in spoilt:
        _spoil(house, place)
    after = house.restarted()
    assert await after.tell("ana", events.CartEmptied(cart_id="c")) == ["taken"]
    assert after.system.fallbacks == fallbacks
    first = after.rows("ana")[-1]
    assert first.seq == before.seq
    fresh = house.restarted()
    await fresh.system._load({"ana"})
    assert fresh.state("ana") == after.state("ana")


async def test_snapshots_of_another_schema_are_passed_over(house, clock):
    await _long_life(house, 70)
    before = house.state("ana")
    rows = house.store._snapshots["ana"]
    rows[:] = [msgspec.structs.replace(row, schema=row.schema + 1) for row in rows]
    after = house.restarted()
    await after.system._load({"ana"})
    assert after.state("ana") == before


# Repeats.


async def test_a_message_is_applied_once_within_a_batch_across_batches_and_after_a_restart(
    house, clock
):
    message = house.message("ana", added(quantity=1))
    outcomes = house.offer(message, message)
    await house.system.round()
    outcomes += await _again(house, message)
    outcomes += await _again(house.restarted(), message)
    assert outcomes == ["taken", "repeated", "repeated", "repeated"]
    assert house.told("ana") == ["m1"]
    assert house.state("ana").cart.lines[0].quantity == 1


async def _again(house, message):
    outcomes = house.offer(message)
    await house.system.round()
    return outcomes


async def test_two_customers_may_use_the_same_message_id(house):
    outcomes = house.offer(house.message("ana", added(), "1"), house.message("bob", added(), "1"))
    await house.system.round()
    assert outcomes == ["taken", "taken"]


async def test_a_repeat_costs_no_commit(house):
    message = house.message("ana", added())
    await _again(house, message)
    commits = house.system.meter.commits.count
    assert await _again(house, message) == ["repeated"]
    assert house.system.meter.commits.count == commits


# Batches and order.


async def test_what_waits_together_is_committed_together(house):
    people = [f"c{n % 50}" for n in range(250)]
    outcomes = house.offer(*(house.message(user, added()) for user in people))
    await house.exhaust()
    assert outcomes == ["taken"] * 250
    assert house.system.meter.commits.count == 1


async def test_a_customers_messages_are_taken_in_the_order_of_their_arrival(house):
    people = ["ana", "bob", "eve"]
    sent = [house.message(people[n * n % 3], added(f"p{n}")) for n in range(600)]
    house.offer(*sent)
    await house.exhaust()
    for user in people:
        assert house.told(user) == [m.message_id for m in sent if m.user_id == user]


async def test_a_noisy_customer_fills_its_own_share_and_nobody_elses(house):
    outcomes = house.offer(*(house.message("ana", added()) for _ in range(SHARE)))
    with pytest.raises(Busy) as busy:
        house.offer(house.message("ana", added()))
    assert busy.value.retry_after >= 100
    assert house.offer(house.message("bob", added())) == []
    assert house.system.intake.refused == 1
    await house.exhaust()
    assert outcomes == ["taken"] * SHARE
    assert await house.tell("ana", added()) == ["taken"]


# Passivation.


async def test_the_least_recently_used_are_forgotten_beyond_the_limit(house, monkeypatch):
    monkeypatch.setattr(turn_loop, "ACTIVE_LIMIT", 2)
    for user in ("ana", "bob", "ana", "eve"):
        await house.tell(user, added())
    assert list(house.system._slots) == ["ana", "eve"]
    assert await house.tell("bob", added()) == ["taken"]
    assert house.state("bob").cart.lines[0].quantity == 2


async def test_who_was_not_heard_of_for_ten_minutes_is_forgotten(house, clock):
    await house.tell("ana", added())
    clock.at = Instant(START + 10 * MINUTE - 1)
    await house.tell("bob", added())
    assert list(house.system._slots) == ["ana", "bob"]
    clock.at = Instant(START + 10 * MINUTE)
    await house.tell("bob", added())
    assert list(house.system._slots) == ["bob"]


async def test_who_was_forgotten_comes_back_the_same(house, monkeypatch):
    await house.register("ana")
    await _long_life(house, 12)
    before = house.state("ana")
    monkeypatch.setattr(turn_loop, "ACTIVE_LIMIT", 1)
    # The first round forgets ana, the commit of the second keeps her snapshot.
    await house.tell("bob", added(), added())
    assert [row.seq for row in house.store._snapshots["ana"]] == [before.seq]
    await house.system._load({"ana"})
    assert house.state("ana") == before
    assert house.system._slots["ana"].alarm == house.store._alarms["ana"]


async def test_a_snapshot_of_the_forgotten_survives_a_failed_commit(house, monkeypatch):
    await _long_life(house, 12)
    monkeypatch.setattr(turn_loop, "ACTIVE_LIMIT", 1)
    await house.tell("bob", added())
    house.store.fail_next(1)
    assert await house.tell("bob", added()) == ["unknown"]
    assert "ana" not in house.store._snapshots
    await house.tell("bob", added())
    assert len(house.store._snapshots["ana"]) == 1


async def test_a_clean_stop_takes_what_waits_and_leaves_snapshots(house, clock):
    await _long_life(house, 12)
    outcomes = house.offer(*(house.message("ana", added(f"q{n}")) for n in range(300)))
    house.system.bell.stop()
    await house.system.run()
    assert outcomes == ["taken"] * 300
    assert house.store._snapshots["ana"][0].seq == house.state("ana").seq
    after = house.restarted()
    await after.system._load({"ana"})
    assert after.state("ana") == house.state("ana")


# Words between customers.


async def _recognised(house):
    """A visitor's cart, and then the visitor says who she is."""
    outcomes = house.offer(
        envelope.Message(
            kind="track",
            message_id="v1",
            event_name="Product Added",
            event=added(),
            timestamp=house.clock.now(),
            anonymous_id="v",
        )
    )
    await house.system.round()
    return outcomes + await house.identify("ana", anonymous_id="v")


async def test_a_visitors_life_is_inherited_by_the_person(house):
    assert await _recognised(house) == ["taken", "taken"]
    await house.exhaust()
    assert house.state("visitor:v").bound_to == "ana"
    assert [line.product_id for line in house.state("ana").cart.lines] == ["tea"]
    assert await house.store.tells() == []


@pytest.mark.parametrize("rounds", [0, 1])
async def test_a_word_between_two_customers_survives_a_crash_between_their_turns(
    house, clock, rounds
):
    await _recognised(house)
    for _ in range(rounds):
        await house.system.round()
    assert len(await house.store.tells()) == 1
    after = house.restarted()
    after.system.bell.stop()
    await after.system.run()
    assert [line.product_id for line in after.state("ana").cart.lines] == ["tea"]
    assert await house.store.tells() == []
    once = [fact for fact in after.facts("ana") if isinstance(fact, facts.Inherited)]
    assert len(once) == 1


async def test_a_word_whose_turn_was_not_committed_is_said_again(house):
    await _recognised(house)
    house.store.fail_next(2)
    await house.exhaust()
    assert [line.product_id for line in house.state("ana").cart.lines] == ["tea"]
    assert await house.store.tells() == []


async def test_an_event_of_a_recognised_visitor_belongs_to_the_person(house):
    await _recognised(house)
    await house.exhaust()
    said = house.offer(msgspec.structs.replace(house.message(None, added("cup")), anonymous_id="v"))
    await house.system.round()
    assert said == ["taken"]
    assert [line.product_id for line in house.state("ana").cart.lines] == ["tea", "cup"]


# Time and catalogue.


async def test_a_clock_that_goes_back_moves_no_customer_back(house, clock):
    await house.tell("ana", added())
    clock.at = Instant(START - HOUR)
    await house.tell("ana", added())
    await house.tell("bob", added())
    assert [row.at for row in house.rows("ana")] == [START, START]
    assert house.state("bob").now == START - HOUR
    clock.at = Instant(START + 1)
    await house.tell("ana", added())
    assert house.state("ana").now == START + 1


async def test_a_bare_product_id_is_completed_from_the_catalogue(house, clock):
    await house.tell(
        None,
        events.ProductUpserted(product_id="tea", name="Thé noir", price=12.5, currency="EUR"),
    )
    await house.tell("ana", events.ProductAdded(product_id="tea"))
    [line] = house.state("ana").cart.lines
    assert (line.name, line.price) == ("Thé noir", 1250)
    # The turn keeps what it was decided on, so the past does not change with the catalogue.
    after = house.restarted()
    await after.system._load({"ana"})
    assert after.state("ana") == house.state("ana")


async def _word(house, word, user="ana"):
    house.system.intake.put(turn_loop.Item(user, word, lambda _: None))
    await house.system.round()


async def test_an_event_behind_the_bind_of_its_visitor_belongs_to_the_person(house):
    bind = Item("visitor:v1", messages.Bind("ana"), lambda _: None, row_id="t1")
    house.system.intake.put(bind)
    house.offer(house.message(None, added("cup"), anonymous_id="v1"))
    await house.system.round()
    assert [line.product_id for line in house.state("ana").cart.lines] == ["cup"]
    assert house.state("visitor:v1").cart is None


# Secrets, and the end of a life.


def _code(house, code="314159"):
    expires = datetime.fromtimestamp((START + 10 * MINUTE) / 1_000, UTC)
    return house.message("ana", events.VerificationCodeRequested(code=code, expires_at=expires))


async def test_a_secret_is_in_the_queue_until_the_mail_is_settled_and_nowhere_else(house):
    await house.identify("ana")
    house.offer(_code(house))
    await house.system.round()
    [queued] = house.outbox()
    wanted, kept = mail.decode(queued.row.mail), mail.decode(queued.row.kept)
    assert (wanted.kind, wanted.values.code.code, kept.values.code.code) == (
        "k29",
        "314159",
        events.HIDDEN,
    )
    assert await house.store.mail(wanted.mail_id) == queued.row.kept
    await house.store.settle(START, [Settled(wanted.mail_id, "accepted")])
    [queued] = house.outbox()
    assert mail.decode(queued.row.mail) == kept
    await _word(house, messages.Report(wanted.mail_id, "accepted"))
    for row in house.rows("ana"):
        assert b"314159" not in row.message + row.facts


async def test_a_secret_whose_turn_raises_is_not_in_the_quarantine(clock, store):
    house = House(store, clock, Rules(shop(), of=(raising(hours(2)),)))
    await house.register("ana")
    clock.at = Instant(START + 2 * HOUR)
    outcomes = house.offer(_code(house))
    await house.system.round()
    assert outcomes == ["poisoned"]
    [row] = await house.store.quarantined(10)
    assert "314159" not in row.traceback
    assert b"314159" not in row.message


async def _farewell(house):
    """The account is deleted, and the mail that says so is out; its id."""
    await house.register("ana")
    await house.tell("ana", events.OrderCompleted(order_id="o1", total=10, products=(TEA,)))
    await house.tell("ana", events.AccountDeleted())
    for queued in house.outbox():
        if queued.row.kind != "k31":
            await _word(house, messages.Report(queued.row.mail_id, "accepted"))
    [last] = [queued for queued in house.outbox() if queued.row.kind == "k31"]
    return last.row.mail_id


async def _traces(house, user):
    """In which of the store's tables there is something of a customer."""
    store = house.store
    bought = await store.owners(["tea"], "", 10)
    buyers = [row.customer_id for row in await store.buyers("", 10)]
    found = {
        "journal": user in store._journal,
        "snapshots": user in store._snapshots,
        "alarms": user in store._alarms,
        "outbox": any(queued.row.customer_id == user for queued in house.outbox()),
        "bought": user in bought,
        "buyers": user in buyers,
        "tells": any(row.customer_id == user for row in await store.tells()),
    }
    return {name for name, there in found.items() if there}


async def test_an_erased_customer_leaves_no_slot_and_no_rows(house):
    mail_id = await _farewell(house)
    assert {"journal", "outbox", "bought", "buyers"} <= await _traces(house, "ana")
    await _word(house, messages.Report(mail_id, "accepted"))
    assert await _traces(house, "ana") == set()
    assert "ana" not in house.system._slots


async def test_the_visitors_somebody_was_are_erased_with_them(house):
    await _recognised(house)
    await house.exhaust()
    await house.tell("ana", added())
    await farewell(house, "ana")
    assert await _traces(house, "ana") == await _traces(house, "visitor:v") == set()
    assert list(house.system._slots) == []


async def test_who_was_erased_comes_back_as_somebody_new(house):
    mail_id = await _farewell(house)
    await _word(house, messages.Report(mail_id, "accepted"))
    await house.register("ana")
    new = house.state("ana")
    assert (new.signed_up, new.closed_at, new.orders, new.purchases.count) == (True, None, {}, 0)
    assert [queued.row.kind for queued in house.outbox()] == ["k01"]
    after = house.restarted()
    await after.system._load({"ana"})
    assert after.state("ana") == new


async def test_what_comes_right_behind_an_erasure_begins_a_new_life_and_is_not_lost(house):
    mail_id = await _farewell(house)
    report = messages.Report(mail_id, "accepted")
    house.system.intake.put(Item("ana", report, lambda _: None))
    outcomes = house.offer(house.message("ana", added()), house.message("bob", added()))
    await house.exhaust()
    assert outcomes == ["taken", "taken"]
    assert [line.product_id for line in house.state("ana").cart.lines] == ["tea"]
    assert house.state("ana").purchases.count == 0
    after = house.restarted()
    await after.system._load({"ana", "bob"})
    assert (after.state("ana"), after.state("bob")) == (house.state("ana"), house.state("bob"))


async def test_an_erasure_whose_commit_failed_is_done_by_the_next_one(house):
    mail_id = await _farewell(house)
    house.store.fail_next(1)
    report = messages.Report(mail_id, "accepted")
    await _word(house, report)
    assert "journal" in await _traces(house, "ana")
    await _word(house, report)
    assert await _traces(house, "ana") == set()


# Broadcasts.


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"template": "news", "segment": "orders.cnt > 1"}, "$.properties.segment"),
        ({"template": "nwes"}, "$.properties.template"),
    ],
)
async def test_a_campaign_that_makes_no_sense_is_rejected_over_the_gateway(
    autojump_clock, tmp_path, properties, path
):
    async with open_world(tmp_path, autojump_clock) as world:
        back_end = await world.shop()
        campaign = {"type": "track", "anonymousId": "editor", "event": "Campaign Launched"}
        bad, good = (
            {**campaign, "messageId": name, "properties": {"campaign_id": name, **said}}
            for name, said in (("bad", properties), ("good", {"template": "news"}))
        )
        [refused] = await back_end.client.send([bad, good])
        assert (refused.message_id, refused.code, refused.path) == ("bad", "invalid", path)
        assert [row.broadcast_id for row in await world.service.store.broadcasts()] == [
            "campaign/good"
        ]
