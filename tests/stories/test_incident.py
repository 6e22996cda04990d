"""A customer complains: "I got no mail." What an operator asks, and what the service answers."""

from __future__ import annotations


async def why_not(world, customer, programme, **more):
    answer = await world.ask("why-not", customer=customer, programme=programme, **more)
    assert answer["ok"], answer
    return answer["result"]


async def foreseen(world, customer, days=60, **more):
    answer = await world.ask("forecast", customer=customer, days=days, **more)
    assert answer["ok"], answer
    return answer["result"]


async def campaign(shop, name):
    told = {"campaign_id": name, "template": "news", "subject": name}
    await shop.say("track", "?editor", event="Campaign Launched", properties=told)


async def test_she_got_no_review_mail(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "cup")

    # Nothing has left yet.
    await world.until("2026-03-10 10:00")
    said = await why_not(world, "zoe", "review")
    assert said["answer"]["outcome"] == "no_trigger"
    assert said["why_not"] == (
        "Nothing was heard that opens review: Order Fulfilled. It takes: the event Order Fulfilled."
    )

    # It is delivered, and she rates the shop 2: the parcel's question has its answer.
    await shop.ships("zoe", "o1")
    await world.until("2026-03-12 10:00")
    await shop.track("zoe", "Order Delivered", order_id="o1", fulfillment_id="p1")
    await shop.track("zoe", "Survey Answered", survey_id="site/o1", score=2)
    said = await why_not(world, "zoe", "parcel")
    assert said["answer"]["outcome"] == "left"
    assert said["why_not"].startswith(
        "parcel/o1 ended on 2026-03-12 10:00 (Europe/Paris), before its mail k17 arrived was due: "
        "Site Rated o1."
    )
    said = await why_not(world, "zoe", "review", language="fr")
    assert said["why_not"] == (
        "Le mail k18 product de review/o1 n'est pas dû avant le 09/04/2026 11:00 (Europe/Paris). "
        "Il part le 09/04/2026 11:00 (Europe/Paris)."
    )

    # Two campaigns before it: the cap puts it off, to the minute.
    for day in ("2026-04-07 09:00", "2026-04-08 09:00"):
        await world.until(day)
        await campaign(shop, day[:10])
    await world.until("2026-04-09 12:00")
    said = await why_not(world, "zoe", "review")
    assert (said["answer"]["outcome"], said["answer"]["reason"]) == ("deferred", "cap")
    assert said["goes_at"] == "2026-04-14 09:00 Europe/Paris"
    assert "cap (the last marketing mail is too recent)" in said["why_not"]

    # What was said of a day that is past is said again.
    then = await why_not(world, "zoe", "review", at="2026-03-10T09:59")
    assert then["answer"]["outcome"] == "no_trigger"
    await world.until("2026-04-14 10:00")
    assert world.kinds("zoe", "k18") == [("k18", "2026-04-14 09:00")]
    assert (await why_not(world, "zoe", "review"))["story"][0]["what"].startswith(
        "Mail k18 product of review/o1 was handed over on 2026-04-14 09:00"
    )


async def test_why_no_cart_mail(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("silent", consent=False)
    await shop.knows("buyer")
    for user in ("silent", "buyer", "?v1"):
        await shop.adds(user, "cup")
    await world.until("2026-03-02 10:30")
    await shop.pays("buyer", "o1", "cup")
    await world.until("2026-03-02 12:00")

    said = await why_not(world, "silent", "cart")
    assert (said["answer"]["outcome"], said["answer"]["reason"]) == ("withheld", "consent")
    assert [change["kind"] for change in said["changes"]] == ["consent"]
    assert said["goes_at"] == "2026-03-02 11:00 Europe/Paris"

    said = await why_not(world, "buyer", "cart")
    assert said["answer"]["outcome"] == "left"
    assert "Cart Emptied by Order Completed o1" in said["why_not"]

    said = await why_not(world, "visitor:v1", "cart")
    assert [change["kind"] for change in said["changes"]] == ["consent", "address"]
    assert said["tried"]

    # Who is known by now has taken the life of the visitor along.
    await shop.identify("late", visitor="v1", email="late@customers.example")
    await world.clock.settled()
    said = await why_not(world, "visitor:v1", "cart")
    assert said["why_not"] == "This life goes on as late: ask there."


async def test_what_is_foreseen_is_what_then_arrives(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe")
    await shop.pays("zoe", "o1", "cup")
    await shop.ships("zoe", "o1")
    await world.until("2026-03-02 23:30")
    await shop.adds("zoe", "pot")
    said = await foreseen(world, "zoe", 90)
    known = world.kinds("zoe")
    assert len(said["mails"]) >= 6
    assert any(mail["moved"] for mail in said["mails"])
    withheld = await world.unsent("zoe")
    await world.until("2026-05-31 23:00")
    arrived = [
        (letter["X-Ecrm-At"], letter["X-Ecrm-Kind"], str(letter["Subject"]))
        for letter in world.letters()
    ][len(known) :]
    assert [(m["at"], m["kind"], m["subject"]) for m in said["mails"]] == arrived
    unsent = (await world.unsent("zoe"))[len(withheld) :]
    assert [(m["kind"], m["mail"], m["reason"]) for m in said["withheld"]] == unsent


async def test_a_forecast_begins_no_month_in_the_books(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    books = world.service.system.ledger
    books.spent(world.clock.now())["cart"] = 5
    await foreseen(world, "zoe", 200)
    assert books.spent(world.clock.now()) == {"cart": 5}


async def test_what_if_she_had_paid(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    paid = {
        "type": "track",
        "event": "Order Paid",
        "properties": {
            "order_id": "o9",
            "total": 10,
            "currency": "EUR",
            "products": [{"product_id": "cup"}],
        },
    }
    said = await foreseen(world, "zoe", 2, event=paid, full=True)
    assert [mail["kind"] for mail in said["mails"]] == ["k11", "k12"]
    assert "o9" in said["mails"][0]["text"]
    # At the place before the cart, and with what would have come of either.
    there = (await world.ask("at", customer="zoe", steps=0, event=paid))["result"]
    assert any("k07 cart/reminder" in line for line in there["only_without"])
    assert any("k11 confirmation/confirmed" in line for line in there["only_with"])
    assert "paid order o9" in there["what_if_facts"]
    # Nothing of it has happened.
    await world.until("2026-03-02 12:00")
    assert world.kinds("zoe") == [("k07", "2026-03-02 11:00")]
