"""The console's time travel: any turn of a life by its address, and what another event would make."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import msgspec
import pytest

from tests.web.operators import HOSTILE, assert_harmless

CART = {
    "type": "track",
    "event": "Product Added",
    "properties": {"product_id": "jug", "price": 3, "quantity": 2},
}


@pytest.fixture
async def zoe(autojump_clock, world, operator):
    """Zoe in New York: a cart, its reminder, an order."""
    shop = await world.shop()
    await shop.knows("zoe", timezone="America/New_York")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 11:30")
    await shop.pays("zoe", "o1", "cup")
    await world.passes(60_000)
    await operator.enters()
    return (await world.ask("at", customer="zoe"))["result"]


def text_of(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", page))


def ways(page: str) -> dict[str, str]:
    return {rel: unescape(to) for rel, to in re.findall(r'<a rel="(\w+)" href="([^"]+)"', page)}


async def branched(operator, typed: str, **place: str) -> str:
    """The page that a form with this event leads to."""
    form = {"token": operator.token, "event": typed}
    answer = await operator.posts(f"/console/past?{urlencode({'id': 'zoe', **place})}", form)
    assert answer.status_code == 200
    return await answer.get_data(as_text=True)


async def test_one_walks_from_the_present_to_the_first_turn_and_back(autojump_clock, operator, zoe):
    page, walked = await operator.sees("/console/past", id="zoe"), []
    assert "next" not in ways(page)
    while "prev" in ways(page):
        page = await operator.sees(ways(page)["prev"])
        walked.append(int(re.search(r'data-turn="(\d+)"', page)[1]))
    assert walked == list(range(zoe["turns"] - 1, -1, -1))
    assert "Nothing was known yet" in page
    for _ in range(zoe["turns"]):
        page = await operator.sees(ways(page)["next"])
    assert zoe["hash"] in page
    assert "next" not in ways(page)


async def test_a_place_shows_the_turn_its_difference_and_the_state_of_then(
    autojump_clock, operator, world, zoe
):
    page = await operator.sees("/console/past", id="zoe", at="2026-03-02T04:30:00")
    there = (await world.ask("at", customer="zoe", at="2026-03-02T04:30:00-05:00"))["result"]
    told = text_of(page)
    assert "Mon 2 Mar 2026 04:30:00" in told
    assert "2026-03-02 09:30:00 UTC" in told
    assert there["hash"] in page
    assert [line for line in there["step"]["changes"] if line not in told] == []
    assert "1 of cup went into the cart" in told
    assert "cart" in told
    assert '"o1"' not in told
    assert "there is no snapshot yet" in told


async def test_the_slider_is_a_plain_form_and_counts_turns(autojump_clock, operator, zoe):
    page = await operator.sees("/console/past", id="zoe", turn="2")
    assert f'type="range" min="0" max="{zoe["turns"]}" value="2"' in page
    assert f"Turn 2 of {zoe['turns']}" in page
    assert 'type="range"' in await operator.sees("/console/customer", id="zoe")


async def test_a_turn_of_the_timeline_leads_to_the_place_after_it(autojump_clock, operator, zoe):
    page = await operator.sees("/console/customer", id="zoe")
    newest = unescape(re.search(r'href="(/console/past\?id=zoe&amp;seq=\d+)"', page)[1])
    assert newest == f"/console/past?id=zoe&seq={zoe['facts']}"
    narrowed = await operator.sees("/console/customer", id="zoe", show="mails")
    assert "as it was then" in narrowed


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"seq": "99999"}, "name a number from 0 to"),
        ({"turn": "99999"}, "name a number from 0 to"),
        ({"at": "soon"}, "is no instant"),
        ({"at": "2020-01-01T00:00"}, "before its first turn"),
        ({"at": "0001-01-01T00:00"}, "before its first turn"),
        ({"at": HOSTILE}, "is no instant"),
    ],
)
async def test_a_place_that_there_is_not_is_said_and_the_present_shown(
    autojump_clock, operator, zoe, place, said
):
    page = await operator.sees("/console/past", id="zoe", **place)
    assert said in page
    assert f'data-turn="{zoe["turns"]}"' in page
    assert_harmless(page, "past")


async def test_nobody_has_no_past(autojump_clock, operator):
    answer = await operator.get("/console/past", id="bob")
    assert answer.status_code == 404
    assert "nobody has told anything of bob" in await answer.get_data(as_text=True)


async def test_another_event_shows_what_would_have_differed_and_writes_nothing(
    autojump_clock, operator, world, zoe
):
    there = {"customer": "zoe", "turn": 2}
    page = await branched(operator, msgspec.json.encode(CART).decode(), turn="2")
    told = text_of(page)
    found = (await world.ask("at", **there, event=CART))["result"]
    assert "2 of jug went into the cart" in told
    assert found["only_with"]
    assert [line for line in found["only_with"] if line not in told] == []
    assert [line for line in found["what_if_changes"] if line not in told] == []
    assert (await world.ask("at", customer="zoe"))["result"] == zoe


async def test_what_is_put_into_the_cart_right_after_an_order_stays_in_it(
    autojump_clock, world, operator, zoe
):
    shop = await world.shop()
    await shop.track("zoe", "Order Completed", order_id="o2", total=1, currency="EUR")
    turn = (await world.ask("at", customer="zoe"))["result"]["turns"]
    page = text_of(await branched(operator, msgspec.json.encode(CART).decode(), turn=str(turn)))
    assert "2 of jug went into the cart" in page
    assert "cart/offer" in page.partition("only come with it")[2]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ('{\n  "type": track\n}', "This is no JSON: line 2, column 11: Expecting value"),
        ('{"é": }', "line 1, column 7"),
        ("", "This is no JSON"),
        ("[1]", "write an object"),
        ("[" * 5000, "This is no"),
        ('{"type": "sing"}', "the event: $.type:"),
        ('{"type": "track", "event": "Order Paid", "properties": {}}', "order_id"),
        ('{"type": "track", "event": "Product Added", "properties": {"product_id": 7}}', "product_id"),
        ('{"type": "identify", "userId": "bob"}', "the question about zoe"),
        (f'{{"type": {msgspec.json.encode(HOSTILE).decode()}}}', "the event: $.type"),
        (HOSTILE, "line 1, column"),
    ],
)  # fmt: skip
async def test_a_wrong_event_is_answered_with_where_it_is_wrong(
    autojump_clock, operator, zoe, typed, said
):
    page = await branched(operator, typed, seq="2")
    assert said in text_of(re.search(r'id="unread".*?</p>', page, re.DOTALL)[0])
    assert 'data-address="/console/past?id=zoe&amp;seq=2"' in page
    assert_harmless(page, "branch")
    shown = unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)[1])
    assert shown == typed


async def test_what_was_typed_stays_where_the_place_is_none(autojump_clock, operator, zoe):
    page = await branched(operator, '{"type": "track"', turn="999")
    assert "name a number from 0 to" in text_of(page)
    assert unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", page)[1]) == '{"type": "track"'
    page = await branched(operator, msgspec.json.encode(CART).decode(), turn="999")
    assert "name a number from 0 to" in text_of(re.search(r'id="unread".*?</p>', page)[0])


async def test_a_branch_is_asked_for_by_a_form_of_ours_only(autojump_clock, operator, zoe):
    form = {"token": "wrong", "event": "{}"}
    answer = await operator.posts("/console/past?id=zoe", form)
    assert answer.status_code == 403


async def test_whatever_was_said_nothing_of_it_runs_in_the_past(autojump_clock, world, operator):
    shop = await world.shop()
    who = f"c{HOSTILE}"
    await shop.knows(who, email="h@customers.example", firstName=HOSTILE, timezone="Nowhere/<b>")
    await shop.adds(who, HOSTILE, name=HOSTILE, variant=HOSTILE)
    event = {**CART, "properties": {"product_id": HOSTILE, "name": HOSTILE}}
    for turn in ("0", "1", "2"):
        assert_harmless(await operator.sees("/console/past", id=who, turn=turn), turn)
    form = {"token": operator.token, "event": msgspec.json.encode(event).decode()}
    answer = await operator.posts(f"/console/past?{urlencode({'id': who})}", form)
    page = await answer.get_data(as_text=True)
    assert 'id="differs"' in page
    assert_harmless(page, "branch")
