from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.delivery import hygiene
from ecrm.delivery.bounces import Verdict
from ecrm.delivery.hygiene import CLEAN, Record, Suppression
from ecrm.moment import DAY, HOUR, NEVER, Instant

START = Instant(1_772_442_000_000)
VERDICTS = get_args(Verdict)


def lived(*steps):
    """The record and the suppressions after these verdicts, each at its day."""
    record, made = CLEAN, []
    for verdict, day in steps:
        outcome = hygiene.after(record, verdict, Instant(START + round(day * DAY)))
        record = outcome.record
        made += [outcome.suppression] if outcome.suppression else []
    return record, made


def test_one_hard_bounce_ends_everything():
    assert lived(("hard", 0)) == (CLEAN, [Suppression("all", "hard_bounce", NEVER)])


@pytest.mark.parametrize(
    ("verdict", "reason"), [("complaint", "complaint"), ("unsubscribed", "unsubscribed")]
)
def test_who_wants_no_advertising_gets_none_and_still_what_is_owed(verdict, reason):
    assert lived((verdict, 0)) == (CLEAN, [Suppression("marketing", reason, NEVER)])


def test_five_soft_bounces_over_a_week_are_a_pause_of_thirty_days():
    record, made = lived(*[("soft", day) for day in (0, 2, 4, 6, 7)])
    assert made == [Suppression("all", "soft_bounces", Instant(START + 37 * DAY))]
    assert record == CLEAN


def test_four_are_not_enough_however_long_it_takes():
    assert lived(*[("soft", day) for day in (0, 10, 20, 30)]) == (
        Record(4, START, Instant(START + 30 * DAY)),
        [],
    )


def test_a_hundred_within_a_week_are_one_mailbox_that_was_full():
    record, made = lived(*[("soft", at / 24) for at in range(100)])
    assert made == []
    assert record == Record(100, START, Instant(START + 99 * HOUR))


def test_a_delivery_ends_the_row():
    steps = [("soft", 0), ("soft", 2), ("soft", 4), ("soft", 6), ("delivered", 6.5), ("soft", 9)]
    assert lived(*steps) == (Record(1, *[Instant(START + 9 * DAY)] * 2), [])


def test_a_delivery_told_late_does_not_end_a_younger_row():
    assert lived(("soft", 3), ("delivered", 1)) == (Record(1, *[Instant(START + 3 * DAY)] * 2), [])


def test_soft_bounces_told_out_of_order_span_the_same_time():
    _, made = lived(("soft", 7), ("soft", 2), ("soft", 3), ("soft", 1), ("soft", 0))
    assert made == [Suppression("all", "soft_bounces", Instant(START + 37 * DAY))]


@pytest.mark.parametrize("verdict", ["block", "auto_reply", "deferred", "unknown"])
@given(st.integers(0, 50), st.integers(0, 100))
def test_what_says_nothing_about_the_mailbox_changes_nothing(verdict, soft, day):
    record = Record(soft, START, START) if soft else CLEAN
    assert hygiene.after(record, verdict, Instant(START + day * DAY)) == hygiene.Outcome(record)


@given(st.lists(st.tuples(st.sampled_from(VERDICTS), st.integers(0, 24 * 60)), max_size=40))
def test_only_what_the_rules_name_suppresses(steps):
    record = CLEAN
    for verdict, hour in steps:
        outcome = hygiene.after(record, verdict, Instant(START + hour * HOUR))
        if outcome.suppression is not None:
            assert verdict in ("hard", "complaint", "unsubscribed", "soft")
            assert (outcome.suppression.until == NEVER) == (verdict != "soft")
            assert (outcome.suppression.scope == "all") == (verdict in ("hard", "soft"))
        record = outcome.record
