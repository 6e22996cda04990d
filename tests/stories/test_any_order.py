"""One checkout, told late, twice and in any order, comes to the same mails (wire §1)."""

from __future__ import annotations

import random
from itertools import permutations

import trio

from ecrm import moment
from tests.worlds import instant

LINE = {"product_id": "cup", "name": "cup", "price": 10}
ORDER = {"order_id": "o", "total": 10, "currency": "EUR", "products": [LINE]}

# What happened, and when: the six events of a checkout.
CHECKOUT = (
    ("Product Added", "09:30", LINE),
    ("Checkout Started", "09:35", {"products": [LINE]}),
    ("Checkout Step Completed", "09:38", {"step": "shipping"}),
    ("Payment Info Entered", "09:40", {}),
    ("Order Completed", "09:41", ORDER),
    ("Order Paid", "09:42", ORDER),
)
EXPECTED = [("k11", "2026-03-02 10:00"), ("k12", "2026-03-03 10:00")]


def told(user, number, event, at, properties, visitor=""):
    """An event as a message; the order is this customer's own."""
    named = {**properties, **({"order_id": f"o-{user}"} if "order_id" in properties else {})}
    who = {"anonymousId": f"v-{user}"} if visitor else {"userId": user}
    return {
        "type": "track",
        "messageId": f"{user}/{number}",
        "event": event,
        "timestamp": moment.format_instant(instant(f"2026-03-02 {at}")),
        "properties": named,
        **who,
    }


def known(user):
    """Who they are, and that they agreed: told before, so that a reminder could go."""
    yes = {"purpose": "email_marketing", "state": "granted"}
    return [
        {"type": "identify", "messageId": f"{user}/i", "userId": user,
         "traits": {"email": f"{user}@customers.example"}},
        {"type": "track", "messageId": f"{user}/c", "userId": user, "event": "Consent Updated",
         "properties": yes},
    ]  # fmt: skip


def shuffled(chance, messages):
    """With repeats, in any order."""
    twice = [*messages, *chance.sample(messages, 3)]
    chance.shuffle(twice)
    return twice


async def sent_to(world, users):
    """What each of these was sent, and how their last mails went."""
    sent = {user: [] for user in users}
    for mail in world.mails():
        sent[mail.to.partition("@")[0]].append((mail.kind, mail.at))
    return sent


async def test_a_checkout_told_in_any_of_its_orders_comes_to_the_same_mails(autojump_clock, world):
    shop = await world.shop()
    # All 720 are tried without the machinery, in tests/ecrm/test_any_order.py.
    chosen = random.Random(0).sample(list(permutations(range(6))), 60)
    orders = {f"c{n}": order for n, order in enumerate(chosen)}
    for user, order in orders.items():
        await shop.client.send(known(user) + [told(user, n, *CHECKOUT[n]) for n in order])
    await world.until("2026-03-05 10:00")
    sent = await sent_to(world, orders)
    assert {user: mails for user, mails in sent.items() if mails != EXPECTED} == {}


async def test_repeats_and_two_connections_change_nothing(autojump_clock, world):
    shops = [await world.shop(), await world.shop()]
    chance = random.Random(1)
    users = [f"c{n}" for n in range(40)]
    halves = [[], []]
    for user in users:
        await shops[0].client.send(known(user))
        said = shuffled(chance, [told(user, n, *one) for n, one in enumerate(CHECKOUT)])
        for message in said:
            halves[chance.random() < 0.5].append(message)
    async with trio.open_nursery() as nursery:
        for shop, half in zip(shops, halves, strict=True):
            nursery.start_soon(shop.client.send, half)
    await world.until("2026-03-05 10:00")
    sent = await sent_to(world, users)
    assert {user: mails for user, mails in sent.items() if mails != EXPECTED} == {}


async def test_split_over_a_visitor_and_a_person_it_comes_to_the_same_mails(autojump_clock, world):
    """The browser tells the first four as a visitor, the back end the order; who the visitor was is
    told at any time between, by identify or by alias.
    """
    shop = await world.shop()
    chance = random.Random(2)
    users = [f"c{n}" for n in range(60)]
    for n, user in enumerate(users):
        bound = {"type": "identify", "anonymousId": f"v-{user}"}
        if n % 2:
            bound = {"type": "alias", "previousId": f"v-{user}"}
        said = [told(user, k, *one, visitor="v" * (k < 4)) for k, one in enumerate(CHECKOUT)]
        said.append({**bound, "messageId": f"{user}/b", "userId": user})
        await shop.client.send(known(user))
        await shop.client.send(shuffled(chance, said))
    await world.until("2026-03-05 10:00")
    sent = await sent_to(world, users)
    assert {user: mails for user, mails in sent.items() if mails != EXPECTED} == {}


# An order that arrives after its cart mail.


async def test_an_order_heard_when_the_reminder_waits_in_the_queue_takes_it_back(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup", at="2026-03-02 09:10")
    await world.ask("pause", scope="all", why="a rehearsal")
    await world.until("2026-03-02 10:30")
    assert await world.queue() == [("zoe", "k07", "queued")]
    await shop.track("zoe", "Order Paid", at="2026-03-02 09:30", **ORDER)
    await world.ask("resume", scope="all")
    await world.until("2026-03-02 10:31")
    assert world.kinds("zoe") == [("k11", "2026-03-02 10:30")]
    assert await world.unsent("zoe", "k07") == [("k07", "cart", "cancelled")]


async def test_an_order_heard_after_the_reminder_left_is_told_when_one_asks_why(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup", at="2026-03-02 09:10")
    await world.until("2026-03-02 10:30")
    (reminder,) = world.letters()
    await shop.track("zoe", "Order Paid", at="2026-03-02 09:30", **ORDER)
    await world.until("2026-03-02 10:31")
    mail_id = str(reminder["Message-ID"]).strip("<>").rpartition("@")[0].rpartition(".")[0]
    answer = await world.ask("why", mail=mail_id)
    assert answer["ok"], answer
    story = " | ".join(str(what) for one in answer["result"]["story"] for what in one.values())
    assert (
        "Order Paid was heard, which had happened at 2026-03-02T08:30:00Z, before this mail "
        "left: heard in time, it would have stopped it"
    ) in story
