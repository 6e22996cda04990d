"""Mails that come late: decided again, merged into a later one, or still in time (design §5)."""

from __future__ import annotations

import pytest

from actors import overrides
from actors.transports.port import Handed
from ecrm import facts
from ecrm.delivery.limiter import limit
from ecrm.errors import Misconfigured
from tests.worlds import Unsent, open_world


class Outage:
    """A transport that reaches nobody until it is told otherwise."""

    def __init__(self, real):
        self._real = real
        self.over = False
        self.name, self.lines, self.lot, self.repeatable = "post", 2, 64, 0

    async def send(self, letters):
        if self.over:
            return await self._real.send(letters)
        return [Handed(one.mail.mail_id, "retry", "down", stage="connect") for one in letters]

    async def took(self, mail):
        return await self._real.took(mail)


def fails(world):
    delivery = world.service.delivery
    outage = Outage(delivery._transport)
    delivery._transport = delivery._settling._transport = outage
    return outage


async def test_after_an_outage_the_cart_reminder_shows_the_cart_as_it_is_now(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    outage = fails(world)
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 11:30")
    await shop.adds("zoe", "pot")
    await world.until("2026-03-02 11:50")
    outage.over = True
    await world.until("2026-03-02 12:30")
    assert [at for kind, at in world.kinds("zoe")] == ["2026-03-02 12:04"]
    text = world.letter("k07").get_body(("plain",)).get_content()
    assert "cup" in text
    assert "pot" in text
    assert await world.unsent("zoe") == [Unsent("k07", "cart", "stale")] * 2
    # The rest of the sequence goes on where it was.
    await world.until("2026-03-04 12:30")
    assert [kind for kind, _ in world.kinds("zoe")] == ["k07", "k08"]


async def test_an_outage_of_five_hours_leaves_no_reminder_later_than_three(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    outage = fails(world)
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 15:00")
    outage.over = True
    await world.until("2026-03-02 16:00")
    assert world.kinds("zoe") == []
    *_, last = await world.unsent("zoe")
    assert last.kind == "k07"
    assert last.reason in ("deadline", "expired")


async def test_what_was_ordered_meanwhile_is_not_reminded_of(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    outage = fails(world)
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 11:20")
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-03-02 11:40")
    outage.over = True
    await world.until("2026-03-02 13:00")
    assert [kind for kind, _ in world.kinds("zoe")] == ["k11"]
    assert Unsent("k07", "cart", "cancelled") in await world.unsent("zoe")


async def test_a_coupon_of_yesterday_is_not_promised_today(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await world.until("2026-03-02 18:30")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-04 17:00")
    await world.ask("pause", reason="a wrong price")
    await world.until("2026-03-05 09:00")
    await world.ask("resume")
    await world.until("2026-03-05 09:05")
    coupons = [fact for fact in await world.past("zoe") if isinstance(fact, facts.OfferMade)]
    assert [kind for kind, _ in world.kinds("zoe")] == ["k07", "k08"]
    text = world.letter("k08").get_body(("plain",)).get_content()
    assert [one.code in text for one in coupons] == [False, True]


async def test_two_digests_that_wait_become_one_that_tells_all(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Preference Updated", digest={"comment": "daily"})
    outage = fails(world)
    for author, until in (("Léo", "2026-03-03 12:00"), ("Mia", "2026-03-04 12:00")):
        await shop.track("zoe", "Comment Posted", subject_id=author, author=author, excerpt="hi")
        await world.until(until)
    outage.over = True
    await world.until("2026-03-04 13:00")
    assert world.kinds("zoe") == [("k40", "2026-03-04 08:00")]
    text = world.letter("k40").get_body(("plain",)).get_content()
    assert "Léo" in text
    assert "Mia" in text
    assert ("k40", "cancelled") in [(one.kind, one.reason) for one in await world.unsent("zoe")]


async def test_of_two_requests_for_a_review_that_are_due_together_the_later_goes(
    autojump_clock, tmp_path
):
    steps = {"reminder-1": overrides.StepSection(after="31d")}
    changed = overrides.changed({"review": overrides.ProgrammeSection(steps=steps)}, "EUR")
    async with open_world(tmp_path, autojump_clock, programmes=changed) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.pays("zoe", "o1", "cup")
        await shop.ships("zoe", "o1")
        await world.until("2026-03-30 12:00")
    async with open_world(tmp_path, autojump_clock, "2026-04-03 12:00", programmes=changed) as late:
        await late.until("2026-04-05 12:00")
        assert [kind for kind, _ in late.kinds("zoe", "k18", "k19")] == ["k19"]
        assert Unsent("k18", "review/product", "merged") in await late.unsent("zoe")


async def test_a_mail_decided_at_its_deadline_goes_though_the_queue_is_full(
    autojump_clock, tmp_path
):
    steps = {"reminder": overrides.StepSection(late="skip after 0s")}
    changed = overrides.changed({"cart": overrides.ProgrammeSection(steps=steps)}, "EUR")
    async with open_world(
        tmp_path, autojump_clock, programmes=changed, rate=limit(1 / 60)
    ) as world:
        shop = await world.shop()
        for name in ("ana", "bob", "zoe"):
            await shop.knows(name)
            await shop.adds(name, "cup")
        await world.until("2026-03-02 11:10")
        assert [mail.at for mail in world.mails()] == ["2026-03-02 11:00"] * 3


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ("send", "always sent"),
        ("skip after 3h", "skipped 3h late"),
        ("recompute after 2h", "decided again 2h late"),
        ("merge", "merged into a later one"),
        (
            "recompute after 1h, skip after 2d, merge",
            "decided again 1h late, merged into a later one, skipped 2d late",
        ),
    ],
)
def test_the_settings_say_what_is_done_with_what_is_late(late, said):
    steps = {"offer": overrides.StepSection(late=late)}
    (cart,) = [
        one
        for one in overrides.changed({"cart": overrides.ProgrammeSection(steps=steps)}, "EUR")
        if one.name == "cart"
    ]
    assert str(cart.step("offer").late) == said


@pytest.mark.parametrize(
    ("programme", "step", "late", "said"),
    [
        ("cart", "offer", "merge, merge", "is no late policy"),
        ("cart", "offer", "recompute", "is no late policy"),
        ("cart", "offer", "skip after soon", "soon"),
        ("digest", "digest", "recompute after 2h", "write `merge`"),
        ("verification", "code", "recompute after 2h", "is kept nowhere"),
    ],
)
def test_what_cannot_be_done_with_what_is_late_is_refused(programme, step, late, said):
    sections = {
        programme: overrides.ProgrammeSection(steps={step: overrides.StepSection(late=late)})
    }
    with pytest.raises(Misconfigured, match=said) as refused:
        overrides.changed(sections, "EUR")
    assert f"programmes.{programme}.steps.{step}.late" in str(refused.value)
