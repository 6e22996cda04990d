from __future__ import annotations

from functools import reduce

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import engagement
from ecrm.engagement import BOUGHT_KEPT, LETTERS_KEPT, Engagement, Thresholds
from ecrm.moment import DAY, HOUR, Duration, Instant, days, parse_instant

NOW = parse_instant("2026-06-10T10:00:00Z")
TODAY = parse_instant("2026-06-10T00:00:00Z")
WINDOW = days(183)
DEFAULT = Thresholds()


def ago(number: float) -> Instant:
    """So many days before now."""
    return Instant(NOW - round(number * DAY))


def written(*when: float, observed: bool = True) -> Engagement:
    """Letters accepted so many days ago, called m0, m1 and so on from the first."""
    e = Engagement()
    for number, each in enumerate(when):
        e = engagement.accepted(e, f"m{number}", ago(each), observed=observed)
    return e


def opened(e: Engagement, *numbers: int, human: bool = True, when: float = 1) -> Engagement:
    for number in numbers:
        e = engagement.opened(e, f"m{number}", ago(when), human=human)
    return e


def clicked(e: Engagement, *numbers: int, when: float = 1) -> Engagement:
    for number in numbers:
        e = engagement.clicked(e, f"m{number}", ago(when))
    return e


def tier(e: Engagement, now: int = NOW, **thresholds) -> str:
    return engagement.tier(e, Instant(now), Thresholds(**thresholds))


OBSERVED = written(90, 80, 70, 60)
UNOBSERVED = written(90, 80, 70, 60, observed=False)
TWENTY = written(*range(100, 80, -1))

# Unmeasured.


def test_somebody_nobody_wrote_to_is_unmeasured():
    assert tier(Engagement()) == "unmeasured"
    assert engagement.next_change(Engagement(), NOW, DEFAULT) is None


def test_the_third_letter_makes_somebody_measurable():
    assert tier(written(90, 80)) == "unmeasured"
    assert tier(written(90, 80, 70)) == "inactive"
    assert tier(written(90, 80), received=2) == "inactive"


def test_a_letter_that_leaves_the_window_is_not_received_any_more():
    e = written(90, 80, 70)
    last = ago(90) + WINDOW
    assert tier(e, last) == "inactive"
    assert tier(e, last + 1) == "unmeasured"
    assert engagement.next_change(e, NOW, DEFAULT) == last + 1


def test_thirty_days_after_the_first_letter_one_is_measured():
    e = written(20, 15, 10)
    assert tier(e, ago(-10) - 1) == "unmeasured"
    assert tier(e, ago(-10)) == "inactive"
    assert engagement.next_change(e, NOW, DEFAULT) == ago(-10)
    assert tier(e, first=days(20)) == "inactive"


def test_the_first_letter_ever_counts_also_when_it_is_no_longer_kept():
    many = written(*(30 - number / 4 for number in range(LETTERS_KEPT + 5)))
    assert many.letters[0].at > many.first_at
    assert tier(many) == "inactive"


def test_without_consent_and_without_a_click_or_an_order_nobody_is_measured():
    assert tier(UNOBSERVED) == "unmeasured"
    assert tier(engagement.seen(UNOBSERVED, ago(1))) == "unmeasured"
    assert tier(opened(UNOBSERVED, 3)) == "unmeasured"


def test_whose_mailbox_only_machines_open_is_not_measured_and_never_inactive_for_it():
    assert tier(opened(OBSERVED, 0, 1, 2, 3, human=False)) == "unmeasured"


def test_too_few_observed_letters_say_nothing_about_opens():
    two = written(30, 20)
    e = engagement.accepted(two, "before consent", ago(90), observed=False)
    assert tier(e) == "unmeasured"
    assert tier(opened(e, 0)) == "semi-active"


# Inactive.


def test_who_opens_nothing_that_could_be_seen_is_inactive():
    assert tier(OBSERVED) == "inactive"


