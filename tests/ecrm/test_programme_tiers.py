"""What becomes of readers: a word for each tier, the question, the last offer, and the way back."""

from __future__ import annotations

from itertools import count

import pytest

from ecrm import facts
from ecrm.catalogue import Product
from ecrm.matters import Campaign
from ecrm.moment import Duration, days, hours
from proto import events
from tests.lives import Life, Withheld

TIERS = ("inactive", "semi-active", "active", "super-active")
SILENCE = ("inactive", "question", "last-chance")
RELATED = (
    Product("tea", "Tea", price=500, currency="EUR", affinity_categories=("Pastry",)),
    Product("cake", "Cake", category="Pastry", price=900, currency="EUR"),
)
WATCHED = events.ConsentUpdated(purpose="open_tracking", state="granted")
LOGIN = events.SignedIn()
NUMBERS = count(1)


def reader(*only: str, watched: bool = True) -> Life:
    """Somebody who signed up on the first of June at ten and agreed, also to be counted; there is
    something to propose, and newsletters come when a test says so.
    """
    life = Life(start="2026-06-01 10:00", only=("newsletter", *only)).identify().signs_up()
    life.consents().shop_has(*RELATED, recent=("tea",))
    return life.tell(WATCHED) if watched else life


def letter(life: Life, *deeds: str) -> Life:
    """A newsletter comes and is taken by the mailbox; the person does something with it."""
    life.is_told_of(Campaign(f"c{next(NUMBERS)}", "newsletter/news")).reports("accepted", "k28")
    assert life.kinds[-1] == "k28"
    for deed in deeds:
        getattr(life, deed)("k28")
    return life


def letters(life: Life, *deeds: tuple[str, ...]) -> Life:
    """One every ten days, the first at once."""
    for one in deeds:
        letter(life, *one).sleeps(days(10))
    return life


def passes(life: Life, then: str) -> Life:
    """Time passes, and every mail that goes out is taken by the mailbox."""
    end = life.instant(then)
    while life.now < end:
        life.sleeps(Duration(min(hours(1), end - life.now))).reports("accepted")
    return life


def tiers(life: Life) -> list[tuple[str, str]]:
    """Each tier somebody came into, and when."""
    found, now = [], life.now
    for fact in life.facts:
        now = getattr(fact, "at", now)
        if isinstance(fact, facts.Assessed) and fact.tier != fact.before:
            found.append((fact.tier, life.wall(now)))
    return found


def told(life: Life) -> list[tuple[str, str]]:
    return [(mail.template, mail.at) for mail in life.mails if mail.kind != "k28"]


OPENED, CLICKED, IGNORED = ("opens",), ("clicks",), ()


# Each way of living with our mails (k25)


def test_nobody_is_judged_within_a_month_of_the_first_letter_or_by_two():
    assert tiers(letters(reader(*TIERS), OPENED, OPENED).sleeps(days(100))) == []
    life = letter(letters(reader(*TIERS), OPENED, OPENED), "opens")
    assert tiers(life.at("2026-07-01 09:59:59.999")) == []
    assert tiers(life.sleeps(Duration(1))) == [("semi-active", "2026-07-01 10:00")]


def test_who_reads_and_never_clicks_is_shown_one_thing_worth_a_click():
    life = letters(reader(*TIERS), OPENED, IGNORED, IGNORED, IGNORED).at("2026-07-20 10:00")
    assert tiers(life) == [("semi-active", "2026-07-01 10:00")]
    assert told(life) == [("semi-active/closer", "2026-07-04 10:00")]
    (mail,) = [one for one in life.sent if one.kind == "k25"]
    assert [one.product_id for one in mail.values.proposals] == ["cake"]


def test_with_nothing_to_show_there_is_no_word():
    life = reader(*TIERS).shop_has()
    letters(life, OPENED, IGNORED, IGNORED).at("2026-07-20 10:00")
    assert told(life) == []
    assert life.withheld == [Withheld("semi-active/closer", "missing_data")]


