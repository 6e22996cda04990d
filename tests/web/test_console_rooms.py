"""The console's smaller rooms: programmes, what failed and who is held, the clock."""

from __future__ import annotations

from actors.store.port import Commit, HoldRow
from ecrm import programmes
from ecrm.moment import CustomerId
from tests.actors.test_console import warped
from tests.web.operators import HOSTILE, Operator, assert_harmless
from tests.worlds import instant


async def test_every_programme_is_told_with_its_words_and_steps(autojump_clock, world, operator):
    page = await operator.sees("/console/programmes")
    for one in programmes.ALL:
        assert f'<h2 id="{one.name}">' in page
        for step in one.steps:
            assert f"<strong>{step.name}</strong>" in page


async def test_a_programme_is_paused_and_resumed_where_it_is_described(
    autojump_clock, world, operator
):
    form = {"scope": "programme", "name": "cart", "back": "/console/programmes"}
    assert await operator.does("pause", **form) == "Done: pause."
    assert "Resume cart" in await operator.sees("/console/programmes")
    assert await operator.does("resume", **form) == "Done: resume."
    assert "Resume cart" not in await operator.sees("/console/programmes")


async def test_what_failed_is_shown_in_full_and_runs_nothing(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe")
    system = world.service.system
    decide = system._decide

    def fails(*_args):
        raise ZeroDivisionError(HOSTILE)

    system._decide = fails
    await shop.client.send([{
        "type": "track", "messageId": "bad", "userId": "zoe", "event": "Product Viewed",
        "properties": {"product_id": HOSTILE},
    }])  # fmt: skip
    system._decide = decide
    page = await operator.sees("/console/quarantine")
    assert "ZeroDivisionError" in page
    assert_harmless(page, "quarantine")
    (row,) = (await world.ask("quarantine"))["result"]["quarantine"]
    shown = await operator.sees("/console/quarantine", number=str(row["number"]))
    assert "Traceback" in shown
    assert_harmless(shown, "quarantine")
    answer = await operator.get("/console/quarantine", number="99999")
    assert answer.status_code == 409


async def test_a_held_customer_is_released(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe")
    hold = HoldRow(CustomerId("zoe"), world.clock.now(), HOSTILE)
    await world.service.store.commit(Commit(holds=[hold]))
    page = await operator.sees("/console/quarantine")
    assert "Release zoe" in page
    assert_harmless(page, "held")
    said = await operator.does("release", customer="zoe", back="/console/quarantine")
    assert said == "Done: release. customer zoe, held no more"
    assert "Nobody is held" in await operator.sees("/console/quarantine")


async def test_the_walls_clock_is_shown_and_not_offered(autojump_clock, world, operator):
    assert 'href="/console/clock"' not in await operator.sees("/console/")
    assert "serve --warp" in await operator.sees("/console/clock")
    assert (await operator.does("clock", advance="3h")).startswith(
        "Not done: the clock is the wall"
    )


class Warped:
    """As much of a world as an operator needs."""

    def __init__(self, running) -> None:
        self.service = running


async def test_a_warped_clock_is_pushed_and_mistakes_are_said(tmp_path):
    async with warped(tmp_path) as (running, _, clock):
        operator = Operator(Warped(running))
        await operator.enters()
        assert 'href="/console/clock"' in await operator.sees("/console/")
        said = await operator.does("clock", advance="3h", back="/console/clock")
        assert said == "Done: clock. now 2026-03-02T12:00:00Z"
        assert clock.now() == instant("2026-03-02 13:00")
        said = await operator.does("clock", advance="soon", back="/console/clock")
        assert said.startswith("Not done: 'soon' is no duration")