@pytest.mark.parametrize(
    "sign", [engagement.ordered, engagement.seen, engagement.answered], ids=lambda f: f.__name__
)
def test_any_sign_of_life_within_the_window_keeps_from_being_inactive(sign):
    letters = written(170, 160, 150)
    assert tier(sign(letters, Instant(NOW - WINDOW))) == "semi-active"
    assert tier(sign(letters, Instant(NOW - WINDOW - 1))) == "inactive"


def test_an_open_more_than_six_months_ago_is_none():
    e = opened(OBSERVED, 0, when=85)
    last = ago(85) + WINDOW
    assert tier(e, last) == "semi-active"
    assert tier(e, last + 1) == "inactive"
    assert tier(e, last, window=days(182)) == "inactive"


def test_without_consent_one_is_inactive_by_the_hygiene_day_alone():
    letters = written(90, 60, 30, 0, -30, -60, observed=False)
    e = engagement.opened(letters, "m3", Instant(TODAY + 9 * HOUR), human=True)
    assert e.opened_on == TODAY
    assert tier(e, TODAY + WINDOW) == "unmeasured"
    assert tier(e, TODAY + WINDOW + 1) == "inactive"
    assert engagement.next_change(e, NOW, DEFAULT) == TODAY + WINDOW + 1


# Semi-active.


def test_who_opens_and_never_clicks_is_semi_active():
    assert tier(opened(OBSERVED, 0)) == "semi-active"
    assert tier(opened(OBSERVED, 0, 1, 2, 3)) == "semi-active"


def test_who_clicks_once_and_seldom_opens_is_semi_active():
    assert tier(clicked(TWENTY, 0)) == "semi-active"


def test_who_buys_without_the_mails_is_semi_active_where_opens_can_be_seen():
    assert tier(engagement.ordered(OBSERVED, ago(1))) == "semi-active"


# Active.


def test_a_click_and_a_quarter_of_the_letters_opened_make_active():
    assert tier(clicked(OBSERVED, 0)) == "active"
    assert tier(clicked(written(90, 80, 70, 60, 50), 0)) == "semi-active"
    assert tier(clicked(OBSERVED, 0), rate_active=251) == "semi-active"


def test_a_click_and_three_opens_make_active_whatever_the_rate():
    assert tier(opened(clicked(TWENTY, 0), 1)) == "semi-active"
    assert tier(opened(clicked(TWENTY, 0), 1, 2)) == "active"
    assert tier(opened(clicked(TWENTY, 0), 1), opens_active=2) == "active"


def test_the_rate_is_of_the_newest_twenty_letters():
    older = written(*range(120, 95, -1))
    assert tier(opened(clicked(older, 24), 23)) == "semi-active"
    assert tier(clicked(older, 24), last=4) == "active"
    assert tier(clicked(older, 20), last=4) == "semi-active"


def test_the_rate_is_of_the_letters_in_the_window():
    e = clicked(written(170, 160, 150, 40, 30), 4)
    assert tier(e) == "semi-active"
    gone = ago(170) + WINDOW + 1
    assert tier(e, gone - 1) == "semi-active"
    assert tier(e, gone) == "active"
    assert engagement.next_change(e, NOW, DEFAULT) == gone


def test_a_rate_may_rise_when_an_observed_letter_leaves_the_window():
    e = written(170, 160, 150, 140, 130)
    for number in range(20):
        e = engagement.accepted(e, f"blind{number}", ago(100 - number), observed=False)
    e = clicked(e, 4)
    assert tier(e) == "semi-active"
    assert engagement.next_change(e, NOW, DEFAULT) == ago(170) + WINDOW + 1
    assert tier(e, ago(170) + WINDOW + 1) == "active"


def test_letters_that_were_not_observed_do_not_lower_the_rate():
    blind = written(*range(170, 150, -1), observed=False)
    seen = reduce(
        lambda e, day: engagement.accepted(e, f"s{day}", ago(day), observed=True), (9, 8, 7), blind
    )
    assert tier(engagement.clicked(seen, "s9", ago(6))) == "active"


