"""What follows a purchase: thanks, nursing, what goes with it, rewards, new editions, newsletters."""

from __future__ import annotations

import pytest

from ecrm import effects, facts, values
from ecrm.catalogue import Product
from ecrm.matters import Campaign, Release
from ecrm.moment import Duration, days, hours, minutes
from proto import events
from tests.lives import Life, Withheld


def bought(*products: str, order_id: str = "o1") -> events.OrderPaid:
    lines = tuple(
        events.Product(product_id=one, price=10, name=one) for one in products or ("tea",)
    )
    return events.OrderPaid(order_id=order_id, total=30, currency="EUR", products=lines)


def product(product_id: str, **more) -> Product:
    return Product(product_id, product_id.title(), price=1_000, currency="EUR", **more)


CANCELLED = events.OrderCancelled(order_id="o1")
REFUNDED = events.OrderRefunded(order_id="o1")


def buyer(*only: str, start: str = "2026-06-01 10:00") -> Life:
    """Who buys is not asked: what follows is about products like those (R1, §9.9)."""
    return Life(start=start, only=only).identify()


# Thanks (k12)


@pytest.mark.parametrize(
    ("paid", "thanked"),
    [
        ("2026-06-01 10:00", "2026-06-02 10:00"),
        ("2026-06-01 10:01", "2026-06-03 10:00"),
        ("2026-06-01 23:59", "2026-06-03 10:00"),
        # A day of 23 hours: twenty-four of them end at eleven.
        ("2026-03-28 10:00", "2026-03-30 10:00"),
    ],
)
def test_an_order_is_thanked_for_a_day_later_in_the_morning(paid, thanked):
    life = buyer("thanks", start=paid).tell(bought()).sleeps(days(10))
    assert life.mails == [("k12", "thanks/thanks", thanked)]


def test_every_order_is_thanked_for():
    life = buyer("thanks").tell(bought()).sleeps(days(30)).tell(bought(order_id="o2"))
    assert life.sleeps(days(10)).kinds == ["k12", "k12"]


@pytest.mark.parametrize("event", [CANCELLED, REFUNDED])
def test_an_order_that_does_not_stand_is_not_thanked_for(event):
    life = buyer("thanks").tell(bought()).sleeps(hours(2)).tell(event).sleeps(days(10))
    assert life.withheld == [Withheld("thanks/thanks", "stop_condition")]


def test_who_objected_is_thanked_all_the_same():
    life = buyer("thanks").tell(bought()).consents(given=False).sleeps(days(10))
    assert life.mails == [("k12", "thanks/thanks", "2026-06-02 10:00")]
    assert life.state.pressed == ()


def test_who_orders_again_before_the_thanks_have_gone_is_thanked_once():
    life = buyer("thanks").tell(bought()).sleeps(hours(2)).tell(bought(order_id="o2"))
    (mail,) = life.sleeps(days(10)).sent
    assert (life.wall(mail.at), mail.values.order.order_id) == ("2026-06-02 10:00", "o1")


@pytest.mark.parametrize("event", [CANCELLED, REFUNDED])
def test_thanks_in_the_queue_are_taken_back_when_the_order_does_not_stand(event):
    life = buyer("thanks").tell(bought()).sleeps(days(1)).tell(event)
    assert life.retracted == [("k12", f"{events.NAMES[type(event)]} o1")]


# Nursing (k22)


def nursed(*shelf: Product) -> Life:
    return buyer("nursing").shop_has(*shelf).tell(bought())


def test_the_second_order_is_worked_for_after_a_month_and_three_weeks_later():
    assert nursed().sleeps(days(120)).mails == [
        ("k22", "nursing/promotion", "2026-07-01 10:00"),
        ("k22", "nursing/second", "2026-07-22 10:00"),
    ]


def test_an_impulse_is_followed_by_a_promotion_of_four_weeks():
    life = nursed(product("tea", purchase_kind="impulse")).sleeps(days(31))
    (offer,) = life.of(facts.OfferMade)
    assert (offer.percent, life.wall(offer.until)) == (10, "2026-07-29 23:59:59.999")
    assert life.sent[0].values.offer.code == offer.code