def test_a_good_reader_who_clicks_gets_an_early_look():
    life = letters(reader(*TIERS), OPENED, OPENED, CLICKED).at("2026-07-20 10:00")
    assert tiers(life) == [("active", "2026-07-01 10:00")]
    assert told(life) == [("active/more", "2026-07-04 10:00")]


def test_who_buys_after_a_click_and_opens_nearly_all_is_thanked():
    life = letters(reader(*TIERS), OPENED, CLICKED)
    letter(life, "clicks").at("2026-06-24 10:00").tell(
        events.OrderPaid(order_id="o1", total=9, currency="EUR")
    )
    life.at("2026-07-20 10:00")
    assert tiers(life) == [("super-active", "2026-07-01 10:00")]
    assert told(life) == [("super-active/first", "2026-07-04 10:00")]


def test_who_clicks_before_the_word_for_those_who_never_click_is_spared_it():
    life = letters(reader(*TIERS), OPENED, OPENED, OPENED).at("2026-07-02 10:00")
    life.clicks("k28").at("2026-07-20 10:00")
    assert tiers(life)[1:] == [("active", "2026-07-02 10:00")]
    assert told(life) == [("active/more", "2026-07-05 10:00")]
    assert life.withheld == [Withheld("semi-active/closer", "stop_condition")]


def test_the_same_word_is_said_at_most_every_half_year():
    life = letters(reader(*TIERS), OPENED, CLICKED, OPENED).at("2026-07-10 10:00")
    # The click leaves the window after half a year, and comes again: active, semi-active, active.
    for day in ("2026-09-01", "2026-10-01", "2026-11-01", "2026-12-01"):
        letter(life.at(f"{day} 12:00"), "opens").reports("accepted")
    passes(life, "2026-12-12 12:00").clicks("k28")
    passes(life, "2026-12-30 12:00")
    assert [tier for tier, _ in tiers(life)] == ["active", "semi-active", "active"]
    assert [template for template, _ in told(life)].count("active/more") == 1


def test_who_cannot_be_measured_hears_nothing_about_it():
    life = letters(reader(*TIERS, watched=False), *[IGNORED] * 6)
    assert tiers(life.at("2027-06-01 10:00")) == []
    assert told(life) == []


# Silence (k25, k26, k27) and sunset


def silent(*only: str) -> Life:
    """Opened nothing since signing up; enough letters came to tell."""
    return letters(reader(*only), *[IGNORED] * 5).reports("accepted")


def test_half_a_year_of_silence_is_inactivity_to_the_millisecond():
    life = passes(silent("inactive"), "2027-01-10 10:00")
    # Half a year are 183 days; in December Paris is an hour behind June. With too few letters in
    # the half year there is nothing to measure by any more.
    assert tiers(life) == [
        ("semi-active", "2026-07-01 10:00"),
        ("inactive", "2026-12-01 09:00:00.001"),
        ("unmeasured", "2026-12-31 09:00:00.001"),
    ]


def test_silence_is_answered_step_by_step_and_ends_in_sunset():
    life = passes(silent(*SILENCE), "2027-03-01 09:00")
    assert told(life) == [
        ("inactive/come-back", "2026-12-02 10:00"),
        ("question/question", "2026-12-15 10:00"),
        ("last-chance/offer", "2027-01-15 10:00"),
    ]
    assert life.state.marks == {}
    life.sleeps(Duration(1))
    assert life.state.marks == {"sunset": life.instant("2027-03-01 09:00:00.001")}


def test_the_last_offer_is_a_fifth_off_for_two_days_more():
    life = passes(silent("last-chance"), "2027-01-15 10:00")
    (offer,) = life.of(facts.OfferMade)
    assert (offer.percent, life.wall(offer.until)) == (20, "2027-01-17 23:59:59.999")


def sunset() -> Life:
    return passes(silent(*SILENCE, "cart", "confirmation"), "2027-03-02 10:00")


def test_after_sunset_there_is_no_marketing_and_what_is_owed_goes_on():
    life = sunset().is_told_of(Campaign("after", "newsletter/news"))
    assert life.withheld[-1] == Withheld("newsletter/news", "consent")
    assert life.of(facts.MailWithheld)[-1].detail == "no sign of life after the last offer"


