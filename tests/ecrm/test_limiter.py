from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.delivery import retry
from ecrm.delivery.limiter import Limit, Limiter, limit
from ecrm.moment import HOUR, MINUTE, NEVER, SECOND, Instant

START = Instant(1_800_000_000_000)
LIMITS = st.builds(
    limit, st.one_of(st.floats(0.01, 5_000), st.integers(1, 500)), reserve=st.floats(0, 1)
)


def test_a_second_of_mails_goes_at_once_and_then_one_an_interval():
    limiter, ten = Limiter(), limit(10, reserve=0)
    assert ten == Limit(10, burst=10, reserved=1)
    assert limiter.available("b", ten, 1, START) == 10
    limiter.spend("b", ten, START, 10)
    assert limiter.available("b", ten, 1, START) == 0
    assert limiter.next_at("b", ten, 1, START) == START + 100
    assert limiter.available("b", ten, 1, Instant(START + 99)) == 0
    assert limiter.available("b", ten, 1, Instant(START + 100)) == 1
    assert limiter.available("b", ten, 1, Instant(START + 1_000)) == 10
    assert limiter.available("b", ten, 1, Instant(START + 9_000)) == 10


def test_marketing_leaves_a_part_of_the_burst_to_what_is_owed():
    limiter, ten = Limiter(), limit(10)
    assert [limiter.available("b", ten, lane, START) for lane in (0, 1, 2, 3)] == [10, 10, 8, 8]
    limiter.spend("b", ten, START, 8)
    assert limiter.available("b", ten, 2, START) == 0
    assert limiter.available("b", ten, 0, START) == 2
    assert limiter.next_at("b", ten, 0, START) == START
    assert limiter.next_at("b", ten, 2, START) == START + 100


def test_a_limit_of_one_a_second_reserves_nothing_it_does_not_have():
    one = limit(1)
    assert (one.burst, one.reserved) == (1, 0)
    assert Limiter().available("b", one, 3, START) == 1


def test_a_rate_below_one_a_second_still_sends():
    slow = limit(0.1)
    limiter = Limiter()
    limiter.spend("b", slow, START)
    assert limiter.next_at("b", slow, 1, START) == START + 10_000


def test_buckets_do_not_touch_each_other():
    limiter, ten = Limiter(), limit(10)
    limiter.spend("a", ten, START, 10)
    assert limiter.available("b", ten, 1, START) == 10


def test_a_restart_does_not_burst():
    limiter, ten = Limiter(), limit(10)
    limiter.spend("b", ten, START, 10)
    assert Limiter(limiter.tats).available("b", ten, 1, START) == 0


def test_a_clock_that_was_put_back_lends_nothing():
    limiter, ten = Limiter(), limit(10)
    limiter.spend("b", ten, START, 10)
    assert limiter.available("b", ten, 1, Instant(START - HOUR)) == 0


def test_how_far_the_buckets_are_ahead_is_told():
    limiter, ten = Limiter(), limit(10)
    assert limiter.ahead(START) == 0
    limiter.spend("b", ten, START, 10)
    assert limiter.ahead(START) == SECOND
    assert limiter.ahead(Instant(START + HOUR)) == 0


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_a_rate_that_is_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match="are no rate"):
        limit(rate)


@given(
    LIMITS,
    st.lists(
        st.tuples(st.integers(0, 3_000), st.sampled_from([0, 1, 2, 3]), st.integers(1, 50)),
        max_size=40,
    ),
)
def test_no_window_holds_more_than_the_burst_and_the_rate_allow(allowed, wanted):
    limiter, now, sent = Limiter(), START, []
    for wait, lane, count in wanted:
        now = Instant(now + wait)
        taken = min(count, limiter.available("b", allowed, lane, now))
        if taken:
            limiter.spend("b", allowed, now, taken)
            sent += [(now, lane)] * taken
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            span = (sent[last][0] - sent[first][0]) * 1_000
            # A burst, and one more for every whole interval in between.
            assert last - first + 1 <= allowed.burst + span // allowed.interval


@given(
    LIMITS,
    st.lists(st.integers(1, 20), max_size=6),
    st.sampled_from([0, 1, 2, 3]),
    st.integers(0, 5_000),
)
def test_the_next_instant_is_the_first_at_which_one_conforms(allowed, spent, lane, passed):
    limiter, now = Limiter(), START
    for count in spent:
        limiter.spend("b", allowed, now, count)
    now = Instant(now + passed)
    found = limiter.next_at("b", allowed, lane, now)
    assert limiter.available("b", allowed, lane, found) >= 1
    assert found == now or limiter.available("b", allowed, lane, Instant(found - 1)) == 0


# Trying again


@pytest.mark.parametrize(
    ("lane", "waits"),
    [
        (0, (5 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, MINUTE, MINUTE)),
        (1, (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 4 * HOUR)),
        (2, (20 * MINUTE, 40 * MINUTE, 80 * MINUTE, 160 * MINUTE, 4 * HOUR, 4 * HOUR)),
        (3, (20 * MINUTE, 40 * MINUTE, 80 * MINUTE, 160 * MINUTE, 4 * HOUR, 4 * HOUR)),
    ],
)
def test_every_lane_waits_its_own_time_and_a_tenth_at_most(lane, waits):
    for attempts, wait in enumerate(waits, start=1):
        ats = [retry.next_attempt(lane, attempts, f"m{n}", START, NEVER) for n in range(200)]
        assert all(START + wait <= at <= START + wait * 1.1 for at in ats)
        assert len(set(ats)) > 150


def test_the_same_mail_waits_the_same_time():
    ats = {retry.next_attempt(1, 1, "m", START, NEVER) for _ in range(5)}
    assert len(ats) == 1


def test_a_mail_is_not_tried_after_it_lost_its_sense():
    at = retry.next_attempt(1, 1, "m", START, NEVER)
    assert retry.next_attempt(1, 1, "m", START, at) == at
    assert retry.next_attempt(1, 1, "m", START, Instant(at - 1)) is None


def test_in_doubt_only_what_is_owed_is_sent_again():
    assert {0, 1} == retry.RETRIED_IN_DOUBT
