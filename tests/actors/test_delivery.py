"""The queue's contract (delivery §1.2 to §1.5): who goes first, how fast, how often, and never twice.

On the virtual clock, over the store in memory and a post office that says what it is told to.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import structlog.testing
import trio

from actors.clock import TrioClock
from actors.outside import open_outside
from actors.store.memory import MemoryStore
from actors.transports.maildir import Maildir
from actors.transports.port import Handed, Letter
from ecrm.delivery.limiter import Limit, limit
from ecrm.moment import DAY, HOUR, MINUTE, SECOND, Instant, seconds
from proto import envelope, events
from tests.actors.house import START, House, a_mail
from tests.actors.offices import Office, Post


@pytest.fixture
def office(autojump_clock):
    return Office()


# Order and rate.


async def test_the_lanes_go_in_their_order_and_within_a_lane_the_oldest_first(
    autojump_clock, office
):
    lanes = (3, 1, 2, 0, 1, 3, 0, 2)
    mails = [a_mail(f"m{n}", lane=lane, at=Instant(START - n)) for n, lane in enumerate(lanes)]
    await office.queue(*mails)
    await office.works()
    ordered = sorted(mails, key=lambda mail: (mail.lane, mail.at))
    assert [mail_id for mail_id, _ in office.post.handed] == [mail.mail_id for mail in ordered]
    assert set(office.states().values()) == {"accepted"}
    assert office.delivery.sent == 8


async def test_the_rate_is_exact(autojump_clock):
    office = Office(rate=limit(2))
    await office.queue(*(a_mail(f"m{n}") for n in range(8)))
    await office.works(10 * SECOND)
    # A burst of one second's worth, then one every half a second.
    assert office.times() == [0, 0, 500, 1_000, 1_500, 2_000, 2_500, 3_000]


async def test_marketing_leaves_a_part_of_the_rate_to_what_is_owed(autojump_clock):
    office = Office(rate=limit(5))
    await office.queue(*(a_mail(f"m{n}", lane=2) for n in range(10)))
    async with office.open():
        await trio.sleep(0.1)
        await office.queue(a_mail("code", lane=0))
        await trio.sleep(9.9)
    marketing = [at for mail_id, at in office.post.handed if mail_id != "code"]
    assert ("code", 100) in office.post.handed
    # Four of the burst of five at once; the code has taken a place of the next second.
    assert marketing == [0, 0, 0, 0, 400, 600, 800, 1_000, 1_200, 1_400]


async def test_no_burst_of_owed_mails_lets_marketing_exceed_the_rate(autojump_clock):
    office = Office(rate=limit(2))
    owed = [a_mail(f"owed{n}") for n in range(2)]
    await office.queue(*owed, *(a_mail(f"m{n}", lane=3) for n in range(2)))
    await office.works(10 * SECOND)
    assert office.post.handed == [("owed0", 0), ("owed1", 0), ("m0", 1_000), ("m1", 1_500)]


async def test_a_domain_that_is_full_holds_up_no_other(autojump_clock):
    office = Office(per_domain={"slow.example": limit(1)})
    slow = [a_mail(f"s{n}", to=f"c{n}@slow.example") for n in range(4)]
    fast = [a_mail(f"f{n}", to=f"c{n}@fast.example", lane=3) for n in range(4)]
    await office.queue(*slow, *fast)
    async with office.open():
        await trio.sleep(1.5)
        await office.queue(a_mail("late", to="c@fast.example"))
        await trio.sleep(10)
    times = dict(office.post.handed)
    assert [times[mail.mail_id] for mail in fast] == [0] * 4
    assert times["late"] == 1_500
    assert sorted(times[mail.mail_id] for mail in slow) == [0, 1_000, 2_000, 3_000]
    # Waiting for a place is no attempt.
    assert {row.attempts for row in office.store._outbox.values()} == {1}


async def test_what_comes_for_a_full_domain_waits_for_it_asleep(autojump_clock):
    office = Office(per_domain={"slow.example": limit(0.1)})
    async with office.open():
        await office.queue(a_mail("first", to="a@slow.example"))
        await trio.sleep(1)
        await office.queue(a_mail("second", to="b@slow.example"))
        await office.clock.settled()
        assert office.clock.now() == START + SECOND
        await trio.sleep(60)
    assert office.post.handed == [("first", 0), ("second", 10_000)]


async def test_a_mail_due_later_goes_then_and_not_before(autojump_clock, office):
    async with office.open():
        await office.queue(a_mail("later", at=Instant(START + HOUR)))
        await office.queue(a_mail("sooner", at=Instant(START + MINUTE)))
        await trio.sleep(86_400)
    assert office.post.handed == [("sooner", MINUTE), ("later", HOUR)]


# Cancelled and expired.


async def test_a_mail_cancelled_in_the_queue_is_not_handed_over(autojump_clock, office):
    await office.queue(a_mail("m1"), a_mail("m2"))
    await office.cancel("m1")
    await office.works()
    assert office.post.handed == [("m2", 0)]
    assert office.states() == {"m1": "cancelled", "m2": "accepted"}


async def test_a_mail_cancelled_after_it_was_claimed_or_built_is_not_handed_over(
    autojump_clock, office
):
    await office.queue(*(a_mail(f"m{n}") for n in range(4)))
    async with trio.open_nursery() as nursery:

        def cancel(wanted):
            if wanted.mail_id == "m1":
                # One that is built already, the one being built, and one only leased.
                nursery.start_soon(office.cancel, "m0", "m1", "m2")

        office.press.on_build = cancel
        await office.works()
        nursery.cancel_scope.cancel()
    assert office.post.handed == [("m3", 0)]
    assert office.states() == dict.fromkeys(("m0", "m1", "m2"), "cancelled") | {"m3": "accepted"}
    # Their customers hear of it.
    assert {row.mail_id for row in await office.store.unreported(9)} == {"m0", "m1", "m2", "m3"}


async def test_a_mail_that_is_on_its_way_cannot_be_cancelled(autojump_clock, office):
    office.post.takes = 2.0
    await office.queue(a_mail("m1"))
    async with office.open():
        await trio.sleep(1)
        await office.cancel("m1")
        await trio.sleep(2)
    assert office.states() == {"m1": "accepted"}


async def test_a_mail_is_not_handed_over_after_the_last_instant_it_makes_sense(
    autojump_clock, office
):
    await office.queue(
        a_mail("too-late", not_after=Instant(START - 1)), a_mail("in-time", not_after=START)
    )
    await office.works()
    assert office.post.handed == [("in-time", 0)]
    assert office.states() == {"too-late": "expired", "in-time": "accepted"}


# Retries.

WAITS = {
    0: (5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, MINUTE),
    1: (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 4 * HOUR),
    2: (20 * MINUTE, 40 * MINUTE, 80 * MINUTE, 160 * MINUTE, 4 * HOUR, 4 * HOUR),
}


@pytest.mark.parametrize("lane", sorted(WAITS))
async def test_a_mail_not_taken_is_tried_again_by_the_table_until_it_makes_no_sense(
    autojump_clock, office, lane
):
    waits = WAITS[lane]
    until = Instant(START + int(sum(waits) * 1.1))
    office.post.verdicts["m1"] = ["retry"] * 20
    await office.queue(a_mail("m1", lane=lane, not_after=until))
    await office.works(3 * DAY)
    times = office.times()
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) >= len(waits) - 1
    # The jitter is a tenth.
    assert all(w <= gap <= w * 1.1 for w, gap in zip(waits, gaps, strict=False))
    assert max(times) + START <= until
    assert office.states() == {"m1": "expired"}
    [row] = await office.store.queue_rows(None, None, 9)
    assert (row.attempts, row.response) == (len(times), "it is retry")


async def test_a_mail_is_stored_before_it_is_handed_over_and_every_try_has_the_same_bytes(
    autojump_clock, office
):
    office.post.verdicts["m1"] = ["retry", "in_doubt", "retry"]
    await office.queue(a_mail("m1"))
    await office.works(DAY)
    body = b"m1, edition 1"
    assert office.post.bodies == [body] * 4
    assert office.post.stored == [("submitting", body)] * 4
    # What is settled keeps no body.
    assert office.store._outbox["m1"].body is None
    assert office.states() == {"m1": "accepted"}


@pytest.mark.parametrize(
    ("verdict", "lane", "state", "tries"),
    [
        ("refused", 0, "dead", 1),
        ("refused", 3, "dead", 1),
        ("in_doubt", 0, "accepted", 2),
        ("in_doubt", 1, "accepted", 2),
        ("in_doubt", 2, "accepted_unknown", 1),
        ("in_doubt", 3, "accepted_unknown", 1),
        ("retry", 3, "accepted", 2),
    ],
)
async def test_what_a_verdict_means_depends_on_the_lane(
    autojump_clock, office, verdict, lane, state, tries
):
    office.post.verdicts["m1"] = [verdict]
    await office.queue(a_mail("m1", lane=lane))
    await office.works(DAY)
    assert (office.states(), len(office.post.handed)) == ({"m1": state}, tries)


@pytest.mark.parametrize("lane", [2, 3])
async def test_marketing_in_doubt_is_repeated_while_its_key_is_known_and_never_after(
    autojump_clock, office, lane
):
    office.post.repeatable = 15 * MINUTE
    office.post.verdicts["m1"] = ["in_doubt"] * 9
    office.post.verdicts["m2"] = ["in_doubt"]
    await office.queue(a_mail("m1", lane=lane), a_mail("m2", lane=lane))
    await office.works(DAY)
    assert office.states() == {"m1": "accepted_unknown", "m2": "accepted"}
    times = [at for mail_id, at in office.post.handed if mail_id == "m1"]
    # After a minute and after five more; another quarter of an hour would be past the key.
    assert [at // MINUTE for at in times] == [0, 1, 6]
    assert set(office.post.bodies) == {b"m1, edition 1", b"m2, edition 2"}


async def test_a_key_is_not_outlived_by_waiting_for_anything_else(autojump_clock, office):
    refused = Handed("", "retry", "429 later", "http", 429, "", retry_after=seconds(600))
    office.post.repeatable = 15 * MINUTE
    office.post.verdicts["m1"] = ["in_doubt", refused, refused]
    await office.queue(a_mail("m1", lane=2))
    await office.works(DAY)
    assert office.states() == {"m1": "accepted_unknown"}
    assert max(office.times()) <= 15 * MINUTE


async def test_a_mail_that_may_have_been_taken_is_not_said_to_be_expired(autojump_clock, office):
    office.post.repeatable = DAY
    office.post.verdicts["m1"] = ["in_doubt"] * 9
    await office.queue(a_mail("m1", lane=2, not_after=Instant(START + 5 * MINUTE)))
    await office.works(DAY)
    assert office.states() == {"m1": "accepted_unknown"}
    assert max(office.times()) <= 5 * MINUTE


@pytest.mark.parametrize(
    ("asleep", "state", "tries"), [(10 * MINUTE, "accepted", 1), (HOUR, "accepted_unknown", 0)]
)
async def test_after_a_crash_marketing_is_repeated_while_its_key_is_known(
    autojump_clock, asleep, state, tries
):
    office = Office(remembers=False)
    office.post.repeatable = 15 * MINUTE
    await _interrupted(office, [a_mail("m1", lane=2)], submitted=True)
    await trio.sleep(asleep / 1_000)
    await office.works()
    assert (len(office.post.handed), office.states()) == (tries, {"m1": state})
    assert set(office.post.bodies) <= {b"as the former built it"}


async def test_a_mail_whose_template_fails_is_dead_and_said_aloud_and_the_others_go(
    autojump_clock, office
):
    await office.queue(a_mail("m1"), a_mail("m2", template="no/such"), a_mail("m3"))
    with structlog.testing.capture_logs() as logs:
        await office.works(DAY)
    assert office.post.handed == [("m1", 0), ("m3", 0)]
    assert office.states() == {"m1": "accepted", "m2": "dead", "m3": "accepted"}
    assert [
        (entry["log_level"], entry["mail"]) for entry in logs if entry["event"] == "mail_not_built"
    ] == [("error", "m2")]
    [dead] = await office.store.queue_rows("dead", None, 9)
    assert dead.response == "not built: mail/no/such: there is no such template"


# Another life.


async def _interrupted(office, mails, *, submitted):
    """A process that dies with these mails claimed, and with some of them half handed over."""
    await office.queue(*mails)
    await office.store.claim(START, "before", 99, (0, 1, 2, 3), frozenset())
    bodies = [(mail.mail_id, b"as the former built it") for mail in mails if submitted]
    await office.store.submitting(bodies, "before")


async def test_what_a_dead_process_had_claimed_is_delivered_by_the_next(autojump_clock, office):
    await _interrupted(office, [a_mail("m1"), a_mail("m2", lane=3)], submitted=False)
    await office.works()
    assert office.post.handed == [("m1", 0), ("m2", 0)]


async def test_what_a_dead_process_had_claimed_and_was_cancelled_meanwhile_is_not(
    autojump_clock, office
):
    await _interrupted(office, [a_mail("m1")], submitted=False)
    await office.cancel("m1")
    await office.works()
    assert (office.post.handed, office.states()) == ([], {"m1": "cancelled"})


@pytest.mark.parametrize("lane", [0, 1, 2, 3])
async def test_a_mail_that_the_transport_took_is_not_handed_over_again(
    autojump_clock, office, lane
):
    wanted = a_mail("m1", lane=lane)
    await _interrupted(office, [wanted], submitted=True)
    await office.post.send([Letter(wanted, b"as the former built it")])
    office.post.handed.clear()
    await office.works(DAY)
    assert (office.post.handed, office.states()) == ([], {"m1": "accepted"})
    assert [row.state for row in await office.store.unreported(9)] == ["accepted"]


@pytest.mark.parametrize("lane", [0, 1, 2, 3])
async def test_a_mail_that_the_transport_never_saw_is_handed_over_as_it_was_built(
    autojump_clock, office, lane
):
    await _interrupted(office, [a_mail("m1", lane=lane)], submitted=True)
    await office.works()
    assert office.post.bodies == [b"as the former built it"]
    assert (office.press.editions, office.states()) == (0, {"m1": "accepted"})


@pytest.mark.parametrize(
    ("lane", "state", "times"),
    [
        (0, "accepted", 1),
        (1, "accepted", 1),
        (2, "accepted_unknown", 0),
        (3, "accepted_unknown", 0),
    ],
)
async def test_where_nobody_can_tell_the_lane_decides(autojump_clock, lane, state, times):
    office = Office(remembers=False)
    await _interrupted(office, [a_mail("m1", lane=lane)], submitted=True)
    await office.works(DAY)
    assert (len(office.post.handed), office.states()) == (times, {"m1": state})


async def test_a_crash_gives_no_second_burst(autojump_clock):
    rate = Limit(per_second=1, burst=5)
    office = Office(rate=rate)
    await office.queue(*(a_mail(f"m{n}") for n in range(10)))
    await office.works()
    after = office.next(rate=rate)
    await after.works(30 * SECOND)
    assert office.times() + after.times() == [0] * 5 + [1_000, 2_000, 3_000, 4_000, 5_000]


async def test_a_clean_stop_gives_no_second_burst(autojump_clock):
    office = Office(rate=limit(2), per_domain={"slow.example": limit(0.5)})
    mails = [a_mail(f"m{n}") for n in range(3)]
    await office.queue(*mails, a_mail("s1", to="a@slow.example"), a_mail("s2", to="b@slow.example"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(office.delivery.run)
        await office.clock.settled()
        office.delivery.bell.stop()
    after = office.next(rate=limit(2), per_domain={"slow.example": limit(0.5)})
    await after.works(30 * SECOND)
    assert office.times() == [0, 0]
    assert after.post.handed == [("m2", 500), ("s1", 1_000), ("s2", 3_000)]


async def test_a_stop_finishes_what_is_in_hand_and_claims_nothing_more(autojump_clock, office):
    office.post.takes = 5.0
    await office.queue(*(a_mail(f"m{n}") for n in range(100)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(office.delivery.run)
        await trio.sleep(1)
        office.delivery.bell.stop()
    assert office.clock.now() == START + 5 * SECOND
    states = list(office.states().values())
    assert (states.count("accepted"), states.count("queued")) == (64, 36)


# With customers.


async def test_what_became_of_a_mail_is_reported_to_its_customer(autojump_clock):
    clock = TrioClock(START)
    house = House(MemoryStore(clock.now), clock)
    office = Office(house.store, clock)
    office.delivery._reports = house.reports.bell
    house.system.delivery = office.delivery.bell
    async with house.lives(office.delivery):
        traits = envelope.Traits(email="ana@customers.example")
        house.offer(
            house.message("ana", traits, kind="identify", name=envelope.IDENTIFIED),
            house.message("ana", events.SignedUp()),
        )
        await clock.settled()
        assert clock.now() == START
        assert house.state("ana").waiting == {}
    assert [row.kind for row in await house.store.queue_rows("accepted", "ana", 9)] == ["k01"]
    assert await house.store.unreported(9) == []


# What every transport owes.


@asynccontextmanager
async def _post(_folder):
    yield Post(TrioClock(START), None)


@asynccontextmanager
async def _maildir(folder):
    async with open_outside() as outside:
        yield Maildir(folder, outside)


@pytest.mark.parametrize("opened", [_post, _maildir])
async def test_a_transport_answers_for_every_letter_and_knows_what_it_took(tmp_path, opened):
    mails = [a_mail(f"m{n}") for n in range(3)]
    letters = [Letter(mail, f"Subject: {mail.mail_id}\r\n\r\nbody\r\n".encode()) for mail in mails]
    async with opened(tmp_path / "mail") as transport:
        before = [await transport.took(mail) for mail in mails]
        handed = await transport.send(letters[:2])
        again = await transport.send(letters[1:2])
        after = [await transport.took(mail) for mail in mails]
        nothing = await transport.send([])
    assert before == [False, False, False]
    assert [(one.mail_id, one.verdict) for one in handed] == [
        ("m0", "accepted"),
        ("m1", "accepted"),
    ]
    assert [(one.mail_id, one.verdict) for one in again] == [("m1", "accepted")]
    assert after == [True, True, False]
    assert nothing == []
