"""A customer's whole year through the real service, and the same year through the pure core.

What the gateway, the turn loop, SQLite, the alarms and delivery make of a year's messages is what
the core alone makes of them: fact for fact, mail for mail, instant for instant.
"""

from __future__ import annotations

import msgspec

from actors.slot import wake
from ecrm import facts, moment
from ecrm.moment import Duration
from ecrm.state import earliest_timer
from proto import codec, reception
from tests.lives import Life
from tests.worlds import Unsent, instant, local, open_world

ZOE = {"email": "zoe@customers.example", "firstName": "Zoé", "locale": "fr-FR"}
CONSENT = {"purpose": "email_marketing", "state": "granted"}
DENIAL = {"purpose": "email_marketing", "state": "denied"}


def put(product: str, price: float = 20) -> dict[str, object]:
    return {"product_id": product, "name": product, "price": price, "cart_id": "k"}


def order(order_id: str, *products: str) -> dict[str, object]:
    lines = [{"product_id": product, "name": product, "price": 20} for product in products]
    return {
        "order_id": order_id,
        "total": 20 * len(lines),
        "currency": "EUR",
        "products": lines,
    }


def parcel(order_id: str) -> dict[str, object]:
    return {"order_id": order_id, "fulfillment_id": "p1", "tracking_number": f"6A{order_id}"}


YEAR = (
    # She registers, and buys nothing for a month.
    ("2026-01-05 09:00", "identify", ZOE),
    ("2026-01-05 09:00", "Signed Up", {}),
    ("2026-01-05 09:01", "Consent Updated", CONSENT),
    # A cart late at night, left at the payment, and bought after the offer.
    ("2026-02-10 23:10", "Product Added", put("cup")),
    ("2026-02-10 23:20", "Checkout Started", {"cart_id": "k"}),
    ("2026-02-10 23:25", "Payment Info Entered", {"cart_id": "k"}),
    ("2026-02-13 12:00", "Order Completed", order("o1", "cup")),
    ("2026-02-13 12:02", "Order Paid", order("o1", "cup")),
    ("2026-02-13 16:00", "Order Prepared", {"order_id": "o1"}),
    ("2026-02-14 10:00", "Order Fulfilled", parcel("o1")),
    ("2026-02-17 11:00", "Order Delivered", {"order_id": "o1"}),
    ("2026-03-02 18:00", "Survey Answered", {"survey_id": "site/o1", "score": 5}),
    # A cart over the night in which the clocks go forward.
    ("2026-03-28 22:30", "Product Added", put("pot", 64)),
    ("2026-03-28 22:31", "Product Viewed", {"product_id": "tray"}),
    ("2026-04-20 20:00", "Product Reviewed", {"product_id": "cup", "rating": 4}),
    # Two orders that leave together, one of them delivered late, the other sent back.
    ("2026-05-04 08:30", "Order Completed", order("o2", "pot", "tea")),
    ("2026-05-04 08:30", "Order Paid", order("o2", "pot", "tea")),
    ("2026-05-04 08:40", "Order Completed", order("o3", "tray")),
    ("2026-05-04 08:40", "Order Paid", order("o3", "tray")),
    ("2026-05-05 07:00", "Order Fulfilled", parcel("o2")),
    ("2026-05-05 07:00", "Order Fulfilled", parcel("o3")),
    ("2026-05-19 19:00", "Order Delivered", {"order_id": "o2"}),
    ("2026-05-25 10:00", "Order Refunded", {"order_id": "o3"}),
    ("2026-05-25 10:00", "Order Refunded", {"order_id": "o2", "products": [{"product_id": "tea"}]}),
    # A holiday far away, a cart there, emptied; another kept.
    ("2026-07-10 06:00", "identify", {"timezone": "Pacific/Auckland"}),
    ("2026-07-11 10:00", "Product Added", put("hat")),
    ("2026-07-11 10:50", "Cart Emptied", {"cart_id": "k"}),
    ("2026-07-13 15:00", "Product Added", put("bag")),
    ("2026-07-20 09:00", "Order Completed", order("o4", "bag")),
    ("2026-07-20 09:00", "Order Cancelled", {"order_id": "o4"}),
    ("2026-08-01 12:00", "identify", {"timezone": "Europe/Paris", "locale": "en-GB"}),
    # A cart whose offer falls on the Sunday in which the clocks go back.
    ("2026-10-23 02:15", "Product Added", put("lamp", 89)),
    ("2026-10-30 09:00", "Order Paid", order("o5", "lamp")),
    ("2026-10-31 09:00", "Order Fulfilled", parcel("o5")),
    ("2026-11-10 09:00", "Shipment Updated", {"order_id": "o5", "status": "lost"}),
    # She has enough; what she buys is still confirmed, and thanked for.
    ("2026-12-01 09:00", "Consent Updated", DENIAL),
    ("2026-12-05 09:00", "Product Added", put("tea")),
    ("2026-12-08 09:00", "Order Paid", order("o6", "tea")),
)
END = "2027-01-05 09:00"

