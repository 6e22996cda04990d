"""The order chain (k11, k13, k14): said at once, by day and by night, whatever was consented."""

from __future__ import annotations

from ecrm.delivery.limiter import limit
from tests.worlds import open_world, text_of

ORDER = {
    "order_id": "A-42",
    "total": 47.5,
    "shipping": 4.5,
    "tax": 7.92,
    "discount": 5,
    "currency": "EUR",
    "payment_method": "Carte bancaire",
    "products": [
        {"product_id": "cup", "name": "Tasse", "price": 18, "quantity": 2},
        {"product_id": "tea", "name": "Thé noir", "price": 12, "variant": "100 g"},
    ],
}


async def test_an_order_is_confirmed_when_it_is_paid_and_not_when_it_is_submitted(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Order Completed", **ORDER)
    await world.until("2026-03-02 10:30")
    assert world.kinds() == []
    await shop.track("zoe", "Order Paid", **ORDER)
    await world.passes(0)
    assert world.kinds() == [("k11", "2026-03-02 10:30")]


async def test_an_order_that_is_never_paid_is_never_confirmed(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Order Completed", **ORDER)
    await world.until("2026-04-30 10:00")
    assert world.kinds() == []


async def test_an_order_paid_twice_is_confirmed_once(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Order Paid", **ORDER)
    await world.until("2026-03-02 11:00")
    await shop.track("zoe", "Order Completed", **ORDER)
    await shop.track("zoe", "Order Paid", **ORDER)
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k11") == [("k11", "2026-03-02 10:00")]


async def test_the_confirmation_says_what_was_bought_in_french(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", firstName="Zoé", locale="fr-FR")
    await shop.track("zoe", "Order Paid", **ORDER)
    await world.passes(0)
    letter = world.letter("k11")
    assert "A-42" in letter["Subject"]
    text = text_of(letter)
    assert "Bonjour Zoé," in text
    assert "Numéro de commande : A-42" in text
    assert "Date : 2 mars 2026" in text
    assert "Paiement : Carte bancaire" in text
    assert "- Tasse × 2 – 36,00 €" in text
    assert "- Thé noir (100 g) – 12,00 €" in text
    assert "Livraison : 4,50 €" in text
    assert "Remise : −5,00 €" in text
    assert "Total : 47,50 € (dont taxes : 7,92 €)" in text


async def test_the_confirmation_says_what_was_bought_in_english(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("jack", locale="en-GB", timezone="Europe/London")
    await shop.track("jack", "Order Paid", **{**ORDER, "currency": "GBP", "total": 1_047.5})
    await world.passes(0)
    text = text_of(world.letter("k11"))
    assert "Order number: A-42" in text
    assert "- Tasse × 2 – £36.00" in text
    assert "Total: £1,047.50" in text


async def test_yen_have_no_cents(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("yui", locale="en")
    await shop.track("yui", "Order Paid", order_id="o1", total=4_800, currency="JPY")
    await world.passes(0)
    assert "Total: ¥4,800" in text_of(world.letter("k11"))


async def test_a_confirmation_has_the_headers_of_what_is_owed_and_none_of_marketing(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Order Paid", **ORDER)
    await world.passes(0)
    letter = world.letter("k11")
    assert letter["From"].addresses[0].addr_spec == "commandes@boutique.example"
    assert letter["To"] == "zoe@customers.example"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Feedback-ID"].startswith("txn:confirmation:ma-boutique:")
    assert letter["List-Id"] is letter["List-Unsubscribe"] is letter["List-Unsubscribe-Post"]
    assert letter["X-Ecrm-Programme"] == "confirmation/confirmed"


async def test_a_promotion_is_in_the_confirmation_only_where_marketing_is_allowed(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("yes", locale="en")
    await shop.knows("no", locale="en", consent=False)
    await shop.consents("no", "denied")
    await shop.pays("yes", "o1", "cup")
    await shop.pays("no", "o2", "cup")
    await world.passes(0)
    shown = {
        letter["X-Ecrm-Customer"]: "To go with your order" in text_of(letter)
        for letter in world.letters()
    }
    assert shown == {"yes": True, "no": False}


async def test_what_is_owed_goes_in_the_night_without_consent_and_beyond_the_cap(
    autojump_clock, world
):
    await world.until("2026-03-02 23:55")
    shop = await world.shop()
    await shop.knows("zoe", consent=False)
    await shop.consents("zoe", "denied")
    for number in range(5):
        await shop.pays("zoe", f"o{number}", "cup")
    await world.passes(0)
    assert world.kinds() == [("k11", "2026-03-02 23:55")] * 5


async def test_an_order_cancelled_before_it_is_paid_is_not_confirmed(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Order Completed", **ORDER)
    await shop.track("zoe", "Order Cancelled", order_id="A-42")
    await shop.track("zoe", "Order Paid", **ORDER)
    await world.until("2026-03-10 10:00")
    assert world.kinds() == []


async def test_a_confirmation_in_the_queue_is_not_taken_back(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 3_600)) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.pays("zoe", "o1", "cup")
        await shop.pays("zoe", "o2", "cup")
        await shop.track("zoe", "Order Cancelled", order_id="o2")
        await world.until("2026-03-02 11:00")
        assert await world.queue() == [("zoe", "k11", "accepted"), ("zoe", "k11", "accepted")]


async def test_what_is_owed_overtakes_the_marketing_that_waits(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 3_600)) as world:
        shop = await world.shop()
        for customer in ("c1", "c2", "c3"):
            await shop.knows(customer)
            await shop.adds(customer, "cup")
        await world.until("2026-03-02 11:20")
        await shop.pays("zoe", "o1", "cup")
        await shop.knows("zoe")
        await shop.pays("zoe", "o2", "cup")
        await world.until("2026-03-02 12:00")
        assert await world.queue() == [
            ("c1", "k07", "accepted"),
            ("c2", "k07", "queued"),
            ("c3", "k07", "queued"),
            ("zoe", "k11", "accepted"),
            ("zoe", "k11", "queued"),
        ]
        # The first order was paid before there was an address: it was owed all the same.
        assert await world.unsent("zoe", "k11") == []


async def test_the_preparation_is_told_once_and_only_of_an_order_that_stands(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "cup")
    await shop.pays("zoe", "o2", "cup")
    await shop.track("zoe", "Order Cancelled", order_id="o2")
    await world.until("2026-03-02 12:00")
    for order_id in ("o1", "o1", "o2"):
        await shop.track("zoe", "Order Prepared", order_id=order_id)
    await world.until("2026-03-03 10:00")
    assert world.kinds("zoe", "k13") == [("k13", "2026-03-02 12:00")]
    assert "o1" in text_of(world.letter("k13"))


async def test_a_parcel_is_told_with_its_tracking(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="fr")
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-03-03 22:15")
    await shop.ships("zoe", "o1", "p7")
    await world.until("2026-03-04 10:00")
    assert world.kinds("zoe", "k14") == [("k14", "2026-03-03 22:15")]
    text = text_of(world.letter("k14"))
    assert "Transporteur : Colissimo" in text
    assert "Numéro de suivi : 6A-p7" in text
    assert "Remis le : 3 mars 2026" in text
    assert "https://carrier.example/6A-p7" in text
    assert "- cup – 10,00 €" in text


async def test_each_parcel_is_told_once(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "cup", "pot")
    for parcel in ("p1", "p2", "p1"):
        await shop.ships("zoe", "o1", parcel)
    await world.until("2026-03-03 10:00")
    shipped = [letter for letter in world.letters() if letter["X-Ecrm-Kind"] == "k14"]
    assert sorted(p for p in ("p1", "p2") for x in shipped if f"6A-{p}" in text_of(x)) == [
        "p1",
        "p2",
    ]


async def test_the_same_message_sent_again_changes_nothing(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    paid = {
        "type": "track",
        "messageId": "the-same",
        "userId": "zoe",
        "event": "Order Paid",
        "properties": ORDER,
    }
    assert await shop.client.send([paid]) == []
    await world.passes(0)
    before = await world.past("zoe")
    await world.until("2026-03-02 11:00")
    assert await shop.client.send([paid]) == []
    assert await shop.client.send([paid, paid]) == []
    await world.passes(0)
    assert [kind for kind, _ in world.kinds()] == ["k11"]
    assert await world.past("zoe") == before


async def test_an_order_that_names_its_products_by_id_shows_what_the_catalogue_knows(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.track("", "Product Upserted", product_id="cup", name="Tasse bleue", price=18)
    await shop.knows("zoe")
    await shop.track(
        "zoe",
        "Order Paid",
        order_id="o1",
        total=18,
        currency="EUR",
        products=[{"product_id": "cup"}],
    )
    await world.passes(0)
    assert "- Tasse bleue – 18,00 €" in text_of(world.letter("k11"))


async def test_a_preparation_in_the_queue_is_taken_back_when_the_order_is_cancelled(
    autojump_clock, tmp_path
):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 3_600)) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.pays("zoe", "o1", "cup")
        await world.until("2026-03-02 10:10")
        for order_id in ("o1", "o2"):
            await shop.track("zoe", "Order Prepared", order_id=order_id)
        await shop.track("zoe", "Order Cancelled", order_id="o1")
        await world.until("2026-03-02 12:00")
        assert await world.queue() == [
            ("zoe", "k11", "accepted"),
            ("zoe", "k13", "cancelled"),
            ("zoe", "k13", "accepted"),
        ]
        assert "o2" in text_of(world.letter("k13"))
