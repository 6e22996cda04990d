"""Trouble on the way (delivery §1.3, §1.4): servers that rest, refuse us, or are slow; warm-up."""

from __future__ import annotations

from datetime import date

import pytest
import trio

from actors.transports.port import Handed
from ecrm.delivery.limiter import limit
from ecrm.delivery.warmup import WarmUp
from ecrm.moment import HOUR, MINUTE, SECOND, Instant, seconds
from tests.actors.house import START, a_mail
from tests.actors.offices import Office

CART = {"programme": "cart", "step": "reminder", "kind": "k07"}


def said(stage, code, text="", verdict="retry", **more):
    enhanced = text.partition(" ")[0] if text[1:2] == "." else ""
    return Handed("", verdict, f"{code} {text}", stage, code, enhanced, **more)


def times_of(office, mail_id):
    return [at for one, at in office.post.handed if one == mail_id]


@pytest.fixture
def office(autojump_clock):
    return Office()


async def test_a_server_that_cannot_be_reached_costs_no_mail_an_attempt(autojump_clock, office):
    office.post.verdicts["m1"] = [said("connect", 0, "connection refused")] * 3
    await office.queue(a_mail("m1"))
    await office.works(10 * MINUTE)
    first, second, third, fourth = times_of(office, "m1")
    assert 30 * SECOND <= second - first <= 33 * SECOND
    assert 60 * SECOND <= third - second <= 66 * SECOND
    assert 120 * SECOND <= fourth - third <= 132 * SECOND
    assert office.store._outbox["m1"].attempts == 1


async def test_while_a_server_rests_nothing_is_tried_there(autojump_clock, office):
    office.post.verdicts["m1"] = [said("banner", 421, "4.3.2 closing")]
    await office.queue(a_mail("m1"))
    async with office.open():
        await trio.sleep(5)
        await office.queue(a_mail("m2", lane=0, at=Instant(START + 5_000)))
        await trio.sleep(60)
        await office.clock.settled()
    assert min(times_of(office, "m2")) >= 30 * SECOND
    assert office.states() == {"m1": "accepted", "m2": "accepted"}


async def test_one_domain_that_closes_the_door_holds_up_no_other(autojump_clock, office):
    office.post.verdicts["m1"] = [said("rcpt", 421, "4.3.2 closing")]
    await office.queue(
        a_mail("m1", to="a@slow.example"),
        a_mail("m2", to="b@slow.example", lane=2),
        a_mail("m3", to="c@quick.example", lane=2),
    )
    office.post.lot = 1
    await office.works(SECOND)
    assert [mail_id for mail_id, _ in office.post.handed] == ["m1", "m3"]


async def test_who_refuses_us_is_left_alone_and_tried_with_one_mail_first(autojump_clock, office):
    office.post.lot = 1
    office.post.verdicts["m0"] = [said("auth", 535, "5.7.8 bad credentials")]
    await office.queue(*(a_mail(f"m{n}", at=Instant(START - 9 + n)) for n in range(4)))
    await office.works(30 * SECOND)
    assert len(office.post.handed) == 1
    assert office.delivery.gate.breaker.why.startswith("535")
    await office.works(2 * MINUTE)
    assert set(office.states().values()) == {"accepted"}
    assert not office.delivery.gate.breaker.probing
    assert {row.attempts for row in office.store._outbox.values()} == {1}


async def test_no_mail_is_given_up_while_we_are_refused(autojump_clock, office):
    office.post.verdicts["m1"] = [said("auth", 535, "5.7.8 bad credentials")] * 40
    await office.queue(a_mail("m1"))
    await office.works(8 * HOUR)
    assert office.states() == {"m1": "queued"}
    assert office.store._outbox["m1"].attempts == 0
    # A minute, two, four, eight, then every quarter of an hour.
    assert len(office.post.handed) == 4 + 31 + 1


async def test_a_mailbox_that_is_not_there_is_dead_and_said_to_be_hard(autojump_clock, office):
    office.post.verdicts["m1"] = [said("rcpt", 550, "5.1.1 no such user", "refused")]
    await office.queue(a_mail("m1"))
    await office.works()
    (report,) = await office.store.unreported(10)
    assert (report.state, report.bounce) == ("dead", "hard")