def test_a_considered_purchase_is_followed_by_something_to_read():
    life = nursed(product("tea", purchase_kind="considered")).sleeps(days(120))
    assert life.mails == [
        ("k22", "nursing/editorial", "2026-07-01 10:00"),
        ("k22", "nursing/second", "2026-07-22 10:00"),
    ]
    assert life.of(facts.OfferMade) == []
    assert life.withheld == [Withheld("nursing/promotion", "condition")]


def test_of_an_order_with_both_the_considered_product_speaks():
    shelf = product("tea", purchase_kind="impulse"), product("pot", purchase_kind="considered")
    life = buyer("nursing").shop_has(*shelf).tell(bought("tea", "pot")).sleeps(days(31))
    assert life.mails == [("k22", "nursing/editorial", "2026-07-01 10:00")]


@pytest.mark.parametrize(
    ("cycles", "first", "second"),
    [
        ((20,), "2026-06-21 10:00", "2026-07-12 10:00"),
        ((90,), "2026-08-30 10:00", "2026-09-20 10:00"),
        # What is used up first counts, and never within a week of the confirmation.
        ((20, 90), "2026-06-21 10:00", "2026-07-12 10:00"),
        ((3,), "2026-06-08 10:00", "2026-06-29 10:00"),
        ((7,), "2026-06-08 10:00", "2026-06-29 10:00"),
        ((0,), "2026-07-01 10:00", "2026-07-22 10:00"),
    ],
)
def test_the_nursing_begins_when_what_was_bought_is_used_up(cycles, first, second):
    shelf = [product(f"p{n}", cycle_days=lasts) for n, lasts in enumerate(cycles)]
    life = buyer("nursing").shop_has(*shelf).tell(bought(*(one.product_id for one in shelf)))
    assert [mail.at for mail in life.sleeps(days(150)).mails] == [first, second]


def test_the_confirmation_itself_begins_the_nursing_of_what_is_bought_again_and_again():
    only = "confirmation", "nursing"
    shelf = product("tea", recurring=True, cycle_days=2)
    life = buyer(*only).shop_has(shelf).tell(bought()).sleeps(days(10))
    confirmation, promotion = life.sent
    assert (confirmation.values.order.recurring, confirmation.values.promote) == (True, True)
    assert promotion.at - confirmation.at == days(7)


@pytest.mark.parametrize(("after", "left"), [(10, 0), (40, 1), (60, 2)])
def test_a_second_order_ends_it(after, left):
    life = nursed().sleeps(days(after)).reports("accepted").tell(bought(order_id="o2"))
    assert life.sleeps(days(120)).kinds == ["k22"] * left


@pytest.mark.parametrize("event", [CANCELLED, REFUNDED])
def test_an_order_that_does_not_stand_is_not_nursed(event):
    life = nursed().sleeps(days(3)).tell(event).sleeps(days(120))
    assert life.withheld == [Withheld("nursing/promotion", "stop_condition")]


def test_the_second_order_takes_back_a_mail_that_waits_in_the_queue():
    life = nursed().sleeps(days(30)).tell(bought(order_id="o2"))
    assert life.retracted == [("k22", "Next Order")]


def test_who_is_a_customer_already_is_not_nursed():
    life = buyer("nursing").tell(bought()).tell(bought(order_id="o2")).tell(bought(order_id="o3"))
    assert life.sleeps(days(120)).mails == []


def test_the_last_word_shows_a_coupon_only_while_it_can_be_used():
    promotion, last = nursed().sleeps(days(120)).sent
    assert last.values.offer == promotion.values.offer
    # The service is down from before the last word until the morning after the coupon's last day.
    late = nursed().at("2026-07-22 09:00").skips(days(8))
    late.ticks()
    assert late.mails[1] == ("k22", "nursing/second", "2026-07-30 09:00")
    assert late.sent[1].values.offer is None


def test_the_nursing_proposes_what_goes_with_the_order_and_goes_without_it_too():
    shelf = product("tea", complements=("pot",)), product("pot")
    life = buyer("nursing").shop_has(*shelf, recent=("tea",)).tell(bought()).sleeps(days(31))
    assert [one.product_id for one in life.sent[0].values.proposals] == ["pot"]
    assert nursed().sleeps(days(31)).sent[0].values.proposals == ()


