"""The API: what Segment's libraries may send, and what each answer tells them to do."""

from __future__ import annotations

import gzip
from base64 import b64encode

import msgspec
import pytest
import trio
from werkzeug.datastructures import Headers

from actors.clock import TrioClock
from actors.intake import SHARE
from actors.store.memory import MemoryStore
from actors.web import api, app, bodies
from ecrm import facts
from proto.post import MAX_BODY_BYTES
from proto.session import Grant, Turned
from tests.actors.house import START, House, added
from tests.web.test_pages import LOOK
from tests.worlds import OPERATOR, PUBLISHABLE, SECRET

ORIGIN = {"Origin": "https://www.boutique.example"}


def basic(key):
    return {"Authorization": f"Basic {b64encode(f'{key}:'.encode()).decode()}"}


def track(message_id="m1", **fields):
    basis = {"type": "track", "messageId": message_id, "userId": "zoe", "event": "Tea Drunk"}
    return {**basis, **fields}


async def call(app, path, body, *, key=SECRET, kind="application/json", **more):
    """The status, what is said, and the headers; the key goes as the libraries send it."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = {"Content-Type": kind, **(basic(key) if key else {}), **more.pop("headers", {})}
    answer = await app.test_client().post(f"/v1/{path}", data=data, headers=headers)
    text = await answer.get_data(as_text=False)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return answer.status_code, msgspec.json.decode(text), answer.headers


async def told(world, customer):
    """The events in a customer's journal."""
    past = await world.past(customer)
    return sorted(fact.event for fact in past if isinstance(fact, facts.Happened))


@pytest.fixture
def pages(world):
    return world.service.web.app


# What is taken.


@pytest.mark.parametrize(
    ("path", "body", "event"),
    [
        ("track", {"event": "Tea Drunk"}, "Tea Drunk"),
        ("t", {"event": "Tea Drunk", "type": "track"}, "Tea Drunk"),
        ("identify", {"traits": {"firstName": "Zoé"}}, "Identified"),
        ("i", {"traits": {}}, "Identified"),
        ("page", {"name": "Home"}, "Page Viewed"),
        ("p", {}, "Page Viewed"),
    ],
)
async def test_one_message_is_in_the_journal_when_it_is_answered(world, pages, path, body, event):
    message = {"messageId": "m1", "userId": "zoe", "anonymousId": "v1", **body}
    status, said, _ = await call(pages, path, message)
    assert (status, said) == (200, {"success": True})
    assert await told(world, "zoe") == [event]


async def test_an_alias_is_taken(world, pages):
    await call(pages, "track", track(userId="zoe@example"))
    status, said, _ = await call(
        pages, "alias", {"messageId": "m2", "previousId": "zoe@example", "userId": "zoe"}
    )
    assert (status, said) == (200, {"success": True})


@pytest.mark.parametrize("path", ["batch", "b"])
async def test_a_batch_is_taken_whole(world, pages, path):
    batch = [track("m1"), {**track("m2", event="Tea Made"), "context": {"ip": "192.0.2.1"}}]
    body = {"batch": batch, "sentAt": "2026-03-02T09:00:00Z", "writeKey": SECRET}
    status, said, _ = await call(pages, path, body)
    assert (status, said) == (200, {"success": True})
    assert await told(world, "zoe") == ["Tea Drunk", "Tea Made"]


async def test_an_empty_batch_is_no_mistake(pages):
    assert (await call(pages, "batch", {"batch": []}))[0] == 200


async def test_the_same_id_is_applied_once_by_whichever_door_it_comes(world, pages):
    shop = await world.shop()
    await shop.client.send([track("m1")])
    assert (await call(pages, "track", track("m1")))[0] == 200
    assert (await call(pages, "batch", {"batch": [track("m2"), track("m1")]}))[0] == 200
    assert await shop.client.send([track("m2")]) == []
    assert await told(world, "zoe") == ["Tea Drunk", "Tea Drunk"]


async def test_a_compressed_body_is_inflated(world, pages):
    body = gzip.compress(msgspec.json.encode({"batch": [track()]}))
    status, _, _ = await call(pages, "batch", body, headers={"Content-Encoding": "gzip"})
    assert status == 200
    assert await told(world, "zoe") == ["Tea Drunk"]


