"""What an operator looks up and does beside the queue: drain, letters, the held, the journal."""

from __future__ import annotations

import trio

from tests.stories.test_operations import asked, refused
from tests.worlds import open_world


class Slow:
    """A transport that takes a minute for a lot."""

    def __init__(self, real):
        self._real = real
        self.name, self.lines, self.lot, self.repeatable = "post", 2, 1, 0

    async def send(self, letters):
        await trio.sleep(60)
        return await self._real.send(letters)

    async def took(self, mail):
        return await self._real.took(mail)


async def test_a_drain_finishes_what_is_in_hand_and_survives_a_restart(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock) as world:
        delivery = world.service.delivery
        delivery._transport = Slow(delivery._transport)
        shop = await world.shop()
        for name in ("ana", "bob", "zoe"):
            await shop.registers(name)
        began = world.clock.now()
        drained = await asked(world, "drain", reason="a new machine")
        assert world.clock.now() - began == 60_000
        assert (drained["in_hand"], drained["finished"], drained["sent"]) == (0, 2, 2)
        assert drained["queue"]["queued"] == 1
        assert len(world.mails()) == 2
    async with open_world(tmp_path, autojump_clock, "2026-03-02 12:00") as world:
        (paused,) = (await asked(world, "queue"))["paused"]
        assert paused["reason"] == "a new machine"
        await world.until("2026-03-02 13:00")
        assert len(world.mails()) == 2
        await asked(world, "resume")
        await world.until("2026-03-02 13:01")
        assert len(world.mails()) == 3


async def test_a_transport_is_paused_by_its_name(autojump_clock, world):
    assert "maildir" in await refused(world, "pause", scope="transport", name="smtp")
    await asked(world, "pause", scope="transport", name="maildir")
    shop = await world.shop()
    await shop.registers("zoe")
    await world.until("2026-03-02 11:00")
    assert world.mails() == []
    await asked(world, "resume", scope="transport", name="maildir")
    await world.until("2026-03-02 11:01")
    assert len(world.mails()) == 1


async def test_a_mail_is_shown_as_it_went_or_built_again_and_says_so(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe")
    await world.until("2026-03-02 10:30")
    (row,) = (await asked(world, "queue"))["mails"]
    shown = await asked(world, "mail", mail=row["mail"])
    assert shown["state"] == "accepted"
    assert shown["built"] == "as it lies in the Maildir"
    (file,) = (world.service.settings.maildir / "new").iterdir()
    sent = file.read_text()
    assert shown["message"] == sent
    file.unlink()
    again = await asked(world, "mail", mail=row["mail"])
    assert "from the template of today" in again["built"]
    assert again["message"].partition("\n\n")[2] == sent.partition("\n\n")[2]
    assert "there is no mail 'x'" in await refused(world, "mail", mail="x")


async def test_the_secret_of_a_mail_is_never_shown(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await asked(world, "pause")
    await shop.track(
        "zoe", "Verification Code Requested", code="481516", expires_at="2026-03-02T09:10:00Z"
    )
    await world.until("2026-03-02 10:01")
    (row,) = (await asked(world, "queue"))["mails"]
    shown = await asked(world, "mail", mail=row["mail"])
    assert "its secret is not shown" in shown["built"]
    assert "481516" not in str(shown)


async def test_a_customer_is_found_by_id_and_by_address(autojump_clock, world):
    shop = await world.shop()
    for name in ("zoe", "zorro", "ana"):
        await shop.knows(name)
    await shop.knows("c1", email="Zoe.B@customers.example")
    found = await asked(world, "customers", search="zo")
    assert [one["customer"] for one in found["customers"]] == ["zoe", "zorro", "c1"]
    page = await asked(world, "customers", limit=2)
    assert [one["customer"] for one in page["customers"]] == ["ana", "c1"]
    after = await asked(world, "customers", limit=2, after=page["after"])
    assert [one["customer"] for one in after["customers"]] == ["zoe", "zorro"]


async def test_a_held_customer_is_released_and_lives_on(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.adds("zoe", "cup")
        world.service.system._held["zoe"] = "somebody wondered"
        world.service.system._slots.pop("zoe")
        await world.until("2026-03-02 12:00")
        (held,) = (await asked(world, "quarantine"))["held"]
        assert (held["customer"], held["reason"]) == ("zoe", "somebody wondered")
        assert await asked(world, "release", customer="zoe") == {
            "customer": "zoe",
            "held": "no more",
        }
        await world.until("2026-03-02 12:01")
        assert world.kinds("zoe") == [("k07", "2026-03-02 12:00")]
        assert (await asked(world, "quarantine"))["held"] == []
        assert "is not held" in await refused(world, "release", customer="zoe")
        assert "name a customer" in await refused(world, "release")


async def test_what_changes_anything_is_noted_with_the_key(autojump_clock, world):
    websocket = await world.console()
    for op in ('"queue"', '"pause","reason":"prices"', '"resume"', '"resume"'):
        await websocket.send_message('{"id":1,"op":' + op + "}")
        await websocket.get_message()
    done = (await asked(world, "operations"))["operations"]
    assert [(one["key"], one["op"], one["about"], one["reason"]) for one in done] == [
        ("operator", "resume", "all", ""),
        ("operator", "pause", "all", "prices"),
    ]


async def test_what_failed_is_listed_and_shown_in_full(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    system = world.service.system
    decide = system._decide
    system._decide = lambda *_: 1 / 0
    await shop.client.send(
        [{"type": "track", "messageId": "x", "userId": "zoe", "event": "Product Added",
          "properties": {"product_id": "cup", "cart_id": "c"}}]
    )  # fmt: skip
    system._decide = decide
    (failed,) = (await asked(world, "quarantine"))["quarantine"]
    assert (failed["customer"], failed["error"]) == ("zoe", "ZeroDivisionError: division by zero")
    shown = await asked(world, "quarantine", number=failed["number"])
    assert "Traceback" in shown["traceback"]
    assert "cup" in shown["message"]
    assert "nothing in quarantine is 77" in await refused(world, "quarantine", number=77)
