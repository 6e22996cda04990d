"""What an operator does to the queue: stop, start again, take out, give another chance."""

from __future__ import annotations

from ecrm.catalogue import Taste
from ecrm.delivery.limiter import limit
from tests.worlds import open_world


async def asked(world, op, **request):
    answer = await world.ask(op, **request)
    assert answer["ok"], answer
    return answer["result"]


async def refused(world, op, **request):
    answer = await world.ask(op, **request)
    assert not answer["ok"]
    return answer["error"]["reason"]


async def test_a_paused_programme_waits_and_the_others_go(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    paused = await asked(
        world, "pause", scope="programme", name="confirmation", reason="a wrong price"
    )
    assert paused["paused"] == [
        {
            "scope": "programme",
            "name": "confirmation",
            "reason": "a wrong price",
            "since": "2026-03-02T09:00:00Z",
        }
    ]
    await shop.pays("zoe", "o1", "tea")
    await shop.track("zoe", "Order Prepared", order_id="o1")
    await world.until("2026-03-02 11:00")
    assert world.kinds("zoe") == [("k13", "2026-03-02 10:00")]
    await asked(world, "resume", scope="programme", name="confirmation")
    await world.until("2026-03-02 11:01")
    assert world.kinds("zoe", "k11") == [("k11", "2026-03-02 10:00")]


async def test_everything_can_be_stopped_and_a_restart_does_not_forget_it(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock) as world:
        await asked(world, "pause")
        shop = await world.shop()
        await shop.registers("zoe")
        await world.until("2026-03-02 10:30")
        assert world.kinds() == []
    async with open_world(tmp_path, autojump_clock, "2026-03-02 10:30") as world:
        assert [row["scope"] for row in (await asked(world, "queue"))["paused"]] == ["all"]
        await world.until("2026-03-02 11:00")
        assert world.kinds() == []
        await asked(world, "resume")
        await world.until("2026-03-02 11:01")
        assert world.kinds() == [("k01", "2026-03-02 10:00")]


async def test_a_paused_lane_or_domain_holds_up_no_other(autojump_clock, world):
    shop = await world.shop()
    await asked(world, "pause", scope="lane", name="2")
    await asked(world, "pause", scope="domain", name="Slow.Example")
    await shop.registers("zoe")
    await shop.registers("max", email="max@slow.example")
    await shop.adds("zoe", "tea")
    await world.until("2026-03-02 12:00")
    assert world.kinds() == [("k01", "2026-03-02 10:00")]
    assert sorted(await world.queue()) == [
        ("max", "k01", "queued"),
        ("zoe", "k01", "accepted"),
        ("zoe", "k07", "queued"),
    ]


async def test_what_is_no_name_is_refused_with_those_there_are(autojump_clock, world):
    assert "cart" in await refused(world, "pause", scope="programme", name="carts")
    assert "0, 1, 2, 3" in await refused(world, "pause", scope="lane", name="9")
    assert "not paused" in await refused(world, "resume", scope="domain", name="a.example")


async def test_a_mail_taken_out_of_the_queue_does_not_go_and_its_customer_knows(
    autojump_clock, tmp_path
):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 3_600)) as world:
        shop = await world.shop()
        await shop.registers("zoe")
        await shop.registers("max")
        await world.until("2026-03-02 10:01")
        (waiting,) = (await asked(world, "queue", state="queued"))["mails"]
        answer = await asked(world, "cancel-mail", mail=waiting["mail"], reason="a wrong subject")
        assert answer["state"] == "cancelled"
        await world.until("2026-03-02 13:00")
        assert [mail.to for mail in world.mails()] == ["zoe@customers.example"]
        assert [(one.kind, one.reason) for one in await world.unsent("max")] == [
            ("k01", "cancelled")
        ]


async def test_a_mail_that_came_too_late_gets_another_chance(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await asked(world, "pause")
    await shop.pays("zoe", "o1", "tea")
    await world.until("2026-03-05 23:00")
    await asked(world, "resume")
    await world.until("2026-03-05 23:01")
    (late,) = (await asked(world, "queue", state="expired"))["mails"]
    assert late["kind"] == "k11"
    again = await asked(world, "requeue", mail=late["mail"])
    assert again["until"] == "2026-03-08T22:01:00Z"
    await world.until("2026-03-05 23:02")
    assert world.kinds("zoe", "k11") == [("k11", "2026-03-02 10:00")]
    assert "only a mail that is dead or expired" in await refused(
        world, "requeue", mail=late["mail"]
    )


async def test_a_mail_nobody_knows_is_said_so(autojump_clock, world):
    assert "there is no mail 'x'" in await refused(world, "requeue", mail="x")
    assert "there is no mail ''" in await refused(world, "cancel-mail")


async def test_what_is_bought_together_is_learnt_anew_on_demand(autojump_clock, world):
    shop = await world.shop()
    for product in ("pot", "tea", "tray"):
        await shop.sells(product)
    for number in range(4):
        await shop.pays(f"buyer{number}", f"o{number}", "pot", "tea")
        await shop.pays(f"other{number}", f"x{number}", "tray")
    before = world.service.catalogue.shelf(Taste(recent=("pot",)), ("bought_with",))
    assert [one.product_id for one in before.proposals["bought_with"]] == ["tea"]
    assert await asked(world, "relearn") == {"orders": 8}
    after = world.service.catalogue.shelf(Taste(recent=("pot",)), ("bought_with",))
    assert after == before
