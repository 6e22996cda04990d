"""What programmes came to, in exact numbers: of whom, by whom, and worth what (R19, R79, R85).

Seven people leave a cart in the same hour and get its reminder. Who is nobody's number is told too:
who did not agree to be seen, a machine, who bought without a mail, too late, or sent it all back.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from actors import numbers
from ecrm import facts
from ecrm.moment import DAY, HOUR, MINUTE
from tests.visits import followed, path, state_of
from tests.web.operators import HOSTILE, Operator, assert_harmless
from tests.worlds import open_world

FOLLOWED = ("open_tracking", "click_tracking")
MACHINE = "Mozilla/5.0"


class Story:
    def __init__(self, world, shop) -> None:
        self.world = world
        self.shop = shop

    async def leaves_a_cart(self, who, *granted):
        await self.shop.knows(who, locale="en")
        for purpose in granted:
            await self.shop.track(who, "Consent Updated", purpose=purpose, state="granted")
        front = self.world.service.settings.shop.public_url
        await self.shop.adds(who, "teapot", url=f"{front}/teapot")

    def letter(self, who):
        """The reminder of the cart."""
        found = [one for one in self.world.letters() if one["X-Ecrm-Customer"] == who]
        return next(one for one in found if one["X-Ecrm-Kind"] in ("k07", "k10"))

    async def opens(self, who, **browser):
        assert (await self.world.page(path("open", self.letter(who)), **browser))[0] == 200
        await self.world.passes(10_000)

    async def clicks(self, who, **browser):
        assert (await self.world.page(followed(self.letter(who))[0], **browser))[0] == 302
        await self.world.passes(10_000)

    async def told(self, name="cart", **about):
        return (await self.world.ask("programmes", programme=name, **about))["result"][name]

    async def step(self, name="reminder"):
        return next(one for one in (await self.told())["steps"] if one["name"] == name)


@pytest.fixture
async def story(world, autojump_clock):
    story = Story(world, await world.shop())
    for who in ("ana", "bob", "eve", "fay", "gus"):
        await story.leaves_a_cart(who, *FOLLOWED)
    await story.leaves_a_cart("cleo")
    await story.shop.knows("dan")
    await world.passes(70 * MINUTE)
    return story


def seen(by_people=0, of=0, by_machines=0, by_who_knows=0):
    return {"of": of, "by_people": by_people, "by_machines": by_machines,
            "by_who_knows": by_who_knows}  # fmt: skip


async def test_a_mail_is_counted_with_what_could_be_seen_of_it(autojump_clock, story):
    step = await story.step()
    assert step["numbers"]["decided"] == step["numbers"]["handed_over"] == 6
    assert step["numbers"]["opens"] == step["numbers"]["clicks"] == seen(of=5)
    await story.opens("ana")
    await story.opens("ana")
    await story.opens("bob", user_agent=MACHINE)
    nameless = story.world.service.web.app.test_client()
    await nameless.get(path("open", story.letter("eve")), headers={"User-Agent": ""})
    await story.world.passes(10_000)
    await story.clicks("ana")
    await story.clicks("bob", user_agent="Barracuda scanner")
    found = (await story.step())["numbers"]
    assert found["opens"] == seen(1, of=5, by_machines=1, by_who_knows=1)
    assert found["clicks"] == seen(1, of=5, by_machines=1)
    assert found["said"] == [
        "6 of 6 decided mails handed over",
        (
            "opened by people: 1 of the 5 that could be seen; apart from that 1 by machines and"
            " 1 by who knows"
        ),
        "clicked by people: 1 of the 5 that could be seen; apart from that 1 by machines",
    ]


async def everything_happens(story):
    """One buys within the window, one after it, one sends it back, one goes; one was not seen, one
    had a machine that clicked, and one no mail.
    """
    world, shop = story.world, story.shop
    for who in ("ana", "eve", "fay", "gus"):
        await story.clicks(who)
    await story.clicks("bob", user_agent="Barracuda scanner")
    await world.passes(HOUR)
    for who in ("ana", "bob", "cleo", "dan", "fay"):
        await shop.pays(who, f"o-{who}", "teapot", "cup")
    await shop.pays("gus", "o-gus", "teapot", currency="JPY", total=4_000)
    await world.passes(HOUR)
    await shop.track("fay", "Order Refunded", order_id="o-fay", total=20, currency="EUR")
    await shop.track(
        "ana", "Order Refunded", order_id="o-ana", total=4.5, currency="EUR",
        products=[{"product_id": "cup", "quantity": 1}],
    )  # fmt: skip
    await world.passes(7 * DAY)
    await shop.pays("eve", "o-eve", "teapot")
    await shop.track("gus", "Account Deleted")
    await world.passes(HOUR)


async def test_an_order_is_worth_something_to_the_mail_clicked_last_before_it(
    autojump_clock, story
):
    await everything_happens(story)
    found = (await story.step())["numbers"]
    assert (found["orders"], found["orders_undone"]) == (2, 1)
    assert found["revenue"] == {"EUR": "15.50", "JPY": "4000"}
    assert found["said"][-1] == (
        "2 orders after a click, worth 15.50 EUR, 4000 JPY; 1 more cancelled or paid back"
    )
    credited = [
        one for one in await story.world.past("ana") if isinstance(one, facts.OrderCredited)
    ]
    assert [(one.order_id, one.credit.step) for one in credited] == [("o-ana", "reminder")]
    for who in ("bob", "cleo", "dan", "eve"):
        kinds = {type(one) for one in await story.world.past(who)}
        assert facts.OrderPlaced in kinds
        assert facts.OrderCredited not in kinds


async def test_who_is_erased_stands_nowhere_and_stays_in_the_sums(autojump_clock, story):
    before = (await story.world.ask("status"))["result"]["tiers"]
    await everything_happens(story)
    assert await story.world.past("gus") == []
    after = (await story.world.ask("status"))["result"]["tiers"]
    assert (sum(before.values()), sum(after.values())) == (7, 6)
    assert (await story.step())["numbers"]["decided"] == 6


async def test_who_stands_where_is_told_and_moves_with_them(autojump_clock, story):
    assert ((await story.told())["here"], (await story.step("offer"))["here"]) == (6, 6)
    await story.shop.track("cleo", "Cart Emptied", cart_id="cart-cleo")
    await story.shop.pays("bob", "o1", "teapot")
    assert (await story.step("offer"))["here"] == 4
    await story.world.passes(2 * DAY)
    assert ((await story.step("offer"))["here"], (await story.step("last-call"))["here"]) == (0, 4)


async def test_a_month_is_that_of_the_decision(autojump_clock, story):
    march = await story.told(month="2026-03")
    april = await story.told(month="2026-04")
    assert (march["numbers"]["decided"], april["numbers"]["decided"]) == (6, 0)
    assert march["here"] == april["here"] == 6
    answer = await story.world.ask("programmes", month="March")
    assert answer["error"]["reason"] == "'March' is no month: write 2026-03"
    answer = await story.world.ask("programmes", programme="cartt")
    assert "cart" in answer["error"]["reason"]


async def test_a_click_on_a_mail_of_an_older_id_is_its_persons(autojump_clock, story):
    await story.shop.say("alias", "anna", previousId="ana")
    await story.world.passes(MINUTE)
    await story.clicks("ana")
    await story.shop.pays("anna", "o1", "teapot")
    assert (await story.step())["numbers"]["revenue"] == {"EUR": "10.00"}
    assert (await state_of(story.world, "anna")).orders["o1"].credit.step == "reminder"


async def test_an_order_as_a_guest_counts_once_its_person_is_known(autojump_clock, story):
    await story.clicks("ana")
    await story.shop.pays("?guest", "o1", "teapot")
    assert (await story.step())["numbers"]["orders"] == 0
    await story.shop.say("identify", "ana", anonymousId="guest", traits={})
    await story.world.passes(MINUTE)
    assert (await story.step())["numbers"]["orders"] == 1
    await story.shop.track("ana", "Order Cancelled", order_id="o1")
    found = (await story.step())["numbers"]
    assert (found["orders"], found["orders_undone"], found["revenue"]) == (0, 1, {})


async def test_a_credited_order_that_moves_with_its_life_is_counted_once(autojump_clock, story):
    await story.clicks("ana")
    await story.shop.pays("ana", "o1", "teapot")
    await story.shop.say("alias", "anna", previousId="ana")
    await story.world.passes(MINUTE)
    found = (await story.step())["numbers"]
    assert (found["orders"], found["revenue"]) == (1, {"EUR": "10.00"})
    await story.shop.track("anna", "Order Refunded", order_id="o1", total=10, currency="EUR")
    assert (await story.step())["numbers"]["orders_undone"] == 1
    tiers = (await story.world.ask("status"))["result"]["tiers"]
    assert sum(tiers.values()) == 7


async def test_numbers_survive_a_restart_and_are_what_the_lives_say(tmp_path, autojump_clock):
    async with open_world(tmp_path, autojump_clock) as world:
        story = Story(world, await world.shop())
        await story.leaves_a_cart("ana", *FOLLOWED)
        await world.passes(70 * MINUTE)
        await story.clicks("ana")
        await story.shop.pays("ana", "o1", "teapot")
        await world.passes(MINUTE)
        before = await story.told(), await world.service.store.numbers.stands()
    async with open_world(tmp_path, autojump_clock) as world:
        story = Story(world, None)
        assert (await story.told(), await world.service.store.numbers.stands()) == before
        assert before[0]["numbers"]["orders"] == 1
        state = await state_of(world, "ana")
        assert before[1] == numbers.places_of(state)


async def test_lives_of_an_older_release_are_counted_once_the_service_runs(
    tmp_path, autojump_clock
):
    async with open_world(tmp_path, autojump_clock) as world:
        story = Story(world, await world.shop())
        for who in ("ana", "bob"):
            await story.leaves_a_cart(who)
        await world.passes(MINUTE)
        before = await world.service.store.numbers.stands()
    with closing(sqlite3.connect(tmp_path / "ecrm.db")) as db, db:
        db.execute("DELETE FROM stands WHERE customer_id = 'ana'")
        db.execute("DELETE FROM meta WHERE name = 'numbers:whole'")
    async with open_world(tmp_path, autojump_clock) as world:
        await world.passes(MINUTE)
        assert await world.service.store.numbers.whole()
        assert await world.service.store.numbers.stands() == before


async def test_the_pages_tell_the_numbers_with_what_they_are_of(autojump_clock, story):
    await everything_happens(story)
    operator = Operator(story.world)
    await operator.enters()
    page = await operator.sees("/console/programmes")
    assert "clicked by people: 4 of the 5 that could be seen; apart from that 1 by machines" in page
    assert "where that was within 7d of a click" in page
    assert "programmes.cart.steps.offer.offer" in page
    assert "<td>default</td>" in page
    page = await operator.sees("/console/")
    assert "Customers who are known by an id, visitors left out: 6" in page
    assert "15.50 EUR<br>4000 JPY" in page
    answer = await operator.get("/console/programmes", month=HOSTILE)
    assert answer.status_code == 409
    assert_harmless(await answer.get_data(as_text=True), "programmes")


async def test_whatever_is_written_on_the_pages_runs_nothing(autojump_clock, story):
    await story.clicks("ana")
    await story.shop.track(
        "ana", "Order Completed", order_id=HOSTILE, total=5, currency="EUR",
        products=[{"product_id": HOSTILE, "price": 5}],
    )  # fmt: skip
    await story.world.ask("pause", scope="programme", name="cart", reason=HOSTILE)
    operator = Operator(story.world)
    await operator.enters()
    for place in ("/console/", "/console/programmes"):
        assert_harmless(await operator.sees(place), place)
    settings = (await story.told())["settings"]
    assert settings[-1]["from"] == "the console, until it is resumed"
