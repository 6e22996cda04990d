"""The console's queue: what is shown of it, and what an operator does to it by forms."""

from __future__ import annotations

import re

import pytest

from actors.store import port
from tests.web.operators import HOSTILE, assert_harmless

BACK = {"back": "/console/queue"}


@pytest.fixture
async def waiting(autojump_clock, world, operator):
    """The id of a mail that waits while everything is paused."""
    shop = await world.shop()
    await shop.knows("zoe")
    said = await operator.does("pause", scope="all", reason="wrong prices", **BACK)
    assert said == "Done: pause."
    await shop.pays("zoe", "o1", "cup")
    await world.passes(60_000)
    (row,) = (await world.ask("queue"))["result"]["mails"]
    return row["mail"]


async def state_of(world, mail_id):
    return (await world.ask("mail", mail=mail_id))["result"]["state"]


async def operations(world):
    rows = (await world.ask("operations"))["result"]["operations"]
    return [(one["op"], one["about"], one["key"]) for one in rows]


async def test_what_is_paused_is_said_and_resumed_by_a_button(
    autojump_clock, world, operator, waiting
):
    page = await operator.sees("/console/queue")
    assert "<strong>Paused: all </strong>" in page
    assert "wrong prices" in page
    assert '<td class="number" data-count="queued">1</td>' in page
    assert await operator.does("resume", scope="all", **BACK) == "Done: resume."
    await world.passes(60_000)
    assert await state_of(world, waiting) == "accepted"
    assert await operations(world) == [("resume", "all", "operator"), ("pause", "all", "operator")]


async def test_what_cannot_be_paused_is_refused_in_words(autojump_clock, world, operator):
    said = await operator.does("pause", scope="lane", name="7", **BACK)
    assert said == "Not done: lane is one of: 0, 1, 2, 3"
    assert await operations(world) == []


async def test_a_drain_is_said_to_be_done(autojump_clock, world, operator):
    said = await operator.does("drain", reason="a new machine", **BACK)
    assert said.startswith("Done: drain. in_hand 0")
    assert [row.scope for row in await world.service.store.pauses()] == ["all"]


async def test_a_mail_that_waits_is_taken_out(autojump_clock, world, operator, waiting):
    page = await operator.sees("/console/mail", id=waiting)
    assert "Take it out of the queue" in page
    back = f"/console/mail?id={waiting}"
    said = await operator.does("cancel-mail", mail=waiting, reason="a mistake", back=back)
    assert said.endswith("state cancelled")
    await world.passes(60_000)
    assert "a mistake" in await operator.sees("/console/customer", id="zoe")


async def test_a_mail_that_was_given_up_shows_its_reply_and_goes_again(
    autojump_clock, world, operator, waiting
):
    now = world.clock.now()
    dead = port.Settled(waiting, "dead", f"550 {HOSTILE}", now, 1)
    await world.service.store.settle(now, [dead])
    page = await operator.sees("/console/queue")
    assert "550 &#34;&gt;&lt;script&gt;" in page
    assert_harmless(page, "queue")
    assert_harmless(await operator.sees("/console/customer", id="zoe"), "customer")
    assert "Send it again" in await operator.sees("/console/mail", id=waiting)
    said = await operator.does("requeue", mail=waiting, back=f"/console/mail?id={waiting}")
    assert "state queued" in said
    await operator.does("resume", scope="all", **BACK)
    await world.passes(60_000)
    assert await state_of(world, waiting) == "accepted"


async def test_lanes_destinations_and_the_breaker_are_told(
    autojump_clock, world, operator, waiting
):
    now = world.clock.now()
    gate = world.service.delivery.gate
    gate.back_off("orange.fr", now)
    gate.breaker.trip(now, "535 who are you")
    page = await operator.sees("/console/queue")
    assert re.search(r"1: transactional</th><td class=\"number\">1</td>", page)
    assert "open until 2026-03-02T09:02:00Z: 535 who are you" in page
    row = re.search(r'<th scope="row">orange.fr</th>.*?</tr>', page, re.DOTALL)[0]
    assert '<td class="number">1</td>' in row
    assert "2026-03-02 09:01:3" in row


async def test_the_queue_is_narrowed_by_state_and_customer(
    autojump_clock, world, operator, waiting
):
    assert waiting in await operator.sees("/console/queue", state="queued", customer="zoe")
    assert waiting not in await operator.sees("/console/queue", state="accepted")
    assert waiting not in await operator.sees("/console/queue", customer="ana")
    answer = await operator.get("/console/queue", state="lost")
    assert answer.status_code == 409
    assert "a state is one of" in await answer.get_data(as_text=True)