def test_without_consent_a_click_or_an_order_makes_active():
    assert tier(clicked(UNOBSERVED, 0)) == "active"
    assert tier(engagement.ordered(UNOBSERVED, Instant(NOW - WINDOW))) == "active"
    assert tier(engagement.ordered(UNOBSERVED, Instant(NOW - WINDOW - 1))) == "unmeasured"
    assert tier(clicked(UNOBSERVED, 0), clicks_active=2) == "unmeasured"


def test_a_click_in_a_mail_that_is_no_letter_is_a_click():
    assert tier(opened(OBSERVED, 0, 1, 2)) == "semi-active"
    assert tier(engagement.clicked(opened(OBSERVED, 0, 1, 2), "receipt", ago(1))) == "active"


# Super-active.


def test_opening_nearly_all_clicking_twice_and_buying_after_make_super_active():
    e = engagement.ordered(opened(clicked(OBSERVED, 0, 1, when=8), 2, when=8), ago(1))
    assert tier(e) == "super-active"
    assert tier(e, rate_super=751) == "active"
    assert tier(e, clicks_super=3) == "active"


def test_seventy_five_in_a_hundred_is_nearly_all():
    bought = engagement.ordered(clicked(TWENTY, 0, 1, when=3), ago(1))
    assert tier(opened(bought, *range(2, 14))) == "active"
    assert tier(opened(bought, *range(2, 15))) == "super-active"


def test_one_click_is_not_enough_to_be_super_active():
    e = opened(clicked(OBSERVED, 0, when=3), 1, 2, 3, when=3)
    assert tier(engagement.ordered(e, ago(1))) == "active"


def test_an_order_seven_days_after_a_click_came_of_it_and_one_later_did_not():
    e = clicked(OBSERVED, 0, 1, 2, 3, when=20)
    assert tier(engagement.ordered(e, ago(13))) == "super-active"
    assert tier(engagement.ordered(e, Instant(ago(13) + 1))) == "active"
    assert tier(engagement.ordered(e, Instant(ago(20) - 1))) == "active"


def test_a_shop_says_itself_how_long_after_a_click_an_order_comes_of_it():
    e = clicked(OBSERVED, 0, 1, 2, 3, when=40)
    e = engagement.ordered(engagement.ordered(e, ago(38)), ago(20))
    assert tier(e, after_click=days(1)) == "active"
    assert tier(e, after_click=days(2)) == "super-active"
    assert [(each.at, each.after) for each in e.bought] == [
        (ago(38), days(2)),
        (ago(20), days(20)),
    ]


def test_an_order_heard_of_before_its_click_came_of_it_all_the_same():
    e = engagement.ordered(OBSERVED, ago(13))
    assert tier(clicked(e, 0, 1, 2, 3, when=20)) == "super-active"


def test_an_order_of_the_very_instant_of_a_click_came_of_it():
    e = engagement.ordered(clicked(OBSERVED, 0, 1, 2, 3, when=20), ago(20))
    assert tier(e, after_click=days(0)) == "super-active"


def test_an_order_heard_of_late_came_of_the_click_before_it():
    e = clicked(clicked(OBSERVED, 0, 1, when=20), 2, 3, when=5)
    assert tier(engagement.ordered(e, ago(15))) == "super-active"


def test_clicks_alone_prove_nearly_all_opened_where_opens_cannot_be_seen():
    e = engagement.ordered(clicked(UNOBSERVED, 0, 1, when=3), ago(1))
    assert tier(e) == "active"
    e = engagement.ordered(clicked(UNOBSERVED, 0, 1, 2, when=3), ago(1))
    assert tier(e) == "super-active"
    older = written(170, 165, 60, 50, 40, observed=False)
    e = engagement.ordered(clicked(older, 2, 3, 4, when=3), ago(1))
    assert tier(e) == "active"
    assert engagement.next_change(e, NOW, DEFAULT) == ago(170) + WINDOW + 1
    newest = engagement.ordered(clicked(UNOBSERVED, 2, 3, when=3), ago(1))
    assert tier(newest, last=2) == "super-active"


# What is kept.