@pytest.mark.parametrize(
    "sign",
    [
        LOGIN,
        events.ProductViewed(product_id="hat"),
        events.OrderPaid(order_id="o1", total=9, currency="EUR"),
        events.ProductReviewed(product_id="hat", rating=3),
        events.SurveyAnswered(survey_id="relevance", score=7),
        events.PreferenceUpdated(frequency="monthly"),
        events.PreferenceUpdated(topics={"news": True}),
    ],
    ids=lambda sign: type(sign).__name__,
)
def test_any_sign_of_life_after_sunset_brings_everything_back(sign):
    life = sunset().tell(sign)
    assert len(life.of(facts.CameBack)) == 1
    assert life.state.marks == {}
    assert life.state.tier != "inactive"
    letter(life.sleeps(days(40)))


@pytest.mark.parametrize("deed", ["opens", "clicks"])
def test_a_person_who_does_something_with_the_last_offer_stays(deed):
    life = passes(silent(*SILENCE), "2027-01-16 10:00")
    getattr(life, deed)("k27")
    passes(life, "2027-06-01 10:00")
    assert life.state.marks == {}
    assert len(life.of(facts.CameBack)) == 1


@pytest.mark.parametrize("deed", ["opens", "clicks"])
def test_a_machine_that_does_something_with_it_is_no_sign_of_life(deed):
    life = passes(silent(*SILENCE), "2027-01-16 10:00")
    getattr(life, deed)("k27", human=False)
    passes(life, "2027-03-02 10:00")
    assert life.of(facts.CameBack) == []


def test_what_the_shop_does_is_no_sign_of_life_of_the_customer():
    life = passes(silent(*SILENCE), "2026-12-20 10:00")
    life.tell(events.OrderDelivered(order_id="o1")).tell(events.InvoicePaid(invoice_id="i1"))
    life.tell(events.LoginAttempted(success=False))
    assert life.of(facts.CameBack) == []


def test_a_sign_of_life_before_the_steps_ends_them_all():
    life = passes(silent(*SILENCE), "2026-12-10 10:00").tell(LOGIN)
    passes(life, "2027-03-10 10:00")
    assert [template for template, _ in told(life)] == ["inactive/come-back"]
    left = {(fact.key, fact.detail) for fact in life.of(facts.Left)}
    assert left == {("question", "Sign Of Life"), ("last-chance", "Sign Of Life")}


# The question (k26) and its answers


def asked() -> Life:
    return passes(silent("question"), "2026-12-15 12:00")


def test_an_answer_about_the_relevance_is_kept_and_ends_the_question():
    life = passes(silent("question"), "2026-12-10 10:00")
    life.tell(events.SurveyAnswered(survey_id="relevance", score=4))
    passes(life, "2027-01-10 10:00")
    assert life.state.relevance == 4
    assert told(life) == []
    assert life.withheld[-1] == Withheld("question/question", "stop_condition")


def test_the_answer_how_often_is_obeyed_from_that_moment():
    life = asked().tell(events.PreferenceUpdated(frequency="monthly"))
    asked_at = life.instant("2026-12-15 10:00")
    for _ in range(20):
        life.sleeps(days(3)).is_told_of(Campaign(f"c{next(NUMBERS)}", "newsletter/news"))
        life.reports("accepted")
    after = [mail.at for mail in life.sent if mail.at > asked_at]
    gaps = [later - earlier for earlier, later in zip([asked_at, *after], after, strict=False)]
    assert len(after) == 2
    assert all(gap >= days(30) for gap in gaps)


def test_who_wants_nothing_any_more_gets_nothing_any_more():
    life = asked().tell(events.PreferenceUpdated(frequency="never"))
    for _ in range(5):
        life.sleeps(days(9)).is_told_of(Campaign(f"c{next(NUMBERS)}", "newsletter/news"))
    assert life.kinds[-1] == "k26"
    assert {reason for _, reason in life.withheld[-5:]} == {"cap"}
