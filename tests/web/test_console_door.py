"""The door of the web console: who is let in, for how long, and whose forms count."""

from __future__ import annotations

import re

import pytest
import trio

from actors.web.console import sessions
from ecrm.moment import Instant
from tests.web.operators import Operator
from tests.worlds import OPERATOR, PUBLISHABLE, SECRET

PLACES = [
    "/console/",
    "/console/status.json",
    "/console/customers",
    "/console/customer?id=zoe",
    "/console/mail?id=1",
    "/console/queue",
    "/console/programmes",
    "/console/gallery",
    "/console/clock",
    "/console/static/console.css",
    "/console/no-such-place",
    "/console/login",
]


@pytest.fixture
async def operator(world):
    return Operator(world)


async def test_without_a_session_every_path_answers_alike(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe")
    told = set()
    for place in PLACES:
        answer = await operator.get(place)
        text = await answer.get_data(as_text=True)
        assert (place, answer.status_code) == (place, 401)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
        told.add(re.sub(r'name="next" value="[^"]*"', "", text))
    (page,) = told
    assert "zoe" not in page
    assert "Queue" not in page


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST", "HEAD"])
async def test_other_methods_say_nothing_either(autojump_clock, world, operator, method):
    for place in ("/console/", "/console/do/drain", "/console/no-such-place"):
        answer = await operator.client.open(place, method=method)
        assert answer.status_code == 401
    assert await world.service.store.pauses() == []


async def test_the_cookie_is_for_the_console_alone_and_no_script(autojump_clock, operator):
    answer = await operator.enters()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/")
    name, *rules = answer.headers["Set-Cookie"].split("; ")
    assert len(name.removeprefix("ecrm_console=")) == 43
    assert set(rules) == {"HttpOnly", "Path=/console", "SameSite=Strict"}


async def test_over_https_the_cookie_goes_nowhere_else(autojump_clock, world, operator):
    form = {"key": OPERATOR}
    answer = await operator.posts("/console/login", form, origin="https://localhost")
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


async def test_who_enters_is_led_where_they_wanted_to_go_and_never_out(autojump_clock, operator):
    for room in ("/console/customer?id=zoe", "/console/customer?id=/../zoe"):
        answer = await operator.enters(next=room)
        assert answer.headers["Location"] == room
    for elsewhere in (
        "https://evil.example/",
        "//evil.example/console/",
        "/console/\\evil",
        "/console/../demo/",
        "/console/%2E%2e/demo/",
        "/u/x",
    ):
        answer = await operator.posts("/console/login", {"key": OPERATOR, "next": elsewhere})
        assert answer.headers["Location"] == "/console/"


@pytest.mark.parametrize("key", ["ok_of_nobody", "", SECRET, PUBLISHABLE])
async def test_no_other_key_opens(operator, key):
    answer = await operator.enters(key)
    text = await answer.get_data(as_text=True)
    assert answer.status_code == 401
    assert "no operator key" in text
    assert "Set-Cookie" not in answer.headers
    assert key not in text or not key


async def test_who_guesses_is_slowed_even_with_the_right_key(autojump_clock, operator):
    statuses = [(await operator.enters("wrong")).status_code for _ in range(12)]
    assert statuses[:9] == [401] * 9
    assert statuses[-1] == 429
    answer = await operator.enters()
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    await trio.sleep(61)
    assert (await operator.enters()).status_code == 303


@pytest.mark.parametrize(
    "origin", ["", "null", "https://evil.example", "http://localhost:81", "http://[localhost"]
)
async def test_a_form_from_elsewhere_opens_nothing_and_does_nothing(
    autojump_clock, world, operator, origin
):
    assert (await operator.posts("/console/login", {"key": OPERATOR}, origin)).status_code == 403
    await operator.enters()
    form = {"token": operator.token}
    assert (await operator.posts("/console/do/drain", form, origin)).status_code == 403
    assert await world.service.store.pauses() == []


@pytest.mark.parametrize("token", ["", "wrong", "é"])
async def test_a_form_without_the_sessions_token_does_nothing(
    autojump_clock, world, operator, token
):
    await operator.enters()
    answer = await operator.posts("/console/do/drain", {"token": token})
    assert answer.status_code == 403
    assert await world.service.store.pauses() == []


async def test_a_token_of_another_session_does_nothing(autojump_clock, world, operator):
    other = Operator(world)
    await other.enters()
    await operator.enters()
    answer = await operator.posts("/console/do/drain", {"token": other.token})
    assert answer.status_code == 403


async def test_leaving_ends_the_session_for_the_server_too(autojump_clock, world, operator):
    await operator.enters()
    kept = [cookie.value for cookie in operator.client.cookie_jar]
    assert (await operator.posts("/console/logout", {"token": operator.token})).status_code == 303
    assert (await operator.get("/console/")).status_code == 401
    again = Operator(world)
    answer = await again.client.get("/console/", headers={"Cookie": f"ecrm_console={kept[0]}"})
    assert answer.status_code == 401


async def test_a_revoked_key_ends_its_sessions_at_once_and_no_others(
    autojump_clock, world, operator
):
    added = (await world.ask("add-key", kind="operator", name="second"))["result"]
    second = Operator(world)
    await second.enters(added["key"])
    await operator.enters()
    await world.ask("revoke-key", name="second")
    assert (await second.get("/console/")).status_code == 401
    assert (await operator.get("/console/")).status_code == 200


async def test_a_session_ends_when_nobody_asks_for_half_an_hour(autojump_clock, operator):
    await operator.enters()
    for _ in range(3):
        await trio.sleep(29 * 60)
        assert (await operator.get("/console/")).status_code == 200
    await trio.sleep(30 * 60)
    assert (await operator.get("/console/")).status_code == 401


async def test_a_page_that_looks_again_by_itself_keeps_no_session_alive(autojump_clock, operator):
    await operator.enters()
    headers = {"X-Ecrm-Refresh": "1"}
    for _ in range(2):
        await trio.sleep(14 * 60)
        answer = await operator.client.get("/console/status.json", headers=headers)
        assert answer.status_code == 200
    await trio.sleep(3 * 60)
    answer = await operator.client.get("/console/status.json", headers=headers)
    assert answer.status_code == 401


async def test_a_session_ends_after_half_a_day_in_any_case(autojump_clock, operator):
    await operator.enters()
    for _ in range(35):
        await trio.sleep(20 * 60)
        assert (await operator.get("/console/")).status_code == 200
    await trio.sleep(20 * 60)
    assert (await operator.get("/console/")).status_code == 401


def test_sessions_are_bounded_and_the_one_least_used_goes():
    now = Instant(0)
    kept = sessions.Sessions(lambda: now)
    first, second = kept.begin("a"), kept.begin("a")
    for _ in range(sessions.MOST - 2):
        kept.begin("b")
    now = Instant(1)
    kept.find(first.name)
    kept.begin("b")
    assert len(kept) == sessions.MOST
    assert kept.find(first.name) is first
    assert kept.find(second.name) is None


async def test_inside_there_is_a_policy_and_an_honest_404(autojump_clock, operator):
    await operator.enters()
    answer = await operator.get("/console/no-such-place")
    assert answer.status_code == 404
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert (await operator.get("/console/static/../house.py")).status_code == 404
    styles = await operator.get("/console/static/console.css")
    assert styles.headers["Content-Type"].startswith("text/css")


async def test_only_what_the_console_offers_can_be_done_by_a_form(autojump_clock, operator):
    await operator.enters()
    for op in ("add-key", "revoke-key", "status", "no-such-op"):
        answer = await operator.posts(f"/console/do/{op}", {"token": operator.token})
        assert answer.status_code == 404


async def test_the_overview_says_what_status_says(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.pays("zoe", "o1", "cup")
    await operator.enters()
    page = await operator.sees("/console/")
    assert '<dd data-figure="customers">1</dd>' in page
    answer = await operator.get("/console/status.json")
    assert await answer.get_json() == (await world.ask("status"))["result"]