def test_an_open_is_told_of_its_letter_only_where_a_person_was_observed():
    human = opened(OBSERVED, 1)
    assert [letter.opened_at for letter in human.letters] == [None, ago(1), None, None]
    assert opened(OBSERVED, 1, human=False).letters == OBSERVED.letters
    assert opened(UNOBSERVED, 1).letters == UNOBSERVED.letters
    assert opened(UNOBSERVED, 1).opened_on == opened(OBSERVED, 1, human=False).opened_on
    assert human.opened_on == TODAY - DAY


def test_a_click_opens_its_letter():
    e = clicked(UNOBSERVED, 2)
    assert (e.letters[2].opened_at, e.letters[2].clicked_at) == (ago(1), ago(1))
    assert (e.opened_on, e.clicked_at) == (TODAY - DAY, ago(1))


def test_a_letter_told_twice_is_kept_once():
    again = engagement.accepted(OBSERVED, "m1", ago(1), observed=False)
    assert again == OBSERVED


def test_letters_heard_of_late_stand_in_their_place():
    e = written(60, 90, 80)
    assert [letter.mail_id for letter in e.letters] == ["m1", "m2", "m0"]
    assert e.first_at == ago(90)


def test_letters_of_more_than_a_year_before_the_newest_are_forgotten():
    assert [letter.mail_id for letter in written(367, 366, 0).letters] == ["m1", "m2"]
    assert written(367, 366, 0).first_at == ago(367)


def test_of_orders_ever_longer_after_a_click_the_newest_are_kept():
    orders = [ago(39 - number) for number in range(BOUGHT_KEPT + 2)]
    e = reduce(engagement.ordered, orders, clicked(OBSERVED, 0, when=40))
    assert [each.at for each in e.bought] == orders[2:]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"window": days(367)}, "window is at most 366d"),
        ({"after_click": Duration(-1)}, "after_click is at most 31d"),
        ({"last": 41}, "last is 1 to 40, not 41"),
        ({"rate_super": 1_001}, "rate_super is 0 to 1000, not 1001"),
    ],
)
def test_thresholds_that_what_is_remembered_cannot_answer_are_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        Thresholds(**wrong)


# Evidence of life.


def test_the_last_evidence_is_the_last_of_all_signs():
    e = engagement.seen(engagement.ordered(OBSERVED, ago(5)), ago(9))
    assert engagement.last_evidence(OBSERVED) is None
    assert engagement.last_evidence(e) == ago(5)
    assert engagement.last_evidence(engagement.answered(e, ago(4))) == ago(4)
    assert engagement.last_evidence(clicked(e, 0, when=3)) == ago(3)
    assert engagement.last_evidence(opened(e, 0, when=2)) == ago(2)
    assert engagement.last_evidence(opened(UNOBSERVED, 0, when=2)) == TODAY - 2 * DAY


def test_an_open_of_the_same_day_may_have_been_after():
    unobserved = opened(UNOBSERVED, 0, when=0)
    assert engagement.alive_since(unobserved, NOW)
    assert engagement.alive_since(unobserved, Instant(TODAY + DAY - 1))
    assert not engagement.alive_since(unobserved, Instant(TODAY + DAY))


def test_a_sign_known_to_the_millisecond_is_compared_so():
    e = engagement.seen(UNOBSERVED, NOW)
    assert engagement.alive_since(e, NOW)
    assert not engagement.alive_since(e, Instant(NOW + 1))
    assert not engagement.alive_since(Engagement(), NOW)


# Laws.