# Read off one run and checked line by line against mission §8 and §9.
SENT = [
    ("k01", "welcome/hello", "2026-01-05 09:00"),
    ("k02", "welcome/week-1", "2026-01-12 09:00"),
    ("k03", "welcome/week-2", "2026-01-19 09:00"),
    ("k04", "welcome/week-3", "2026-01-26 09:00"),
    ("k05", "welcome/week-4", "2026-02-02 09:00"),
    # Ten minutes after the checkout, by night; the offer after the quiet hours.
    ("k09", "cart/reminder", "2026-02-10 23:30"),
    ("k09", "cart/offer", "2026-02-13 08:00"),
    ("k11", "confirmation/confirmed", "2026-02-13 12:02"),
    ("k13", "preparation/prepared", "2026-02-13 16:00"),
    ("k14", "shipment/shipped", "2026-02-14 10:00"),
    # The two about the cart fill the week; the thanks are part of the order and wait for no room.
    ("k12", "thanks/thanks", "2026-02-15 10:00"),
    ("k17", "parcel/arrived", "2026-03-01 10:00"),
    ("k18", "review/product", "2026-03-16 10:00"),
    # Due the same morning, it lets the review go first.
    ("k22", "nursing/promotion", "2026-03-17 08:00"),
    ("k19", "review/reminder-1", "2026-03-26 10:00"),
    ("k10", "cart/reminder", "2026-03-28 23:30"),
    # The offer between the two had no room under the cap.
    ("k08", "cart/last-call", "2026-04-03 08:00"),
    ("k19", "review/reminder-2", "2026-04-05 11:00"),
    ("k22", "nursing/second", "2026-04-10 08:00"),
    ("k20", "reward/reward", "2026-04-20 20:00"),
    ("k11", "confirmation/confirmed", "2026-05-04 08:30"),
    ("k11", "confirmation/confirmed", "2026-05-04 08:40"),
    ("k14", "shipment/shipped", "2026-05-05 07:00"),
    ("k14", "shipment/shipped", "2026-05-05 07:00"),
    # Once for both.
    ("k12", "thanks/thanks", "2026-05-05 10:00"),
    ("k17", "parcel/arrived", "2026-05-20 08:00"),
    ("k17", "parcel/arrived", "2026-05-22 19:00"),
    # All of one order, a part of the other.
    ("k16", "refund/receipt", "2026-05-25 10:00"),
    ("k16", "refund/receipt", "2026-05-25 10:00"),
    ("k18", "review/product", "2026-06-04 08:00"),
    ("k19", "review/reminder-1", "2026-06-14 08:00"),
    ("k19", "review/reminder-2", "2026-06-24 08:00"),
    ("k07", "cart/reminder", "2026-07-13 16:00"),
    # Eight in the morning in Auckland.
    ("k08", "cart/offer", "2026-07-15 22:00"),
    ("k07", "cart/reminder", "2026-10-23 03:15"),
    ("k08", "cart/offer", "2026-10-25 08:00"),
    # Seven times 24 hours after the reminder the cap has room, and the night ends at eight.
    ("k08", "cart/last-call", "2026-10-30 08:00"),
    ("k11", "confirmation/confirmed", "2026-10-30 09:00"),
    ("k14", "shipment/shipped", "2026-10-31 09:00"),
    ("k12", "thanks/thanks", "2026-10-31 10:00"),
    ("k39", "carrier/update", "2026-11-10 09:00"),
    ("k11", "confirmation/confirmed", "2026-12-08 09:00"),
    ("k12", "thanks/thanks", "2026-12-09 10:00"),
]
# Of a shop that says nothing of how its products belong together, nothing can be proposed.
UNSENT = [
    Unsent("k08", "cart/last-call", "stop_condition"),
    Unsent("k25", "active/more", "missing_data"),
    Unsent("k21", "cross-sell/suggestions", "missing_data"),
    Unsent("k22", "nursing/editorial", "condition"),
    Unsent("k23", "affinity/suggestions", "missing_data"),
    Unsent("k10", "cart/offer", "cap"),
    # Each next order begins it anew.
    Unsent("k23", "affinity/suggestions", "stop_condition"),
    Unsent("k23", "affinity/suggestions", "stop_condition"),
    Unsent("k21", "cross-sell/suggestions", "missing_data"),
    Unsent("k21", "cross-sell/suggestions", "missing_data"),
    Unsent("k18", "review/product", "stop_condition"),
    Unsent("k23", "affinity/suggestions", "missing_data"),
    Unsent("k07", "cart/reminder", "stop_condition"),
    Unsent("k23", "affinity/suggestions", "stop_condition"),
    # It waited for room under the cap, and the order came first.
    Unsent("k08", "cart/last-call", "stop_condition"),
    Unsent("k23", "affinity/suggestions", "missing_data"),
    Unsent("k23", "affinity/suggestions", "missing_data"),
    Unsent("k23", "affinity/suggestions", "stop_condition"),
    Unsent("k21", "cross-sell/suggestions", "missing_data"),
    Unsent("k17", "parcel/arrived", "condition"),
    Unsent("k18", "review/product", "condition"),
    Unsent("k07", "cart/reminder", "consent"),
    Unsent("k08", "cart/offer", "consent"),
    Unsent("k23", "affinity/suggestions", "stop_condition"),
    Unsent("k08", "cart/last-call", "stop_condition"),
    Unsent("k19", "review/reminder-1", "condition"),
    Unsent("k21", "cross-sell/suggestions", "consent"),
    Unsent("k19", "review/reminder-2", "condition"),
]