# Keys.


@pytest.mark.parametrize(
    "headers",
    [basic(SECRET), {"Authorization": f"Bearer {SECRET}"}, {"authorization": f"bearer {SECRET}"}],
)
async def test_a_key_comes_in_a_header(pages, headers):
    assert (await call(pages, "track", track(), key=None, headers=headers))[0] == 200


async def test_or_in_the_body(pages):
    assert (await call(pages, "track", {**track(), "writeKey": SECRET}, key=None))[0] == 200
    batch = {"batch": [track("m2")], "writeKey": SECRET}
    assert (await call(pages, "batch", batch, key=None))[0] == 200


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        ({}, {}),
        ({}, {"writeKey": "sk_other"}),
        ({}, {"writeKey": 7}),
        (basic("sk_other"), {"writeKey": SECRET}),
        (basic(""), {}),
        ({"Authorization": "Bearer"}, {}),
        ({"Authorization": "Basic !!"}, {"writeKey": SECRET}),
        ({"Authorization": "Digest username=x"}, {}),
    ],
)
async def test_without_a_key_that_is_known_nothing_is_taken(world, pages, headers, more):
    status, said, answered = await call(
        pages, "track", {**track(), **more}, key=None, headers=headers
    )
    assert (status, said["code"]) == (401, "unauthorized")
    assert "key" in said["message"] or "Authorization" in said["message"]
    assert answered["WWW-Authenticate"] == 'Bearer realm="ecrm"'
    assert await told(world, "zoe") == []


async def test_each_kind_of_key_says_here_what_it_may_say_there(world, pages):
    visitor = {"messageId": "m1", "anonymousId": "v1", "type": "track"}
    seen = {**visitor, "event": "Product Viewed", "properties": {"product_id": "tea"}}
    paid = {**visitor, "event": "Order Paid", "messageId": "m2"}
    paid["properties"] = {"order_id": "o1", "total": 5, "currency": "EUR"}
    assert (await call(pages, "track", seen, key=PUBLISHABLE))[0] == 200
    status, said, _ = await call(pages, "track", paid, key=PUBLISHABLE)
    assert (status, said["code"]) == (403, "forbidden")
    assert "send it with a secret key" in said["message"]
    assert (await call(pages, "batch", {"batch": [paid, paid]}, key=PUBLISHABLE))[0] == 403
    assert (await call(pages, "batch", {"batch": [seen, paid]}, key=PUBLISHABLE))[0] == 400
    assert (await call(pages, "track", paid, key=OPERATOR))[0] == 200
    assert await told(world, "visitor:v1") == ["Order Paid", "Product Viewed"]


# Browsers.


async def test_a_beacon_comes_as_text_with_its_key_in_the_body(world, pages):
    body = {"messageId": "m1", "anonymousId": "v1", "writeKey": PUBLISHABLE, "type": "page"}
    status, said, _ = await call(
        pages, "page", body, key=None, kind="text/plain;charset=UTF-8", headers=ORIGIN
    )
    assert (status, said) == (200, {"success": True})
    assert await told(world, "visitor:v1") == ["Page Viewed"]


async def test_a_browser_may_ask_first(pages):
    answer = await pages.test_client().options(
        "/v1/batch", headers={**ORIGIN, "Access-Control-Request-Method": "POST"}
    )
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert {"Authorization", "Content-Type"} <= set(allowed)
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_pages_are_not_for_other_origins(pages):
    answer = await pages.test_client().get("/robots.txt", headers=ORIGIN)
    assert "Access-Control-Allow-Origin" not in answer.headers


# What is refused, and why.


async def test_a_message_that_is_wrong_is_refused_with_its_place(world, pages):
    wrong = track(event="Product Added", properties={"product_id": "tea", "price": [1]})
    status, said, _ = await call(pages, "track", wrong)
    assert (status, said["success"], said["code"]) == (400, False, "invalid")
    assert said["message"].startswith("$.properties.price: Expected")
    [rejected] = said["rejected"]
    assert (rejected["messageId"], rejected["path"]) == ("m1", "$.properties.price")
    assert await told(world, "zoe") == []