async def test_a_block_says_nothing_against_the_recipient(autojump_clock, office):
    office.post.verdicts["m1"] = [said("dot", 550, "5.7.1 blocked by spamhaus", "refused")]
    await office.queue(a_mail("m1"))
    await office.works()
    (report,) = await office.store.unreported(10)
    assert (report.state, report.bounce) == ("dead", "block")


async def test_a_full_mailbox_gets_three_tries_in_a_day(autojump_clock, office):
    office.post.verdicts["m1"] = [said("rcpt", 452, "4.2.2 mailbox full")] * 9
    await office.queue(a_mail("m1"))
    await office.works(30 * HOUR)
    assert times_of(office, "m1") == [0, 8 * HOUR, 24 * HOUR]
    assert office.states() == {"m1": "dead"}


async def test_a_provider_that_names_a_time_is_given_it(autojump_clock, office):
    office.post.verdicts["m1"] = [said("http", 429, "slow down", retry_after=seconds(120))]
    await office.queue(a_mail("m1"))
    async with office.open():
        await trio.sleep(1)
        await office.queue(a_mail("m2", at=Instant(START + 1_000)))
        await trio.sleep(200)
        await office.clock.settled()
    assert times_of(office, "m1") == [0, 120 * SECOND]
    assert times_of(office, "m2") == [120 * SECOND]


async def test_a_slow_server_does_not_hold_up_a_code(autojump_clock):
    office = Office(lines=2, lot=4)
    office.post.takes = 300.0
    await office.queue(*(a_mail(f"n{n}", lane=3, **CART) for n in range(20)))
    async with office.open():
        await trio.sleep(10)
        office.post.takes = 0.0
        await office.queue(a_mail("code", lane=0, at=Instant(START + 10_000)))
        await trio.sleep(1)
    assert times_of(office, "code") == [10 * SECOND]


async def test_no_more_mails_are_on_their_way_to_a_destination_than_it_takes(autojump_clock):
    office = Office(lines=4, lot=1, connections={"orange": 1})
    office.post.takes = 1.0
    mails = [a_mail(f"m{n}", to=f"a{n}@wanadoo.fr") for n in range(3)]
    await office.queue(*mails, a_mail("other", to="b@quick.example"))
    await office.works(5 * SECOND)
    assert sorted(at for one, at in office.post.handed if one != "other") == [1_000, 2_000, 3_000]
    assert times_of(office, "other") == [1_000]


async def test_a_limit_for_a_provider_counts_for_all_of_its_domains(autojump_clock):
    office = Office(per_domain={"orange": limit(1)})
    domains = ("orange.fr", "wanadoo.fr", "orange.fr")
    await office.queue(*(a_mail(f"m{n}", to=f"a@{one}") for n, one in enumerate(domains)))
    await office.works(10 * SECOND)
    assert sorted(office.times()) == [0, SECOND, 2 * SECOND]


async def test_a_new_sender_writes_to_few_people_on_its_first_day(autojump_clock):
    office = Office(warm_up=WarmUp(date(2026, 3, 2), first=2, factor=2.0))
    marketing = [a_mail(f"n{n}", lane=2, **CART) for n in range(4)]
    await office.queue(*marketing, a_mail("owed"))
    await office.works(HOUR)
    assert sorted(state for state in office.states().values()) == ["accepted"] * 3 + ["queued"] * 2
    assert office.states()["owed"] == "accepted"
    await office.works(24 * HOUR)
    assert set(office.states().values()) == {"accepted"}


async def test_the_day_of_a_warm_up_is_not_begun_anew_by_a_restart(autojump_clock):
    warm_up = WarmUp(date(2026, 3, 2), first=2, factor=2.0)
    office = Office(warm_up=warm_up)
    await office.queue(*(a_mail(f"n{n}", lane=2, **CART) for n in range(4)))
    async with office.open():
        await trio.sleep(60)
        office.delivery.bell.stop()
        await trio.sleep(1)
    after = office.next(warm_up=warm_up)
    await after.works(HOUR)
    assert sorted(after.states().values()) == ["accepted"] * 2 + ["queued"] * 2