INSTANTS = st.one_of(
    st.integers(0, 400 * 24).map(lambda number: Instant(NOW - number * HOUR)),
    st.integers(0, 12).map(lambda number: Instant(NOW - number * 20 * DAY)),
    st.integers(-(2**40), 2**52).map(Instant),
)
KINDS = ["accepted", "opened", "opened", "clicked", "clicked", "ordered", "seen", "answered"]
NAMES = st.integers(0, 60).map(lambda number: f"m{number}")
DEEDS = st.tuples(st.sampled_from(KINDS), NAMES, INSTANTS, st.booleans())
LIVES = st.builds(
    lambda letters, observed, deeds: [
        *(("accepted", f"m{n}", ago(n * 9), n < observed) for n in range(letters)),
        *deeds,
    ],
    letters=st.integers(0, 60),
    observed=st.integers(0, 60),
    deeds=st.lists(DEEDS, max_size=8),
)
THRESHOLDS = st.one_of(
    st.just(DEFAULT),
    st.builds(
        Thresholds,
        window=st.integers(0, 366).map(days),
        received=st.integers(1, 5),
        first=st.integers(0, 60).map(days),
        last=st.integers(1, LETTERS_KEPT),
        rate_active=st.integers(0, 1_000),
        opens_active=st.integers(1, 5),
        clicks_active=st.integers(1, 3),
        rate_super=st.integers(0, 1_000),
        clicks_super=st.integers(1, 4),
        after_click=st.integers(0, 31).map(days),
    ),
)


def lived(deeds) -> Engagement:
    return reduce(done, deeds, Engagement())


def done(e: Engagement, deed) -> Engagement:
    name, mail_id, at, flag = deed
    if name == "accepted":
        return engagement.accepted(e, mail_id, at, observed=flag)
    if name == "opened":
        return engagement.opened(e, mail_id, at, human=flag)
    if name == "clicked":
        return engagement.clicked(e, mail_id, at)
    return getattr(engagement, name)(e, at)


def edges(e: Engagement, t: Thresholds) -> set[int]:
    """Every instant at which anything recorded could come to matter or cease to: more of them than
    the code looks at.
    """
    acts = [e.clicked_at, e.ordered_at, e.seen_at, e.answered_at, e.opened_on, e.first_at]
    acts += [each.at for each in e.bought]
    for letter in e.letters:
        acts += [letter.at, letter.opened_at, letter.clicked_at]
    spans = (0, t.window, t.window + 1, t.first, t.first + 1)
    return {at + span for at in acts if at is not None for span in spans}


@given(LIVES, THRESHOLDS)
def test_a_tier_lasts_until_its_next_change_and_is_another_then(deeds, thresholds):
    e = lived(deeds)
    turn = engagement.next_change(e, NOW, thresholds)
    now = engagement.tier(e, NOW, thresholds)
    if turn is not None:
        assert turn > NOW
        assert engagement.tier(e, turn, thresholds) != now
        assert engagement.tier(e, Instant(turn - 1), thresholds) == now
    for at in edges(e, thresholds):
        if at > NOW and (turn is None or at < turn):
            assert engagement.tier(e, Instant(at), thresholds) == now


@given(LIVES)
def test_what_is_remembered_is_bounded_and_in_order(deeds):
    e = lived(deeds)
    instants = [letter.at for letter in e.letters]
    assert len(e.letters) <= LETTERS_KEPT
    assert instants == sorted(instants)
    assert not instants or instants[-1] - instants[0] <= days(366)
    assert len({letter.mail_id for letter in e.letters}) == len(e.letters)
    assert len(e.bought) <= BOUGHT_KEPT
    assert [each.after for each in e.bought] == sorted({each.after for each in e.bought})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(e), type=Engagement) == e


@given(LIVES, THRESHOLDS)
def test_nobody_is_inactive_with_evidence_of_life_in_the_window(deeds, thresholds):
    e = lived(deeds)
    last = engagement.last_evidence(e)
    if last is not None and last >= NOW - thresholds.window:
        assert engagement.tier(e, NOW, thresholds) != "inactive"


@given(LIVES, THRESHOLDS)
def test_nobody_without_consent_is_inactive_who_never_opened(deeds, thresholds):
    unwatched = [
        (name, mail_id, at, flag and name != "accepted")
        for name, mail_id, at, flag in deeds
        if name not in {"opened", "clicked"}
    ]
    assert engagement.tier(lived(unwatched), NOW, thresholds) != "inactive"


@given(LIVES, DEEDS)
def test_what_happened_twice_is_remembered_as_once(deeds, deed):
    once = done(lived(deeds), deed)
    if deed[0] != "accepted" or any(letter.mail_id == deed[1] for letter in once.letters):
        assert done(once, deed) == once
