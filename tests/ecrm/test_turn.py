"""The interpreter: arbitration, deferral, deadlines, stays that move or vanish, lives that merge."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ecrm import customer, facts, messages, programmes, state
from ecrm.delays import after, latest
from ecrm.mail import MARKETING, TRANSACTIONAL
from ecrm.moment import CustomerId, Duration, Instant, days, hours, minutes, moment_of
from ecrm.pressure import Limits
from ecrm.programme import again, local, mail, mark, once, programme, skip
from ecrm.rules import Rules
from ecrm.state import Consent
from ecrm.turn import SETTLE
from proto import events
from proto.envelope import Message
from tests.lives import Life, Withheld, shop

OPEN_DAY = Limits(quiet=None)


def of(name, *steps, enrol=("Doorbell",), basis="consent", mail_class=MARKETING, **more):
    return programme(
        name, doc="", enrol=enrol, steps=steps, basis=basis, mail_class=mail_class, **more
    )


def living(*those, limits=OPEN_DAY, start="2026-06-01 10:00") -> Life:
    life = Life(start=start, rules=Rules(shop(), limits, those))
    return life.identify().consents()


def rung(life: Life, name: str = "Doorbell", **more) -> Life:
    return life.tell(events.Unlisted(name, {}), name=name, **more)


# Who goes first


def test_the_programme_of_higher_priority_goes_first_and_the_other_waits():
    life = rung(living(of("first", mail("a", kind="k01")), of("second", mail("b", kind="k02"))))
    assert life.mails == [("k01", "first/a", "2026-06-01 10:00")]
    (waits,) = life.of(facts.MailDeferred)
    assert (waits.kind, waits.reason, waits.detail) == ("k02", "arbitration", "k01 went first")
    life.sleeps(days(1))
    assert life.mails[1:] == [("k02", "second/b", "2026-06-02 06:00")]


def test_a_loser_that_cannot_wait_is_withheld_for_arbitration():
    short = mail("b", kind="k02", late=skip(after=hours(19)))
    life = rung(living(of("first", mail("a", kind="k01")), of("second", short)))
    assert life.withheld == [Withheld("second/b", "arbitration")]


def test_a_loser_that_can_wait_just_long_enough_waits():
    short = mail("b", kind="k02", late=skip(after=hours(20)))
    life = rung(living(of("first", mail("a", kind="k01")), of("second", short))).sleeps(days(1))
    assert life.kinds == ["k01", "k02"]


def test_of_one_priority_the_earlier_deadline_goes_first():
    soon = of("one", mail("a", kind="k02", late=skip(after=days(1))), per="order")
    life = living(soon)
    life.take(messages.Tick())
    rules = life.rules
    assert rules.priority == {"one": 0}
    stays = {
        f"one/{name}": state.Enrolment(
            programme="one", began_at=life.now, because="", step="a", due=due
        )
        for name, due in (("x", life.now), ("y", Instant(life.now - hours(1))))
    }
    life.state = replace(
        life.state, enrolments=stays, timers={key: stay.due for key, stay in stays.items()}
    )
    moment = moment_of(life.state.customer_id, life.state.seq, life.now)
    decided = customer.decide(rules, life.state, messages.Tick(), moment)
    assert [fact.key for fact in decided if isinstance(fact, facts.MailRequested)] == ["one/y"]


def test_what_is_owed_goes_beside_what_is_offered():
    owed = of("owed", mail("a", kind="k11"), basis="contract", mail_class=TRANSACTIONAL)
    life = rung(living(of("first", mail("b", kind="k02")), owed))
    assert sorted(life.kinds) == ["k02", "k11"]


def test_what_is_owed_does_not_weigh_on_what_is_offered():
    owed = of("owed", mail("a", kind="k11"), basis="contract", mail_class=TRANSACTIONAL)
    assert rung(living(owed)).state.pressed == ()


def test_where_no_marketing_is_allowed_it_is_withheld_for_the_cap_at_once():
    life = rung(living(of("first", mail("a", kind="k02")), limits=Limits(per_week=0)))
    assert life.withheld == [Withheld("first/a", "cap")]
    assert life.alarm is None


# Waiting


def test_a_mail_due_at_night_waits_for_the_morning():
    life = rung(living(of("one", mail("a", kind="k02")), limits=Limits(), start="2026-06-01 21:00"))
    (waits,) = life.of(facts.MailDeferred)
    assert (waits.reason, life.wall(waits.until)) == ("quiet_hours", "2026-06-02 08:00")
    assert life.sleeps(days(1)).mails == [("k02", "one/a", "2026-06-02 08:00")]


def test_a_mail_that_cannot_wait_for_the_morning_is_withheld_for_the_quiet_hours():
    short = mail("a", kind="k02", late=skip(after=hours(8)))
    life = rung(living(of("one", short), limits=Limits(), start="2026-06-01 23:00"))
    assert life.withheld == [Withheld("one/a", "quiet_hours")]


def test_a_condition_is_asked_again_when_a_mail_has_waited():
    step = mail("a", kind="k02", when="orders.count == 0")
    life = rung(living(of("one", step), limits=Limits(), start="2026-06-01 23:00"))
    life.tell(events.OrderCompleted(order_id="o1")).sleeps(days(1))
    assert life.withheld == [Withheld("one/a", "condition")]
    assert life.of(facts.MailWithheld)[0].detail == "orders.count was 1, needs == 0"


def test_a_step_at_a_local_time_waits_for_it():
    life = rung(living(of("one", mail("a", kind="k02", after=days(2), at=local("09:30")))))
    assert life.sleeps(days(5)).mails == [("k02", "one/a", "2026-06-04 09:30")]


def test_a_mark_may_have_a_condition():
    life = living(of("one", mark("bought", after=days(1), when="orders.count > 0")))
    assert rung(life).sleeps(days(2)).state.marks == {}


def test_a_mail_that_is_late_by_its_patience_still_goes():
    life = living(of("one", mail("a", kind="k02", after=days(1), late=skip(after=hours(2)))))
    rung(life).skips(hours(26)).ticks()
    assert life.mails == [("k02", "one/a", "2026-06-02 12:00")]


def test_a_mail_that_is_later_than_that_does_not():
    life = living(of("one", mail("a", kind="k02", after=days(1), late=skip(after=hours(2)))))
    rung(life).skips(Duration(hours(26) + 1)).ticks()
    assert life.withheld == [Withheld("one/a", "deadline")]
    assert life.of(facts.MailWithheld)[0].detail == "was due 2026-06-02T08:00:00Z, skipped 2h late"


def test_a_mail_is_not_handed_over_after_its_deadline():
    life = living(of("one", mail("a", kind="k02", late=skip(after=hours(2)))))
    (fact,) = rung(life).of(facts.MailRequested)
    assert life.wall(fact.mail.not_after) == "2026-06-01 12:00"


def test_steps_that_fell_due_together_are_all_answered_for():
    steps = (mail("a", kind="k02"), mail("b", kind="k03", after=days(1)), mark("c", after=days(2)))
    life = living(of("one", *steps), limits=Limits(per_week=9, min_gap=Duration(0), quiet=None))
    rung(life, occurred=Instant(life.now - days(5)))
    life.sleeps(SETTLE)
    assert life.kinds == ["k02", "k03"]
    assert life.state.marks == {"c": life.now}


def test_nothing_is_advertised_at_once_because_of_what_was_heard_late():
    life = living(of("one", mail("a", kind="k02")))
    rung(life, occurred=Instant(life.now - SETTLE))
    (deferred,) = life.of(facts.MailDeferred)
    assert (deferred.until, deferred.reason) == (life.now + SETTLE, "settling")
    assert life.sleeps(Duration(SETTLE - 1)).kinds == []
    assert life.sleeps(Duration(1)).kinds == ["k02"]


def test_what_is_owed_because_of_what_was_heard_late_goes_at_once():
    owed = of("owed", mail("a", kind="k11"), basis="contract", mail_class=TRANSACTIONAL)
    life = living(owed)
    rung(life, occurred=Instant(life.now - days(1)))
    assert life.kinds == ["k11"]


# Alarms


def test_a_tick_with_nothing_due_makes_nothing():
    life = rung(living(of("one", mail("a", kind="k02", after=days(1)))))
    assert life.sleeps(hours(23)).ticks() == ()


def test_a_late_tick_sends_one_mail():
    life = rung(living(of("one", mail("a", kind="k02", after=days(1))))).skips(days(9))
    life.ticks()
    assert life.ticks() == ()
    assert life.kinds == ["k02"]


def test_an_event_does_what_a_lost_tick_would_have_done():
    life = rung(living(of("one", mail("a", kind="k02", after=days(1))))).skips(days(1))
    rung(life, "Something Else")
    assert life.kinds == ["k02"]


# Coming and going


def test_a_programme_that_may_come_again_waits_for_its_pause():
    life = living(of("one", mark("a", after=days(1)), again=again(days(7))))
    rung(rung(life).sleeps(days(2)))
    assert life.alarm is None
    assert rung(life.sleeps(days(6))).alarm == "2026-06-10 10:00"


def test_a_programme_for_once_in_a_lifetime_does_not_come_again():
    life = living(of("one", mark("a", after=days(1)), again=once()))
    assert rung(rung(life).sleeps(days(400))).alarm is None


def test_who_is_in_a_programme_does_not_come_in_twice():
    life = rung(rung(living(of("one", mark("a", after=days(1))))))
    assert len(life.of(facts.Enrolled)) == 1


def test_nobody_comes_in_where_the_programmes_condition_fails():
    life = rung(living(of("one", mark("a", after=days(1)), when="orders.count > 0")))
    assert life.of(facts.Enrolled) == []


def test_a_clock_that_starts_again_moves_the_step_that_waits_for_it():
    step = mail("a", kind="k02", after=latest(after(days(1)), after(days(1), since="Knock")))
    life = rung(living(of("one", step))).sleeps(hours(5))
    rung(life, "Knock")
    assert life.alarm == "2026-06-02 15:00"


def test_an_older_knock_than_the_last_does_not_move_it_back():
    step = mail("a", kind="k02", after=latest(after(days(1)), after(days(1), since="Knock")))
    life = rung(living(of("one", step))).sleeps(hours(5))
    rung(rung(life, "Knock"), "Knock", occurred="2026-06-01 11:00")
    assert life.alarm == "2026-06-02 15:00"


def test_a_stay_in_a_programme_that_was_switched_off_ends_with_that_reason():
    life = Life().identify().consents().tell(events.ProductAdded(product_id="p1"))
    less = tuple(one for one in programmes.ALL if one.name != "cart")
    life.rules = Rules(shop(), of=less)
    life.sleeps(days(1))
    assert life.withheld == [Withheld("cart/reminder", "switched_off")]


def test_a_stay_whose_step_was_removed_ends_with_that_reason():
    life = Life().identify().consents().tell(events.ProductAdded(product_id="p1"))
    cart = next(one for one in programmes.ALL if one.name == "cart")
    life.rules = Rules(shop(), of=(replace(cart, steps=cart.steps[1:]),))
    moment = moment_of(life.state.customer_id, life.state.seq, Instant(life.now + hours(1)))
    decided = customer.decide(life.rules, life.state, messages.Tick(), moment)
    assert [fact.reason for fact in decided if isinstance(fact, facts.Left)] == ["switched_off"]


def test_a_clock_of_a_step_that_was_removed_moves_nothing():
    one = of("one", mail("a", kind="k02", after=after(days(1), since="Knock")))
    life = rung(living(one))
    life.rules = Rules(shop(), OPEN_DAY, (replace(one, steps=(replace(one.steps[0], name="b"),)),))
    moment = moment_of(life.state.customer_id, life.state.seq, Instant(life.now + hours(1)))
    knock = replace(
        life.message("track", "Knock", events.Unlisted("Knock", {})), timestamp=moment.now
    )
    decided = customer.decide(life.rules, life.state, knock, moment)
    assert [type(fact).__name__ for fact in decided] == ["Happened", "ClockSet"]


def test_the_same_decision_names_the_same_mail():
    life = Life().identify().signs_up()
    again_ = Life().identify().signs_up()
    ids = [fact.mail.mail_id for fact in life.of(facts.MailRequested)]
    assert ids == [fact.mail.mail_id for fact in again_.of(facts.MailRequested)]


def test_the_same_decision_about_somebody_else_names_another():
    one, other = (Life(customer_id=name).identify().signs_up() for name in ("a", "b"))
    assert (
        one.of(facts.MailRequested)[0].mail.mail_id != other.of(facts.MailRequested)[0].mail.mail_id
    )


# Visitors who turn out to be somebody


def visitor(name: str = "v") -> Life:
    return Life(customer_id=f"visitor:{name}", start="2026-06-01 10:00")


def person() -> Life:
    return Life(start="2026-06-01 10:00").identify().consents()


ADDED = events.ProductAdded(product_id="p1", price=20)
ORDERED = events.OrderCompleted(order_id="o1", total=20)


def test_who_says_who_they_are_brings_their_visitor_along():
    life = Life().identify(visitor="v")
    (told,) = [one for one in life.effects if type(one).__name__ == "Tell"]
    assert (told.customer_id, told.message) == ("visitor:v", messages.Bind("c1"))


def test_an_alias_brings_the_visitor_along_too():
    life = Life()
    said = replace(life.message("alias", "Aliased", events.SignedIn()), previous_id="v")
    life.take(said)
    assert [fact.visitor for fact in life.of(facts.Recognised)] == ["visitor:v"]
    assert [fact.former for fact in life.of(facts.Joined)] == ["v"]


def test_a_browsers_alias_never_names_another_person():
    life = Life()
    said = replace(life.message("alias", "Aliased", events.SignedIn()), previous_id="ana")
    life.take(replace(said, source="publishable"))
    assert [fact.visitor for fact in life.of(facts.Recognised)] == ["visitor:ana"]
    assert life.of(facts.Joined) == []


def test_an_event_that_names_both_brings_the_visitor_along_once():
    life = Life()
    both = life.message("track", "Signed In", events.SignedIn(), visitor="v")
    life.take(both)
    assert [fact.visitor for fact in life.of(facts.Recognised)] == ["visitor:v"]
    visitor().becomes(life).take(both)
    life.take(both)
    assert len(life.of(facts.Recognised)) == 1


def test_of_two_ids_that_claim_each_other_one_stays():
    ana, bob = Life(customer_id="ana"), Life(customer_id="bob")
    for one, other in ((ana, "bob"), (bob, "ana")):
        said = replace(one.message("alias", "Aliased", events.SignedIn()), previous_id=other)
        one.take(said)
    ana.take(messages.Bind(CustomerId("bob")))
    bob.take(messages.Bind(CustomerId("ana")))
    assert (ana.state.bound_to, bob.state.bound_to) == (None, "ana")


def test_a_visitors_cart_is_remembered_to_the_person():
    life = visitor().tell(ADDED).sleeps(minutes(20)).becomes(person()).sleeps(hours(2))
    assert life.mails == [("k07", "cart/reminder", "2026-06-01 11:00")]


def test_a_visitors_checkout_is_remembered_to_the_person():
    guest = visitor().tell(ADDED).sleeps(minutes(5)).tell(events.CheckoutStarted())
    life = guest.becomes(person()).sleeps(hours(2))
    assert life.mails == [("k07", "cart/reminder", "2026-06-01 10:15")]


def test_a_visitor_who_is_known_has_no_life_of_its_own_left():
    guest = visitor().tell(ADDED)
    guest.becomes(person())
    assert (guest.state.cart, guest.state.orders, guest.alarm) == (None, {}, None)
    assert guest.state.bound_to == "c1"


def test_both_carts_are_kept():
    life = person().tell(events.ProductAdded(product_id="p2"))
    visitor().sleeps(minutes(5)).tell(ADDED).tell(events.CheckoutStarted()).becomes(life)
    assert [line.product_id for line in life.state.cart.lines] == ["p1", "p2"]
    assert life.state.cart.step == "start"


def test_a_visitors_order_stops_the_persons_reminder():
    life = person().tell(ADDED)
    visitor().sleeps(minutes(30)).tell(ORDERED).becomes(life).sleeps(days(10))
    assert life.mails == []
    assert life.state.purchases.count == 1


def test_a_visitors_order_of_long_ago_stops_nothing():
    guest = visitor().tell(ORDERED).sleeps(Duration(hours(72) + 1))
    life = person().at("2026-06-04 09:55").tell(ADDED)
    guest.becomes(life).sleeps(hours(2))
    assert life.kinds == ["k07"]


def test_a_persons_order_stops_the_visitors_reminder():
    guest = visitor().tell(ADDED).sleeps(minutes(10))
    life = person().sleeps(minutes(5)).tell(ORDERED)
    assert guest.becomes(life).sleeps(days(10)).mails == []
    assert life.state.cart is None


def test_a_visitors_cart_newer_than_the_persons_order_is_remembered():
    life = person().tell(ORDERED)
    guest = visitor().sleeps(minutes(5)).tell(ADDED)
    assert guest.becomes(life).sleeps(hours(2)).mails == [
        ("k07", "cart/reminder", "2026-06-01 11:05")
    ]


def test_an_order_both_have_heard_of_is_one_order():
    life = person().tell(ORDERED)
    visitor().tell(ORDERED).becomes(life)
    assert (life.state.purchases.count, life.state.purchases.total) == (1, 2_000)


def test_the_persons_own_word_on_consent_stands():
    life = Life(start="2026-06-01 10:00").identify().consents(given=False)
    visitor().consents().becomes(life)
    assert not life.state.consents["email_marketing"].granted


def test_a_visitors_consent_holds_where_the_person_said_nothing():
    life = Life(start="2026-06-01 10:00").identify()
    visitor().consents().becomes(life)
    assert life.state.consents == {"email_marketing": Consent(granted=True, at=life.now)}


def test_to_be_bound_twice_brings_nothing_twice():
    guest, life = visitor().tell(ADDED).tell(ORDERED), person()
    guest.becomes(life)
    guest.becomes(life)
    assert life.state.purchases.count == 1


# Words from inside


@pytest.mark.parametrize(
    "message",
    [
        messages.Tick(),
        messages.Report("m", "accepted", "250 ok"),
        messages.Bind("c1"),
        messages.Inherit("visitor:v"),
    ],
)
def test_a_word_from_inside_reads_as_it_was_written(message):
    assert messages.decode(messages.encode(message)) == message


def test_an_event_is_journalled_without_its_secrets():
    secret = events.PasswordResetRequested(
        reset_url="https://shop.example/reset/abc", expires_at="2026-06-01T00:00:00Z"
    )
    message: Message = Life().message("track", "Password Reset Requested", secret)
    assert b"abc" not in messages.encode(message)


def test_a_report_names_the_mail_it_is_about():
    life = Life().identify().signs_up().reports("accepted")
    (heard,) = life.of(facts.Heard)
    assert (heard.kind, heard.key) == ("k01", "welcome")
    assert life.state.waiting == {}


def test_who_wants_one_mail_a_month_gets_one_a_month():
    life = Life().at("2026-03-02 10:00").identify().signs_up().consents()
    life.tell(events.PreferenceUpdated(frequency="monthly"))
    life.sleeps(days(32))
    assert [sent.kind for sent in life.mails] == ["k01", "k02"]
    assert [held.reason for held in life.withheld] == ["cap", "cap", "cap"]


@pytest.mark.parametrize("frequency", ["never", "off", 0])
def test_who_wants_no_mail_gets_what_is_owed_and_nothing_else(frequency):
    life = Life().at("2026-03-02 10:00").identify().signs_up().consents()
    life.tell(events.PreferenceUpdated(frequency=frequency))
    life.sleeps(days(32))
    assert [sent.kind for sent in life.mails] == ["k01"]


def test_a_frequency_nobody_knows_changes_nothing():
    life = Life().at("2026-03-02 10:00").tell(events.PreferenceUpdated(frequency="now and then"))
    assert life.state.wish is None


def test_a_frequency_said_twice_is_one_fact():
    life = Life().at("2026-03-02 10:00")
    life.tell(events.PreferenceUpdated(frequency=3)).tell(events.PreferenceUpdated(frequency=3))
    assert sum(isinstance(fact, facts.FrequencyWished) for fact in life.facts) == 1


# What was owed before there was an address


def test_a_confirmation_waits_for_the_address_and_goes_when_it_comes():
    life = Life(start="2026-06-01 10:00")
    life.tell(events.OrderPaid(order_id="o1", total=10, currency="EUR")).sleeps(hours(5))
    assert life.mails == []
    life.identify()
    assert [(sent.kind, sent.at) for sent in life.mails] == [("k11", "2026-06-01 15:00")]


def test_a_confirmation_that_never_found_an_address_is_withheld_after_three_days():
    life = Life(start="2026-06-01 10:00", only=("confirmation",))
    life.tell(events.OrderPaid(order_id="o1", total=10, currency="EUR")).sleeps(hours(72))
    assert life.withheld == [Withheld("confirmation/confirmed", "missing_data")]
    assert life.identify().mails == []


def test_a_guest_who_gives_an_address_is_still_owed_the_confirmation():
    guest = Life(customer_id="visitor:v1", start="2026-06-01 10:00")
    guest.tell(events.OrderPaid(order_id="o1", total=10, currency="EUR"))
    person = Life(customer_id="ana", start="2026-06-01 10:00").identify()
    known = guest.becomes(person)
    assert [sent.kind for sent in known.mails] == ["k11"]


def test_what_a_guest_was_owed_by_a_programme_that_is_switched_off_is_not_taken_over():
    guest = Life(customer_id="visitor:v1", start="2026-06-01 10:00")
    guest.tell(events.OrderPaid(order_id="o1", total=10, currency="EUR"))
    ana = Life(customer_id="ana", start="2026-06-01 10:00", only=("cart",)).identify()
    assert guest.becomes(ana).state.enrolments == {}


def test_two_stays_begun_at_the_same_instant_send_two_mails():
    life = Life(start="2026-06-01 10:00").identify().consents()
    at = life.now
    for product in ("tea", "cup"):
        life.tell(events.ProductAdded(product_id=product), occurred=at)
        life.sleeps(days(9))
        life.reports("accepted")
    first, *_, last = life.of(facts.MailRequested)
    assert len({fact.mail.mail_id for fact in life.of(facts.MailRequested)}) == len(life.mails)
    assert first.mail.at < last.mail.at


def test_a_cart_emptied_before_it_was_heard_of_stays_empty():
    life = Life(start="2026-06-01 10:00").identify().consents()
    then = life.now
    life.sleeps(minutes(5)).tell(events.CartEmptied(cart_id="k"))
    life.tell(events.ProductAdded(product_id="tea"), occurred=then).sleeps(days(9))
    assert life.mails == []


def test_who_withdraws_consent_gets_nothing_that_still_waits():
    life = Life(start="2026-06-01 10:00").identify().consents()
    life.tell(events.ProductAdded(product_id="tea")).sleeps(hours(1))
    assert life.kinds == ["k07"]
    life.consents(given=False)
    (retracted,) = life.of(facts.MailRetracted)
    assert (retracted.kind, retracted.because) == ("k07", "email_marketing was denied")


def test_no_cart_is_worth_more_than_a_row_can_hold():
    life = Life(start="2026-06-01 10:00").identify().consents()
    for product in ("tea", "cup"):
        life.tell(events.ProductAdded(product_id=product, price=10**12, quantity=10**6))
    life.tell(events.OrderPaid(order_id="o1", total=10**12, currency="EUR")).sleeps(minutes(1))
    life.tell(events.ProductAdded(product_id="pot", price=10**12, quantity=10**6)).sleeps(hours(1))
    assert life.kinds == ["k11", "k07"]


@pytest.mark.parametrize(
    "event",
    [
        events.OrderUpdated(order_id="o1"),
        events.OrderPrepared(order_id="o1"),
        events.OrderFulfilled(order_id="o1"),
        events.OrderDelivered(order_id="o1"),
    ],
)
def test_whatever_is_heard_first_of_an_order_its_cart_was_bought(event):
    life = Life(start="2026-06-01 10:00").identify().consents()
    life.tell(events.ProductAdded(product_id="tea")).sleeps(minutes(10)).tell(event)
    life.sleeps(days(9))
    assert [kind for kind in life.kinds if kind in ("k07", "k08")] == []


@pytest.mark.parametrize("address", ["a@x_y.org", '"quoted"@x.org', "=?utf-8?q?a?=@x.org"])
def test_an_address_that_cannot_be_written_to_is_as_good_as_none(address):
    life = Life(start="2026-06-01 10:00").identify(email=address).consents()
    life.tell(events.ProductAdded(product_id="tea")).sleeps(hours(1))
    assert life.withheld == [Withheld("cart/reminder", "missing_data")]
    life.tell(events.OrderPaid(order_id="o1", total=10, currency="EUR")).sleeps(hours(1))
    life.identify(email="a@example.org")
    assert life.kinds == ["k11"]


def test_a_line_in_another_currency_is_shown_without_a_price():
    life = Life(start="2026-06-01 10:00").identify().consents()
    life.tell(events.ProductAdded(product_id="tea", price=9, currency="EUR"))
    life.tell(events.ProductAdded(product_id="cup", price=5000, currency="JPY"))
    assert [line.price for line in life.state.cart.lines] == [900, 0]