# Cross-selling (k21) and proposals inside the confirmation (k11)

SHELF = (
    product("tea", complements=("pot", "cup"), services=("gift",)),
    product("pot"),
    product("cup"),
    product("gift"),
)


def crossed() -> Life:
    return buyer("confirmation", "cross-sell").shop_has(*SHELF, recent=("tea",)).tell(bought())


def shown(life: Life, kind: str) -> list[list[str]]:
    mails = [mail for mail in life.sent if mail.kind == kind]
    return [[one.product_id for one in mail.values.proposals] for mail in mails]


def test_the_confirmation_proposes_a_service_and_an_accessory():
    assert shown(crossed(), "k11") == [["gift", "pot", "cup"]]


def test_the_confirmation_proposes_nothing_to_who_wants_no_marketing():
    life = buyer("confirmation").consents(given=False).shop_has(*SHELF, recent=("tea",))
    assert shown(life.tell(bought()), "k11") == [[]]


def test_what_goes_with_it_is_proposed_five_days_after_the_confirmation_was_sent():
    life = crossed().sleeps(hours(3)).reports("accepted").sleeps(days(20))
    # Five days after one in the afternoon, at the next ten in the morning.
    assert life.mails[1:] == [("k21", "cross-sell/suggestions", "2026-06-07 10:00")]
    assert shown(life, "k21") == [["pot", "cup"]]


def test_nothing_is_proposed_before_the_confirmation_was_sent():
    life = crossed().sleeps(days(20))
    assert life.kinds == ["k11"]


@pytest.mark.parametrize("outcome", ["dead", "suppressed", "expired"])
def test_nothing_is_proposed_to_whom_no_confirmation_could_be_sent(outcome):
    assert crossed().reports(outcome).sleeps(days(20)).kinds == ["k11"]


def test_what_was_bought_since_is_not_proposed():
    life = crossed().reports("accepted").sleeps(days(1)).tell(bought("pot", order_id="o2"))
    life.sleeps(days(6))
    assert shown(life, "k21")[0] == ["cup"]


def test_who_has_all_there_is_to_propose_gets_no_mail():
    life = crossed().reports("accepted").sleeps(days(1))
    life.tell(bought("pot", "cup", order_id="o2")).sleeps(days(20))
    assert shown(life, "k21") == []
    assert Withheld("cross-sell/suggestions", "missing_data") in life.withheld


@pytest.mark.parametrize("event", [CANCELLED, REFUNDED])
def test_nothing_goes_with_an_order_that_does_not_stand(event):
    life = crossed().reports("accepted").sleeps(days(1)).tell(event).sleeps(days(20))
    assert life.kinds == ["k11"]


# Affinity (k23)

RELATED = (
    product("tea", category="Drinks", affinity_categories=("Pastry", "Tableware")),
    product("cake", category="Pastry"),
    product("pie", category="pastry "),
    product("plate", category="Tableware"),
)


def animated() -> Life:
    return buyer("affinity").shop_has(*RELATED, recent=("tea",)).tell(bought())


def rounds(life: Life) -> list[str]:
    return [mail.at[:10] for mail in life.mails if mail.kind == "k23"]


def test_related_products_are_shown_every_six_weeks_six_times():
    life = animated().sleeps(days(500))
    assert rounds(life) == [
        "2026-07-13", "2026-08-24", "2026-10-05", "2026-11-16", "2026-12-28", "2027-02-08",
    ]  # fmt: skip
    assert {mail.at[11:] for mail in life.mails} == {"10:00"}


def test_each_purchase_starts_it_anew():
    life = animated().sleeps(days(100)).tell(bought("hat", order_id="o2")).sleeps(days(500))
    assert rounds(life) == [
        "2026-07-13", "2026-08-24",
        "2026-10-21", "2026-12-02", "2027-01-13", "2027-02-24", "2027-04-08", "2027-05-20",
    ]  # fmt: skip


def test_what_is_related_is_of_the_categories_the_purchase_names():
    (mail,) = animated().sleeps(days(43)).sent
    assert {one.product_id for one in mail.values.proposals} == {"cake", "pie", "plate"}
    assert {one.because for one in mail.values.proposals} == {"Tea"}


