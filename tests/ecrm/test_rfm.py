from __future__ import annotations

from collections import Counter
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import rfm
from ecrm.moment import DAY, Instant, parse_instant
from ecrm.rfm import FIXED, Buyer, Score, Segment

NOW = parse_instant("2026-06-10T10:00:00Z")


def buyer(age: float = 10, count: int = 1, total: int = 5_000, period: float = 30) -> Buyer:
    """Last bought `age` days ago, `count` times in all, every `period` days."""
    last = NOW - round(age * DAY)
    first = last - round((count - 1) * period * DAY)
    return Buyer(count, total, Instant(first), Instant(last))


def scored(of: Buyer, cuts=FIXED, now=NOW) -> tuple[int, int, int]:
    score = rfm.score(of, cuts, now)
    return score.recency, score.frequency, score.value


# The fixed breaks.


@pytest.mark.parametrize(
    ("age", "recency"),
    [(0, 5), (30, 5), (31, 4), (90, 4), (91, 3), (180, 3), (181, 2), (365, 2), (366, 1)],
)
def test_recency_wears_off_with_the_days_since_the_last_order(age, recency):
    assert rfm.score(buyer(age), FIXED, NOW).recency == recency


@pytest.mark.parametrize(
    ("period", "frequency"), [(0, 5), (30, 5), (31, 4), (60, 4), (90, 3), (180, 2), (181, 1)]
)
def test_frequency_is_the_mean_days_between_two_orders(period, frequency):
    assert rfm.score(buyer(count=4, period=period), FIXED, NOW).frequency == frequency


def test_one_order_has_no_periodicity_yet():
    assert rfm.score(buyer(0, count=1), FIXED, NOW).frequency == 1


@pytest.mark.parametrize(
    ("average", "value"),
    [(24_99, 1), (25_00, 2), (49_99, 2), (50_00, 3), (100_00, 4), (199_99, 4), (200_00, 5)],
)
def test_value_is_the_average_order_and_not_the_total(average, value):
    assert rfm.score(buyer(count=1, total=average), FIXED, NOW).value == value
    assert rfm.score(buyer(count=7, total=7 * average), FIXED, NOW).value == value


def test_a_score_says_when_and_by_which_cuts_it_was_made():
    score = rfm.score(buyer(), rfm.cut_points([], NOW, version=7), NOW)
    assert (score.version, score.at) == (7, NOW)


def test_who_never_bought_scores_one_in_all():
    nobody = Buyer(0, 0, Instant(0), NOW)
    assert rfm.score(nobody, FIXED, NOW) == Score(1, 1, 1, version=0, at=NOW)


# Cutting.

THOUSAND = [buyer(n % 365 / 2, count=2, total=2 * n, period=n) for n in range(1_000)]


def test_fewer_than_five_hundred_buyers_keep_the_fixed_breaks():
    few = rfm.cut_points(THOUSAND[:499], NOW, version=3)
    assert (few.recency, few.frequency, few.value) == (FIXED.recency, FIXED.frequency, FIXED.value)
    assert (few.version, few.at, few.buyers, few.kind) == (3, NOW, 499, "fixed")
    enough = rfm.cut_points(THOUSAND[:500], NOW, version=4)
    assert (enough.version, enough.at, enough.buyers, enough.kind) == (4, NOW, 500, "quintiles")


def test_a_shop_may_cut_a_smaller_base():
    assert rfm.cut_points(THOUSAND[:10], NOW, 1, floor=10).kind == "quintiles"


def test_who_never_bought_is_not_counted():
    nobody = Buyer(0, 0, Instant(0), Instant(0))
    assert rfm.cut_points([*THOUSAND[:499], nobody], NOW, 1).kind == "fixed"


def test_the_fifths_of_a_known_base_are_of_one_size():
    base = [buyer(age, count=3, total=3 * (age + 1), period=age + 5) for age in range(300)]
    cuts = rfm.cut_points(base, NOW, 1, floor=300)
    assert cuts.recency == (59, 119, 179, 239)
    assert cuts.frequency == (64, 124, 184, 244)
    assert cuts.value == (61, 121, 181, 241)
    for axis in range(3):
        sizes = Counter(scored(each, cuts)[axis] for each in base)
        assert sizes == {1: 60, 2: 60, 3: 60, 4: 60, 5: 60}


def test_equals_share_the_score_of_the_middle_of_their_group():
    # Places 1 and 2, then 3 to 8 as one, then 9 and 10: the middle of the six is the middle of all.
    base = [buyer(age, total=100) for age in (1, 2, 5, 5, 5, 5, 5, 5, 8, 9)]
    cuts = rfm.cut_points(base, NOW, 1, floor=10)
    assert [scored(each, cuts)[0] for each in base] == [5, 5, 3, 3, 3, 3, 3, 3, 1, 1]
    assert {scored(each, cuts)[2] for each in base} == {3}


def test_who_is_better_than_all_that_were_equal_scores_five():
    cuts = rfm.cut_points([buyer(5, total=100)] * 10, NOW, 1, floor=10)
    assert scored(buyer(4, total=101), cuts) == (5, 1, 5)
    assert scored(buyer(6, total=99), cuts) == (1, 1, 1)