def messages():
    for number, (at, name, told) in enumerate(YEAR):
        said = {"type": "track", "event": name, "properties": told}
        if name == "identify":
            said = {"type": "identify", "traits": told}
        yield at, {**said, "messageId": f"m{number}", "userId": "zoe"}


async def lived_in(world):
    """Live the year in a world."""
    shop = await world.shop()
    for at, said in messages():
        await world.until(at)
        assert await shop.client.send([said]) == []
        await world.passes(0)
    await world.until(END)


def lived_by_the_core(rules) -> Life:
    life = Life(customer_id="zoe", rules=rules, start=YEAR[0][0])
    for at, said in messages():
        lives_until(life, at)
        written = msgspec.json.encode(said)
        life.take(reception.receive(codec.JSON, written, life.now, "secret"))
        life.reports("accepted")
    lives_until(life, END)
    return life


def lives_until(life: Life, at: str) -> None:
    """As delivery does where nothing waits, every mail is reported at the instant it is decided."""
    then = instant(at)
    while (due := earliest_timer(life.state)) is not None and due <= then:
        life.sleeps(Duration(due - life.now)).reports("accepted")
    life.sleeps(Duration(then - life.now))


def without_replies(past):
    """The transport's own words are its own."""
    return [
        msgspec.structs.replace(fact, response="") if isinstance(fact, facts.Heard) else fact
        for fact in past
    ]


async def test_a_year_in_the_service_is_the_year_the_core_decides(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, YEAR[0][0]) as world:
        await lived_in(world)
        life = lived_by_the_core(world.service.system.rules)
        sent = [
            (
                letter["Message-ID"].partition(".")[0].strip("<"),
                letter["X-Ecrm-Kind"],
                letter["X-Ecrm-Programme"],
                moment.parse_instant(letter["X-Ecrm-At"]),
            )
            for letter in world.letters()
        ]
        decided = [
            (mail.mail_id, mail.kind, f"{mail.programme}/{mail.step}", mail.at)
            for mail in sorted(
                (fact.mail for fact in life.of(facts.MailRequested)),
                key=lambda mail: (mail.at, mail.kind, mail.mail_id),
            )
        ]
        assert sent == decided
        assert without_replies(await world.past("zoe")) == life.facts
        kept = await world.service.store.load([life.state.customer_id])
        assert wake(life.state.customer_id, kept["zoe"]).state == life.state
        assert [(kind, step, local(at)) for _, kind, step, at in sent] == SENT
        assert await world.unsent("zoe") == UNSENT