def test_with_only_one_product_to_show_there_is_no_mail():
    life = animated().sleeps(days(1)).tell(bought("cake", "pie", order_id="o2")).sleeps(days(60))
    assert life.mails == []
    assert life.withheld[-1] == Withheld("affinity/suggestions", "missing_data")


# Reward (k20)


def reviewed(product_id: str = "tea", rating: float = 4) -> events.ProductReviewed:
    return events.ProductReviewed(product_id=product_id, rating=rating)


def test_a_review_is_rewarded_at_once_whatever_it_says_and_whoever_says_it():
    life = buyer("reward", start="2026-06-01 23:30").consents(given=False).tell(bought())
    life.tell(reviewed(rating=1))
    assert life.mails == [("k20", "reward/reward", "2026-06-01 23:30")]
    mail = life.sent[0]
    assert (mail.values.review.name, mail.values.review.rating) == ("tea", 1)
    assert life.wall(mail.values.offer.until) == "2026-07-01 23:59:59.999"


def test_a_review_of_the_same_product_is_rewarded_once():
    life = buyer("reward").tell(bought()).tell(reviewed()).sleeps(days(90))
    life.tell(reviewed(rating=5))
    assert life.kinds == ["k20"]


def test_a_review_of_another_product_is_thanked_with_the_coupon_there_is():
    life = buyer("reward").tell(bought("tea", "cup")).tell(reviewed()).sleeps(days(10))
    life.tell(reviewed("cup"))
    assert life.kinds == ["k20", "k20"]
    assert len(life.of(facts.OfferMade)) == 1
    assert len({mail.values.offer.code for mail in life.sent}) == 1


def test_a_review_of_what_was_never_bought_is_not_rewarded():
    life = buyer("reward").tell(bought("tea")).tell(reviewed("cup"))
    assert (life.mails, life.withheld) == ([], [])


def test_a_coupon_is_told_to_the_shop_before_the_mail_that_promises_it():
    life = buyer("reward").tell(bought())
    before = len(life.effects)
    order = [type(one) for one in life.tell(reviewed()).effects[before:]]
    assert order == [effects.Notify, effects.Send]


# New edition (k24)

SEASON_9 = product("s9", series_id="season", edition="9")
SEASON_10 = product("s10", series_id="season", edition="10")
RELEASE = Release("s10", "season", "10", name="Season 10", price=1_000, currency="EUR")


def owner(start: str = "2026-06-01 10:00") -> Life:
    life = buyer("edition", start=start).shop_has(SEASON_9, SEASON_10)
    return life.tell(bought("s9")).sleeps(days(30))


def test_a_new_edition_is_told_to_whoever_has_an_earlier_one_with_the_owners_discount():
    life = owner().is_told_of(RELEASE)
    assert life.mails == [("k24", "edition/released", "2026-07-01 10:00")]
    mail = life.sent[0]
    assert (mail.values.release.name, mail.values.release.owned) == ("Season 10", "s9")
    assert (mail.values.offer.percent, life.wall(mail.values.offer.until)) == (
        10, "2026-07-15 23:59:59.999",
    )  # fmt: skip


def test_a_release_in_the_evening_is_told_in_the_morning():
    life = owner("2026-06-01 21:30").is_told_of(RELEASE).sleeps(days(1))
    assert life.mails == [("k24", "edition/released", "2026-07-02 08:00")]


def test_who_has_none_of_the_series_hears_nothing_and_nothing_happens():
    life = buyer("edition").tell(bought())
    before = len(life.facts)
    life.is_told_of(RELEASE)
    assert life.facts[before:] == []


def test_who_sent_the_earlier_one_back_hears_nothing():
    assert owner().tell(REFUNDED).is_told_of(RELEASE).mails == []


def test_who_has_no_address_hears_nothing_and_nothing_happens():
    life = Life(only=("edition", "newsletter")).shop_has(SEASON_9).tell(bought("s9")).consents()
    before = len(life.facts)
    life.is_told_of(RELEASE).is_told_of(NEWS)
    assert life.facts[before:] == []


