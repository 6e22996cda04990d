"""How destinations rest, slow down and recover; the breaker; the warm-up (delivery §1.3, §1.4)."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.delivery.breaker import Breaker
from ecrm.delivery.destinations import (
    LONGEST_REST,
    Destinations,
    domains_of,
    names_of,
    slower,
    tightest,
)
from ecrm.delivery.limiter import Limit, limit
from ecrm.delivery.warmup import WarmUp, day_key
from ecrm.moment import DAY, MINUTE, SECOND, Duration, Instant, parse_instant

PARIS = ZoneInfo("Europe/Paris")
NOW = parse_instant("2026-03-02T09:00:00Z")


def after(span: int) -> Instant:
    return Instant(NOW + span)


def test_domains_of_one_receiver_share_its_name():
    assert names_of("googlemail.com") == ("googlemail.com", "gmail")
    assert names_of("boutique.example") == ("boutique.example",)
    assert domains_of("orange") == {"orange.fr", "wanadoo.fr"}
    assert domains_of("boutique.example") == {"boutique.example"}


def test_a_destination_that_cannot_be_reached_rests_twice_as_long_each_time():
    known = Destinations()
    rests = [known.down("a.example", NOW) - NOW for _ in range(8)]
    assert all(30 * SECOND * 2**n <= rest <= 33 * SECOND * 2**n for n, rest in enumerate(rests[:5]))
    assert all(LONGEST_REST <= rest <= LONGEST_REST * 1.1 for rest in rests[5:])


def test_two_destinations_do_not_come_back_together():
    known = Destinations()
    assert known.down("a.example", NOW) != known.down("b.example", NOW)


def test_a_destination_rests_until_its_instant_and_no_longer():
    known = Destinations()
    until = known.down("a.example", NOW)
    assert known.resting(NOW) == {"a.example"}
    assert known.next_change(NOW) == until
    assert known.resting(until) == frozenset()
    assert known.next_change(until) is None


def test_a_mail_that_was_taken_ends_the_row_of_failures():
    known = Destinations()
    first = known.down("a.example", NOW) - NOW
    known.down("a.example", NOW)
    known.well("a.example", after(DAY))
    assert known.health == {}
    assert known.down("a.example", after(DAY)) - after(DAY) == first


def test_who_asks_for_patience_is_written_to_at_half_the_pace_and_recovers():
    known = Destinations()
    known.slow("a.example", NOW)
    known.slow("a.example", NOW)
    assert known.pace("a.example", NOW) == 250
    assert known.pace("a.example", after(3 * MINUTE)) == 550
    assert known.pace("a.example", after(8 * MINUTE)) == 1_000
    assert known.slowed(NOW) == {"a.example"}
    assert known.pace("b.example", NOW) == 1_000


def test_the_rest_that_a_destination_asks_for_is_kept():
    known = Destinations()
    known.slow("a.example", NOW, Duration(20 * SECOND))
    assert known.resting(after(19_999)) == {"a.example"}
    assert known.resting(after(20_000)) == frozenset()


def test_success_while_slowed_keeps_the_slower_pace():
    known = Destinations()
    known.slow("a.example", NOW)
    known.well("a.example", NOW)
    assert known.pace("a.example", NOW) == 500


@given(
    st.lists(st.tuples(st.sampled_from(["down", "slow", "well"]), st.integers(0, DAY)), max_size=40)
)
def test_whatever_happens_a_destination_is_never_given_up(deeds):
    known, now = Destinations(), NOW
    for deed, span in deeds:
        now = Instant(now + span)
        getattr(known, deed)("a.example", now)
        assert 0 < known.pace("a.example", now) <= 1_000
        assert all(one.rests_until <= now + LONGEST_REST * 1.1 for one in known.health.values())


def test_a_slower_limit_keeps_a_token_and_its_reserve_below_it():
    assert slower(limit(50.0), 1_000) == limit(50.0)
    assert slower(limit(50.0), 500) == Limit(25.0, 25, 10)
    assert slower(limit(50.0), 16) == Limit(0.8, 1, 0)


def test_the_smallest_bucket_is_asked_first():
    many = [("*", limit(50.0)), ("orange", limit(2.0)), ("orange.fr", limit(1.0))]
    assert [name for name, _ in tightest(many)] == ["orange.fr", "orange", "*"]


def test_a_breaker_opens_longer_each_time_and_closes_with_the_first_mail_taken():
    breaker = Breaker()
    opened = []
    for _ in range(7):
        breaker.trip(NOW, "535 5.7.8 no")
        opened.append((breaker.until - NOW) // MINUTE)
    assert opened == [1, 2, 4, 8, 15, 15, 15]
    assert breaker.is_open(NOW)
    assert breaker.probing
    assert not breaker.is_open(after(15 * MINUTE))
    assert breaker.close()
    assert not breaker.probing
    assert not breaker.close()


@pytest.mark.parametrize(
    ("day", "allowed"),
    [("2026-03-01", None), ("2026-03-02", 200), ("2026-03-03", 300), ("2026-03-04", 450)],
)
def test_a_new_sender_writes_to_more_people_each_day(day, allowed):
    warm_up = WarmUp(date(2026, 3, 2))
    assert warm_up.allowance(parse_instant(f"{day}T09:00:00Z"), PARIS) == allowed


def test_the_warm_up_ends():
    warm_up = WarmUp(date(2026, 3, 2), days=2)
    assert warm_up.allowance(parse_instant("2026-03-04T09:00:00Z"), PARIS) is None


def test_a_day_of_the_warm_up_is_the_shops():
    assert day_key(parse_instant("2026-03-02T23:30:00Z"), PARIS) == "warm-up/2026-03-03"