async def test_of_a_batch_the_good_ones_are_taken_and_the_others_named(world, pages):
    wrong = track("m2", event="Product Added", properties={})
    batch = [track("m1"), wrong, track("m3", userId=None), track("m4", event="Tea Made")]
    status, said, _ = await call(pages, "batch", {"batch": batch})
    assert status == 400
    assert said["message"].startswith("2 of 4 messages were refused, the first at $.batch[1]")
    assert [(one["messageId"], one["code"], one["path"]) for one in said["rejected"]] == [
        ("m2", "invalid", "$.batch[1].properties"),
        ("m3", "unidentified", "$.batch[2]"),
    ]
    assert await told(world, "zoe") == ["Tea Drunk", "Tea Made"]


async def test_what_the_turn_loop_refuses_is_named_too(pages):
    campaign = {"campaign_id": "c1", "template": "newsletter/none", "subject": "News"}
    launched = track("m2", event="Campaign Launched", properties=campaign)
    status, said, _ = await call(pages, "batch", {"batch": [track("m1"), launched]})
    assert (status, said["code"]) == (400, "invalid")
    [rejected] = said["rejected"]
    assert rejected["messageId"] == "m2"
    assert rejected["path"].startswith("$.batch[1].properties")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}"])
async def test_a_body_that_is_no_batch_says_so(pages, body):
    status, said, _ = await call(pages, "batch", body)
    assert (status, said["code"]) == (400, "invalid")
    assert said["message"].startswith("$: ")


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [("application/x-www-form-urlencoded", ""), ("multipart/form-data", ""), ("", "br")],
)
async def test_what_cannot_be_read_at_all_is_415(pages, kind, encoding):
    headers = {"Content-Encoding": encoding} if encoding else {}
    status, said, _ = await call(pages, "track", track(), kind=kind, headers=headers)
    assert status == 415
    assert "send" in said["message"]


@pytest.mark.parametrize(
    "body",
    [b"{}", gzip.compress(b"{}")[:-4], gzip.compress(b"{}") + b"more"],
    ids=["plain", "cut", "followed"],
)
async def test_what_is_not_gzip_is_400(pages, body):
    status, said, _ = await call(pages, "batch", body, headers={"Content-Encoding": "gzip"})
    assert status == 400
    assert "gzip" in said["message"]


async def test_only_what_is_there_is_answered(pages):
    status, said, _ = await call(pages, "group", {})
    assert (status, said["code"]) == (404, "not_found")
    assert "track, identify, page, alias, batch" in said["message"]
    answer = await pages.test_client().get("/v1/track")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST, OPTIONS"
    assert answer.content_type == "application/json"


# Sizes.


async def test_a_batch_may_be_larger_than_a_page_and_is_bounded(world, pages):
    large = {"cups": "x" * 60_000}
    batch = [track(f"m{n}", properties=large) for n in range(17)]
    assert (await call(pages, "batch", {"batch": batch}))[0] == 200
    status, said, _ = await call(pages, "batch", {"batch": [*batch, *batch]})
    assert (status, said["code"]) == (413, "too_large")
    assert str(MAX_BODY_BYTES) in said["message"]
    status, said, _ = await call(pages, "batch", {"batch": batch, "writeKey": SECRET}, key=None)
    assert (status, said["code"]) == (413, "too_large")
    assert "in a header" in said["message"]
    assert len(await told(world, "zoe")) == 17


async def test_a_message_beyond_a_frame_is_413(pages):
    status, said, _ = await call(pages, "track", track(properties={"x": "y" * 300_000}))
    assert (status, said["code"]) == (413, "too_large")
    assert "262144" in said["message"]


async def test_too_many_messages_are_413(pages):
    status, said, _ = await call(pages, "batch", {"batch": [7] * 2_501})
    assert (status, said["code"]) == (413, "too_large")