def test_who_bought_once_is_not_in_the_fifths_of_frequency():
    base = [*(buyer(count=2, period=n) for n in range(10)), *[buyer(count=1)] * 90]
    assert rfm.cut_points(base, NOW, 1, floor=100).frequency == (1, 3, 5, 7)
    assert rfm.cut_points(base[10:], NOW, 1, floor=10).frequency == FIXED.frequency


def test_who_has_not_bought_for_a_year_is_not_in_the_fifths_of_recency():
    base = [*(buyer(n) for n in range(356, 366)), *[buyer(1_000)] * 90]
    cuts = rfm.cut_points(base, NOW, 1, floor=100)
    assert cuts.recency == (357, 359, 361, 363)
    assert scored(buyer(1_000), cuts)[0] == 1
    assert rfm.cut_points(base[10:], NOW, 1, floor=10).recency == FIXED.recency


def test_nobody_without_an_order_for_a_year_scores_more_than_one():
    generous = rfm.Cuts(1, NOW, (400, 500, 600, 700), FIXED.frequency, FIXED.value)
    assert scored(buyer(365), generous)[0] == 5
    assert scored(buyer(366), generous)[0] == 1
    of = buyer(10)
    assert rfm.next_change(of, generous, NOW) == of.last_at + 366 * DAY


# Time.


def test_a_score_changes_first_where_its_recency_wears_off():
    of = buyer(10)
    turn = rfm.next_change(of, FIXED, NOW)
    assert turn == of.last_at + 31 * DAY
    assert rfm.score(of, FIXED, Instant(turn - 1)).recency == 5
    assert rfm.score(of, FIXED, turn).recency == 4
    assert rfm.next_change(buyer(366), FIXED, NOW) is None


# Laws.

AMOUNTS = st.integers(-(2**40), 2**52)
BUYERS = st.one_of(
    st.builds(
        buyer,
        age=st.integers(0, 500),
        count=st.integers(1, 6),
        total=st.integers(0, 100_000),
        period=st.integers(0, 200),
    ),
    st.builds(Buyer, st.integers(1, 9), AMOUNTS, AMOUNTS.map(Instant), AMOUNTS.map(Instant)),
)
CUTS = st.one_of(
    st.just(FIXED),
    st.lists(BUYERS, max_size=40).map(lambda base: rfm.cut_points(base, NOW, 1, floor=1)),
)


@given(CUTS, BUYERS, st.integers(0, 2**45), st.integers(0, 2**45))
def test_more_recent_and_dearer_never_score_lower(cuts, of, newer, dearer):
    better = Buyer(of.count, of.total + dearer, of.first_at, Instant(of.last_at + newer))
    assert rfm.score(better, cuts, NOW).recency >= rfm.score(of, cuts, NOW).recency
    assert rfm.score(better, cuts, NOW).value >= rfm.score(of, cuts, NOW).value


@given(CUTS, BUYERS, st.integers(0, 2**45))
def test_more_often_never_scores_lower(cuts, of, shorter):
    often = Buyer(of.count, of.total, Instant(of.first_at + shorter), of.last_at)
    assert rfm.score(often, cuts, NOW).frequency >= rfm.score(of, cuts, NOW).frequency


@given(CUTS, BUYERS)
def test_a_score_lasts_until_its_next_change_and_is_another_then(cuts, of):
    turn = rfm.next_change(of, cuts, NOW)
    before = scored(of, cuts)
    if turn is not None:
        assert scored(of, cuts, turn) != before
        assert scored(of, cuts, Instant(turn - 1)) == before
    else:
        assert scored(of, cuts, Instant(2**53)) == before


@given(CUTS, BUYERS)
def test_scores_are_from_one_to_five_and_cuts_in_order(cuts, of):
    assert all(1 <= each <= 5 for each in scored(of, cuts))
    for bounds in (cuts.recency, cuts.frequency, cuts.value):
        assert list(bounds) == sorted(bounds)


# Segments.

ALL = [Score(*scores) for scores in product(range(1, 6), repeat=3)]


def test_every_triple_of_scores_has_a_segment_and_every_segment_a_triple():
    assert {rfm.segment(score) for score in ALL} == set(get_args(Segment))


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        ((5, 5, 5), "champions"),
        ((4, 4, 4), "champions"),
        ((5, 5, 3), "loyal"),
        ((3, 4, 5), "loyal"),
        ((5, 3, 1), "potential loyal"),
        ((5, 1, 5), "new"),
        ((4, 1, 1), "promising"),
        ((3, 3, 3), "needs attention"),
        ((3, 1, 3), "about to sleep"),
        ((2, 4, 4), "cannot lose"),
        ((1, 5, 5), "cannot lose"),
        ((2, 5, 3), "at risk"),
        ((1, 3, 5), "at risk"),
        ((2, 2, 5), "hibernating"),
        ((1, 2, 5), "lost"),
        ((1, 1, 1), "lost"),
    ],
)
def test_a_segment_is_named_as_marketers_name_it(scores, name):
    assert rfm.segment(Score(*scores)) == name


def test_all_who_bought_often_and_not_lately_are_at_risk_or_cannot_be_lost():
    found = {rfm.segment(s) for s in ALL if s.recency <= 2 and s.frequency >= 3}
    assert found == {"at risk", "cannot lose"}
