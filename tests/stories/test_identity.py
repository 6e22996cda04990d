"""Who a visitor turns out to be: what was left as a visitor is reminded to the person, once."""

from __future__ import annotations

from tests.worlds import Unsent, text_of


async def test_a_visitors_cart_is_reminded_to_the_person_they_turn_out_to_be(autojump_clock, world):
    shop = await world.shop()
    await shop.adds("?v1", "cup")
    await world.until("2026-03-02 10:30")
    await shop.identify("zoe", visitor="v1", email="zoe@customers.example", firstName="Zoé")
    await shop.consents("zoe")
    await world.until("2026-03-04 10:00")
    # The hour counts from when the visitor put it aside, not from when we learnt who it was.
    assert world.mails() == world.mails("zoe")
    assert world.kinds("zoe") == [("k07", "2026-03-02 11:00"), ("k08", "2026-03-04 10:00")]
    first, _ = world.letters()
    assert "Bonjour Zoé," in text_of(first)
    assert "- cup – 10,00 €" in text_of(first)


async def test_who_is_known_an_hour_later_is_reminded_then_and_once(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("?v1", "cup")
    await world.until("2026-03-02 12:30")
    await shop.identify("zoe", visitor="v1")
    await shop.identify("zoe", visitor="v1")
    await world.until("2026-03-03 10:00")
    # Not at once: whoever signs in may be about to buy.
    assert world.kinds() == [("k07", "2026-03-02 12:32")]
    # As a visitor nobody had agreed to anything.
    assert await world.unsent("visitor:v1") == [
        Unsent("k07", "cart/reminder", "consent"),
        Unsent("k08", "cart/offer", "stop_condition"),
    ]


async def test_who_is_known_too_late_gets_the_offer_but_no_reminder(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("?v1", "cup")
    await world.until("2026-03-02 13:01")
    await shop.identify("zoe", visitor="v1")
    await world.until("2026-03-04 10:00")
    assert world.kinds() == [("k08", "2026-03-04 10:00")]
    assert await world.unsent("zoe") == [Unsent("k07", "cart/reminder", "deadline")]


async def test_an_alias_joins_two_lives_as_an_identify_does(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("?v1", "cup")
    await shop.say("alias", "zoe", previousId="v1")
    await world.until("2026-03-03 10:00")
    assert world.kinds() == [("k07", "2026-03-02 11:00")]


async def test_the_carts_of_both_lives_become_one(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "pot")
    await world.until("2026-03-02 10:20")
    await shop.adds("?v1", "cup")
    await world.until("2026-03-02 10:30")
    await shop.identify("zoe", visitor="v1")
    await world.until("2026-03-03 10:00")
    assert world.kinds() == [("k07", "2026-03-02 11:20")]
    text = text_of(world.letter("k07"))
    assert "- pot" in text
    assert "- cup" in text


async def test_an_order_of_the_visitor_stops_the_reminder_of_the_person(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 10:20")
    await shop.track("?v1", "Order Completed", order_id="o1", total=10, currency="EUR")
    await world.until("2026-03-02 10:30")
    await shop.identify("zoe", visitor="v1")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == []
    assert await world.unsent("zoe") == [Unsent("k07", "cart/reminder", "stop_condition")]


async def test_an_order_of_the_person_stops_the_reminder_of_what_the_visitor_left(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("?v1", "cup")
    await world.until("2026-03-02 10:20")
    await shop.track("zoe", "Order Completed", order_id="o1", total=10, currency="EUR")
    await world.until("2026-03-02 10:30")
    await shop.identify("zoe", visitor="v1")
    await world.until("2026-03-20 10:00")
    assert world.kinds() == []


async def test_what_a_visitor_puts_aside_after_the_persons_order_is_reminded(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Order Completed", order_id="o1", total=10, currency="EUR")
    await world.until("2026-03-02 10:20")
    await shop.adds("?v1", "cup")
    await shop.identify("zoe", visitor="v1")
    await world.until("2026-03-03 10:00")
    assert world.kinds() == [("k07", "2026-03-02 11:20")]


async def test_what_a_known_visitor_does_without_signing_in_is_the_persons(autojump_clock, world):
    shop = await world.shop()
    await shop.identify("zoe", visitor="v1", email="zoe@customers.example")
    await shop.consents("zoe")
    await shop.adds("?v1", "cup")
    await world.until("2026-03-02 11:00")
    assert world.kinds("zoe") == [("k07", "2026-03-02 11:00")]


async def test_a_visitors_consent_comes_along_and_never_outvotes_the_persons_own(
    autojump_clock, world
):
    shop = await world.shop()
    for user in ("yes", "no"):
        await shop.consents(f"?{user}")
        await shop.adds(f"?{user}", "cup")
    await shop.consents("no", "denied")
    for user in ("yes", "no"):
        await shop.identify(user, visitor=user, email=f"{user}@customers.example")
    await world.until("2026-03-02 11:00")
    assert world.kinds("yes") == [("k07", "2026-03-02 11:00")]
    assert world.kinds("no") == []


async def test_what_a_guest_is_owed_is_sent_to_the_person_who_gives_an_address(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.pays("?v1", "o1", "cup")
    await shop.track("?v1", "Invoice Issued", invoice_id="F-7", order_id="o1")
    starts = "2026-03-05T09:00:00Z"
    await shop.track("?v1", "Appointment Scheduled", appointment_id="D-1", starts_at=starts)
    await world.until("2026-03-03 12:00")
    await shop.identify("zoe", visitor="v1", email="zoe@customers.example")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k11", "k15", "k36") == [
        ("k11", "2026-03-03 12:00"),
        ("k15", "2026-03-03 12:00"),
        ("k36", "2026-03-04 10:00"),
    ]
    assert world.kinds("visitor:v1") == []


async def test_a_debt_that_was_paid_as_a_guest_is_not_reminded_to_the_person(autojump_clock, world):
    shop = await world.shop()
    await shop.track("?v1", "Invoice Overdue", invoice_id="F-7")
    await shop.track("?v1", "Invoice Overdue", invoice_id="F-8")
    await shop.track("?v1", "Invoice Paid", invoice_id="F-7")
    await shop.identify("zoe", visitor="v1", email="zoe@customers.example", locale="en")
    await world.until("2026-03-04 10:00")
    assert world.kinds() == [("k35", "2026-03-03 09:00")]
    assert "F-8" in text_of(world.letter("k35"))


# One computer, two people.


async def test_the_second_person_on_a_computer_learns_nothing_of_the_first(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("ana", firstName="Ana")
    await shop.knows("bob", firstName="Bob")
    await shop.adds("?v1", "secret-present")
    await shop.identify("ana", visitor="v1")
    await world.until("2026-03-02 10:30")
    await shop.identify("bob", visitor="v1")
    await shop.adds("?v1", "tray")
    await world.until("2026-03-20 10:00")
    ana = [text_of(x) for x in world.letters() if x["X-Ecrm-Customer"] == "ana"]
    bob = [text_of(x) for x in world.letters() if x["X-Ecrm-Customer"] == "bob"]
    reminded = ["2026-03-02 11:00", "2026-03-04 10:00", "2026-03-09 11:00"]
    assert [mail.at for mail in world.mails("ana")] == reminded
    assert [mail.at for mail in world.mails("bob")] == [
        "2026-03-02 11:30",
        "2026-03-04 10:30",
        "2026-03-09 11:30",
    ]
    assert all("secret-present" in text and "tray" not in text for text in ana)
    assert all("tray" in text and "secret-present" not in text for text in bob)
    assert "secret-present" not in str(await world.ask("inspect", customer="bob"))


async def test_the_order_of_the_second_person_does_not_stop_the_first_ones_reminder(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("ana")
    await shop.knows("bob")
    await shop.adds("?v1", "cup")
    await shop.identify("ana", visitor="v1")
    await shop.identify("bob", visitor="v1")
    await shop.track("?v1", "Order Completed", order_id="o1", total=10, currency="EUR")
    await world.until("2026-03-03 10:00")
    assert world.kinds() == [("k07", "2026-03-02 11:00")]
    assert world.mails()[0].to == "ana@customers.example"


async def test_visitors_of_the_same_name_as_a_person_are_somebody_else(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("?zoe", "cup")
    await world.until("2026-03-02 11:00")
    assert world.kinds() == []
    assert [mail.reason for mail in await world.unsent("visitor:zoe")] == ["consent"]


# One person, two ids.


async def test_what_was_done_under_an_older_id_goes_on_under_the_new_one(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("z1", firstName="Zoé")
    await shop.adds("z1", "cup")
    await world.until("2026-03-02 10:30")
    await shop.say("alias", "zoe", previousId="z1")
    await world.until("2026-03-03 10:00")
    # Address, consent and cart came along, and the older id is reminded of nothing.
    assert world.kinds("zoe") == [("k07", "2026-03-02 11:00")]
    assert world.mails("z1") == []
    assert world.letter("k07")["To"] == "z1@customers.example"


async def test_an_order_under_either_id_stops_the_reminder_of_both(autojump_clock, world):
    shop = await world.shop()
    for old, new in (("a1", "ana"), ("b1", "bob")):
        await shop.knows(old)
        await shop.knows(new)
    await shop.adds("a1", "cup")
    await shop.adds("bob", "cup")
    await world.until("2026-03-02 10:20")
    await shop.pays("ana", "o1", "cup")
    await shop.pays("b1", "o2", "cup")
    await shop.say("alias", "ana", previousId="a1")
    await shop.say("alias", "bob", previousId="b1")
    await world.until("2026-03-04 10:00")
    assert {kind for kind, _ in world.kinds()} == {"k11", "k12"}


async def test_what_is_told_of_an_older_id_later_is_the_persons(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.knows("z1")
    await shop.say("alias", "z2", previousId="z1")
    await shop.say("alias", "zoe", previousId="z2")
    await shop.adds("z1", "cup")
    await world.until("2026-03-02 10:30")
    # The shop's older back end has not heard of the new id.
    await shop.pays("z1", "o1", "cup")
    await world.until("2026-03-03 10:00")
    assert world.kinds("zoe") == [("k11", "2026-03-02 10:30")]
    assert world.mails("z1") == world.mails("z2") == []


async def test_the_caps_of_two_ids_add_up(autojump_clock, world):
    shop = await world.shop()
    for user in ("zoe", "z1"):
        await shop.registers(user)
        await shop.adds(user, f"cup-{user}")
    await world.until("2026-03-02 12:00")
    assert len([one for one in world.mails() if one.kind == "k07"]) == 2
    await shop.say("alias", "zoe", previousId="z1")
    await world.until("2026-03-09 10:59")
    # Two marketing mails had gone already: in these seven days there is room for none.
    assert [one for one in world.mails() if one.kind not in ("k01", "k07")] == []


async def test_who_was_welcomed_under_an_older_id_is_not_welcomed_again(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("z1")
    await world.until("2026-03-12 10:00")
    welcomed = world.kinds("z1")
    await shop.say("alias", "zoe", previousId="z1")
    await shop.registers("zoe")
    await world.until("2026-04-12 10:00")
    series = [kind for kind, _ in (*welcomed, *world.kinds("zoe"))]
    assert [kind for kind in series if kind <= "k05"] == ["k01", "k02", "k03", "k04", "k05"]


async def test_a_no_under_either_id_is_a_no(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await shop.knows("z1")
    await world.passes(60_000)
    await shop.consents("z1", "denied")
    await shop.say("alias", "zoe", previousId="z1")
    await world.until("2026-03-06 10:00")
    assert world.kinds() == []
    assert await world.unsent("zoe", "k07") == [Unsent("k07", "cart/reminder", "consent")]


async def test_ids_that_claim_each_other_are_one_and_nothing_is_lost(autojump_clock, world):
    shop = await world.shop()
    for user in ("ana", "bob"):
        await shop.knows(user)
        await shop.adds(user, f"cup-{user}")
    messages = [
        {"type": "alias", "messageId": "x1", "userId": "ana", "previousId": "bob"},
        {"type": "alias", "messageId": "x2", "userId": "bob", "previousId": "ana"},
    ]
    assert await shop.client.send(messages) == []
    await world.until("2026-03-02 12:00")
    (reminded,) = world.letters()
    assert reminded["X-Ecrm-Customer"] == "ana"
    assert "- cup-ana" in text_of(reminded)
    assert "- cup-bob" in text_of(reminded)


async def test_a_visitor_named_on_an_event_of_a_person_is_that_person(autojump_clock, world):
    """Segment's libraries put both ids on all they track."""
    shop = await world.shop()
    await shop.say("identify", "?v1", traits={"email": "zoe@customers.example"})
    await shop.consents("?v1")
    await shop.adds("?v1", "cup")
    await world.until("2026-03-02 10:30")
    order = {"order_id": "o1", "total": 10, "currency": "EUR"}
    await shop.say("track", "zoe", anonymousId="v1", event="Order Paid", properties=order)
    await world.until("2026-03-06 10:00")
    assert [mail.kind for mail in world.mails()] == ["k11", "k12"]
    assert await world.unsent("visitor:v1", "k07") == [
        Unsent("k07", "cart/reminder", "stop_condition")
    ]