@pytest.mark.parametrize(("rating", "told"), [(1, []), (2, []), (3, ["k24"]), (5, ["k24"])])
def test_who_was_not_happy_with_the_earlier_one_is_left_alone(rating, told):
    life = owner().tell(reviewed("s9", rating)).is_told_of(RELEASE)
    assert life.kinds == told
    assert [fact.detail for fact in life.of(facts.MailWithheld)] == (
        [] if told else ["series.disliked was true, needs != true"]
    )


def test_who_has_the_new_one_already_is_not_told_of_it():
    life = owner().tell(bought("s10", order_id="o2")).is_told_of(RELEASE)
    assert life.withheld == [Withheld("edition/released", "condition")]


def test_who_buys_it_while_the_mail_waits_is_not_told_of_it_any_more():
    waiting = owner("2026-06-01 21:30").is_told_of(RELEASE)
    waiting.sleeps(hours(1)).tell(bought("s10", order_id="o2")).sleeps(days(3))
    assert waiting.withheld == [Withheld("edition/released", "stop_condition")]
    queued = owner().is_told_of(RELEASE).sleeps(minutes(1)).tell(bought("s10", order_id="o2"))
    assert queued.retracted == [("k24", "Product Bought s10")]


def test_who_buys_something_else_is_still_told_of_it():
    life = owner("2026-06-01 21:30").is_told_of(RELEASE).tell(bought(order_id="o2"))
    assert life.sleeps(days(1)).kinds == ["k24"]


def test_a_release_that_could_not_be_told_within_a_week_is_old():
    life = owner().tell(events.PreferenceUpdated(frequency="never")).is_told_of(RELEASE)
    assert life.withheld == [Withheld("edition/released", "cap")]


# Newsletter (k28)

NEWS = Campaign("c7", "newsletter/news", subject="June")


def test_a_newsletter_goes_to_who_agreed_with_what_they_looked_at_and_left():
    life = Life(start="2026-06-01 10:00", only=("newsletter",)).identify().consents()
    life.tell(events.ProductAdded(product_id="tea", price=3, name="Tea"))
    life.tell(events.ProductViewed(product_id="hat", price=9, name="Hat")).is_told_of(NEWS)
    (mail,) = life.sent
    assert (mail.kind, mail.lane, mail.values.campaign.subject) == ("k28", 3, "June")
    assert [line.name for line in mail.values.cart.lines] == ["Tea"]
    assert [line.name for line in mail.values.viewed] == ["Hat"]


LOOKED_AT = events.ProductViewed(product_id="tea", name="Tea")


def test_who_has_bought_nothing_yet_has_the_taste_of_what_they_looked_at():
    life = Life().tell(events.ProductViewed(product_id="hat")).tell(LOOKED_AT)
    assert values.taste(life.state, {}).recent == ("tea", "hat")
    life.tell(bought("cup"))
    assert values.taste(life.state, {}).recent == ("cup",)


def test_who_sent_all_back_has_the_taste_of_what_else_they_looked_at():
    life = Life().tell(bought("cup")).tell(LOOKED_AT).tell(events.ProductViewed(product_id="cup"))
    assert values.taste(life.tell(REFUNDED).state, {}).recent == ("tea",)


@pytest.mark.parametrize(
    ("segment", "gets"),
    [("", True), ("orders.count == 1", True), ("orders.count > 1", False), ('tier == "x"', False)],
)
def test_a_newsletter_goes_to_whom_its_segment_describes(segment, gets):
    life = buyer("newsletter").tell(bought())
    life.is_told_of(Campaign("c7", "newsletter/news", segment=segment))
    assert life.kinds == (["k28"] if gets else [])


def test_who_does_not_care_for_news_gets_none():
    life = buyer("newsletter").tell(bought())
    life.tell(events.PreferenceUpdated(topics={"news": False})).is_told_of(NEWS)
    assert life.withheld == [Withheld("newsletter/news", "condition")]


def test_a_newsletter_waits_for_room_under_the_cap_for_three_days():
    life = buyer("newsletter").tell(bought())
    for n in range(4):
        life.is_told_of(Campaign(f"c{n}", "newsletter/news")).sleeps(Duration(1))
    life.sleeps(days(10))
    assert [mail.at[:16] for mail in life.mails] == ["2026-06-01 10:00", "2026-06-02 08:00"]
    assert [held.reason for held in life.withheld] == ["arbitration", "arbitration"]