async def test_a_small_body_does_not_become_a_large_one(pages):
    bomb = gzip.compress(b'{"batch": [' + b" " * 20_000_000 + b"]}")
    assert len(bomb) < MAX_BODY_BYTES
    status, said, _ = await call(pages, "batch", bomb, headers={"Content-Encoding": "gzip"})
    assert (status, said["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("path", "headers", "limit"),
    [
        ("/v1/batch", basic(SECRET), MAX_BODY_BYTES),
        ("/v1/batch", {}, bodies.SMALL),
        ("/u/token", basic(SECRET), bodies.SMALL),
        ("/v10/batch", basic(SECRET), bodies.SMALL),
    ],
)
async def test_only_who_brings_a_key_to_the_api_may_send_much(path, headers, limit):
    made = app.make(LOOK, [])

    async def size(**_):
        return str(len(await app.request.get_data()))

    made.add_url_rule("/<path:_path>", view_func=size, methods=["POST"])
    for length, status in ((limit, 200), (limit + 1, 413)):
        answer = await made.test_client().post(path, data=b"x" * length, headers=Headers(headers))
        assert answer.status_code == status


# What is to be sent again.


@pytest.fixture
def house():
    clock = TrioClock(START)
    return House(MemoryStore(clock.now), clock)


@pytest.fixture
def door(house):
    """The API over a turn loop that runs when a test says so."""
    grants = {SECRET: Grant("shop", "secret")}
    return app.make(LOOK, [api.Api(house.system, house.clock, grants.get).blueprint()])


async def test_a_full_intake_asks_to_come_again(autojump_clock, house, door):
    house.offer(*[house.message("zoe", added()) for _ in range(SHARE)])
    status, said, headers = await call(door, "track", track())
    assert (status, said["code"], headers["Retry-After"]) == (429, "busy", "1")
    assert headers["Access-Control-Expose-Headers"] == "Retry-After"
    await house.exhaust()
    async with house.lives():
        assert (await call(door, "track", track()))[0] == 200


async def test_a_failing_disk_asks_to_send_it_again_and_it_is_applied_once(
    autojump_clock, house, door
):
    house.store.fail_next(1)
    batch = {"batch": [track("m1"), track("m2"), track("m3", userId=None)]}
    async with house.lives():
        status, said, headers = await call(door, "batch", batch)
        assert (status, said["code"], headers["Retry-After"]) == (503, "unknown", "2")
        assert house.rows("zoe") == []
        assert (await call(door, "batch", batch))[0] == 400
    assert house.told("zoe") == ["m1", "m2"]


async def test_who_would_be_cut_off_by_the_client_is_answered_before(autojump_clock, house, door):
    """The libraries wait ten seconds, and then know nothing."""
    status, said, headers = await call(door, "track", track())
    assert (status, said["code"], headers["Retry-After"]) == (503, "unknown", "2")
    assert trio.current_time() == api.ANSWER_WITHIN
    async with house.lives():
        assert (await call(door, "track", track()))[0] == 200
    assert house.told("zoe") == ["m1"]


async def test_a_service_that_stops_asks_to_come_again(house, door):
    house.system.bell.stop()
    status, said, headers = await call(door, "track", track())
    assert (status, said["code"], headers["Retry-After"]) == (503, "stopping", "2")


async def test_what_fails_inside_says_nothing_of_the_inside(house):
    def broken(_key):
        raise ZeroDivisionError("inside of the house")

    made = app.make(LOOK, [api.Api(house.system, house.clock, broken).blueprint()])
    status, said, _ = await call(made, "track", track())
    assert (status, said["code"]) == (500, "failed")
    assert "inside" not in said["message"]


async def test_a_key_that_is_turned_away_hears_why_and_how_long_it_is_not_taken(house):
    for code, expected in (("unauthorized", 401), ("limited", 429)):
        turned = Turned("not from there", code)
        made = app.make(
            LOOK, [api.Api(house.system, house.clock, lambda _key, t=turned: t).blueprint()]
        )
        status, said, _ = await call(made, "track", track())
        assert (status, said["code"], said["message"]) == (expected, code, "not from there")


async def test_what_comes_too_fast_is_told_when_to_come_again(house):
    grants = {SECRET: Grant("shop", "secret")}
    over = api.Api(house.system, house.clock, grants.get, allow=lambda _grant, count: 1_500 * count)
    made = app.make(LOOK, [over.blueprint()])
    status, said, headers = await call(made, "batch", {"batch": [track("m1"), track("m2")]})
    assert (status, said["code"], headers["Retry-After"]) == (429, "busy", "3")
    assert len(house.system.intake) == 0
