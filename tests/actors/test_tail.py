"""Tails: live turns for an operator, who never holds up the service."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
import trio

from actors import tail
from actors.asked import Request
from ecrm import programmes
from ecrm.moment import HOUR
from tests.fortunes import lived
from tests.worlds import open_world


@pytest.fixture
async def world(tmp_path, autojump_clock):
    async with open_world(tmp_path, autojump_clock) as world:
        yield world


async def say(websocket, **frame):
    await websocket.send_message(msgspec.json.encode(frame).decode())


async def hear(websocket):
    return msgspec.json.decode(await websocket.get_message())


async def tailing(world, **wanted):
    """A conversation in which a tail has begun."""
    websocket = await world.console()
    await say(websocket, id=1, op="tail", **wanted)
    assert (await hear(websocket))["event"]["type"] == "counts"
    return websocket


async def ended(websocket):
    """What was streamed until its end, and what was said of it then."""
    await say(websocket, id=1, op="cancel")
    events = []
    while "event" in (answer := await hear(websocket)):
        assert answer["id"] == 1
        events.append(answer["event"])
    assert (answer["id"], answer["ok"]) == (1, True)
    return [event for event in events if event["type"] == "turn"], answer["result"]


async def test_a_tail_shows_turns_as_they_are_taken_and_counts_them_each_second(
    autojump_clock, world
):
    shop = await world.shop()
    websocket = await tailing(world)
    await shop.knows("zoe")
    first = await hear(websocket)
    assert first["id"] == 1
    assert first["event"] == {
        "type": "turn",
        "at": "2026-03-02T09:00:00Z",
        "customer": "zoe",
        "event": "Identified",
        "programmes": [],
        "outcome": ["quiet"],
        "facts": first["event"]["facts"],
    }
    assert "zoe@customers.example" in " ".join(first["event"]["facts"])
    assert (await hear(websocket))["event"]["event"] == "Consent Updated"
    counts = await hear(websocket)
    assert counts["event"] == {
        "type": "counts",
        "at": "2026-03-02T09:00:01Z",
        "per_second": 2.0,
        "turns": 2,
        "matched": 2,
        "dropped": 0,
    }
    assert await ended(websocket) == ([], {"turns": 2, "matched": 2, "dropped": 0})


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ({"customer": "ana"}, [("ana", "Identified"), ("ana", "Consent Updated")]),
        ({"name": "product added"}, [("zoe", "Product Added")]),
        ({"programme": "cart"}, [("zoe", "Product Added"), ("zoe", "")]),
        ({"outcome": "mail"}, [("zoe", "")]),
        ({"customer": "zoe", "outcome": "mail"}, [("zoe", "")]),
        ({"customer": "ana", "outcome": "mail"}, []),
    ],
)
async def test_a_tail_shows_what_was_asked_for(autojump_clock, world, wanted, seen):
    shop = await world.shop()
    websocket = await tailing(world, **wanted)
    await shop.knows("ana")
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    await world.passes(HOUR - 1_000)
    turns = []
    async with trio.open_nursery() as nursery:
        # What waits for its connection is bounded: it is read while it comes.
        async def read():
            while True:
                answer = await hear(websocket)
                turns.append(answer["event"])

        nursery.start_soon(read)
        await world.passes(60_000)
        nursery.cancel_scope.cancel()
    shown = [event for event in turns if event["type"] == "turn"]
    rest, _ = await ended(websocket)
    told = [(turn["customer"], turn["event"]) for turn in shown + rest]
    # The delivery's report of the mail is a turn of the programme too.
    assert told[: len(seen)] == seen
    assert len(told) <= len(seen) + (1 if "programme" in wanted else 0)


async def test_what_is_beyond_the_rate_is_dropped_counted_and_said(autojump_clock, world):
    shop = await world.shop()
    websocket = await tailing(world, rate=3)
    for number in range(10):
        await shop.identify(f"c{number}", email=f"c{number}@customers.example")
    turns, said = await ended(websocket)
    assert [turn["customer"] for turn in turns] == ["c0", "c1", "c2"]
    assert said == {"turns": 10, "matched": 10, "dropped": 7}


async def test_an_operator_who_reads_nothing_holds_up_nobody(autojump_clock, world):
    """The connection is full at once; the shop hears of none of it, and what is put by is bound."""
    shop = await world.shop()
    websocket = await tailing(world, rate=tail.FASTEST)
    for number in range(tail.WAITING + 100):
        await shop.identify(f"c{number}", email=f"c{number}@customers.example")
    (watcher,) = [one.__self__ for one in world.service.system.onlookers if is_of_a_tail(one)]
    assert watcher.turns == tail.WAITING + 100
    assert len(watcher._waiting) + watcher.dropped <= watcher.turns
    assert len(watcher._waiting) <= tail.WAITING
    _, said = await ended(websocket)
    assert said["turns"] == tail.WAITING + 100


def is_of_a_tail(watcher):
    return isinstance(getattr(watcher, "__self__", None), tail.Tail)


async def test_other_questions_are_answered_while_a_tail_runs(autojump_clock, world):
    websocket = await tailing(world)
    await say(websocket, id=2, op="status")
    answer = await hear(websocket)
    assert (answer["id"], answer["ok"]) == (2, True)


async def test_a_turn_that_fails_is_shown_as_failed(autojump_clock, world, monkeypatch):
    def broken(*_):
        raise RuntimeError("no such rule")

    shop = await world.shop()
    websocket = await tailing(world, outcome="failed")
    monkeypatch.setattr(world.service.system, "_decide", broken)
    await shop.identify("zoe", email="zoe@customers.example")
    (turn,), _ = await ended(websocket)
    assert (turn["customer"], turn["outcome"]) == ("zoe", ["failed"])
    assert turn["error"] == "RuntimeError: no such rule"


@pytest.mark.parametrize("farewell", ["cancel", "leave"])
async def test_a_tail_that_ended_costs_nothing_any_more(autojump_clock, world, farewell):
    before = list(world.service.system.onlookers)
    websocket = await tailing(world)
    assert len(world.service.system.onlookers) == len(before) + 1
    if farewell == "cancel":
        await ended(websocket)
    else:
        await websocket.aclose()
    await world.passes(1_000)
    assert world.service.system.onlookers == before
    assert world.service.system.mourners == []


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ([{"op": "tail", "programme": "nursing-home"}], "no programme 'nursing-home'"),
        ([{"op": "tail", "outcome": "sung"}], "there are mail, withheld, failed, quiet"),
        ([{"op": "tail", "rate": 0}], "from 1 to 500"),
        ([{"op": "cancel"}], "nothing runs under 1"),
    ],
)
async def test_a_tail_that_cannot_be_is_refused_and_the_conversation_goes_on(
    autojump_clock, world, frames, said
):
    websocket = await world.console()
    for frame in frames:
        await say(websocket, id=1, **frame)
    answer = await hear(websocket)
    assert answer["ok"] is False
    assert said in answer["error"]["reason"]
    await say(websocket, id=2, op="status")
    assert (await hear(websocket))["ok"] is True


async def test_one_conversation_has_few_tails_and_each_its_own_number(autojump_clock, world):
    websocket = await tailing(world)
    await say(websocket, id=1, op="tail")
    assert "running already" in (await hear(websocket))["error"]["reason"]
    for number in range(2, tail.AT_ONCE + 1):
        await say(websocket, id=number, op="tail")
        assert (await hear(websocket))["event"]["type"] == "counts"
    await say(websocket, id=9, op="tail")
    assert "enough" in (await hear(websocket))["error"]["reason"]


def test_a_turn_is_wanted_where_all_that_is_named_holds():
    assert tail.wants(Request(1, "tail"), "zoe", ())
    assert tail.wants(Request(1, "tail", outcome="failed"), "zoe", ())
    assert not tail.wants(Request(1, "tail", outcome="failed", customer="ana"), "zoe", ())
    assert not tail.wants(Request(1, "tail", name="Order Paid"), "zoe", ())


# What an operator says in the shop's stead.


async def test_an_event_that_an_operator_says_is_taken_and_marked_as_theirs(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    websocket = await world.console()
    event = {"type": "track", "event": "Product Added", "properties": {"product_id": "cup"}}
    await say(websocket, id=1, op="send", customer="zoe", event=event)
    answer = await hear(websocket)
    assert answer["ok"], answer
    assert answer["result"]["outcome"] == "taken"
    found = (await world.ask("inspect", customer="zoe"))["result"]
    assert found["state"]["cart"]["lines"][0]["product_id"] == "cup"
    rows = await world.service.store.journal("zoe", before=None, limit=1)
    assert b"operator" in rows[0].message
    (noted,) = (await world.ask("operations"))["result"]["operations"]
    assert (noted["key"], noted["op"], noted["about"]) == ("operator", "send", "zoe: Product Added")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, "name a customer and an event"),
        ({"customer": "zoe"}, "name a customer and an event"),
        ({"customer": "zoe", "event": {"type": "track", "event": "Product Added"}}, "product_id"),
        ({"customer": "zoe", "event": {"type": "sing"}}, "sing"),
        ({"customer": "shop:", "event": {"type": "track", "event": "Signed Up"}}, "reserved"),
    ],
)
async def test_an_event_that_cannot_be_is_refused_with_the_reason(
    autojump_clock, world, wanted, said
):
    answer = await world.ask("send", **wanted)
    assert answer["ok"] is False
    assert said in answer["error"]["reason"]
    assert (await world.ask("operations"))["result"]["operations"] == []


def test_a_filter_wants_the_turns_that_are_shown_so():
    names, outcomes = Counter(), Counter()
    for number in range(3):
        life, made = lived(number), []
        for fact in life.facts:
            if hasattr(fact, "at") and made:
                for one in programmes.ALL:
                    wanted = tail.wants(Request(1, "tail", programme=one.name), "c1", tuple(made))
                    assert wanted == (one.name in tail.programmes_of(made))
                    names[wanted] += 1
                for outcome in (*tail.OUTCOMES, *tail.REASONS):
                    wanted = tail.wants(Request(1, "tail", outcome=outcome), "c1", tuple(made))
                    assert wanted == (outcome in tail.outcomes_of(made))
                    outcomes[outcome] += wanted
                made = []
            made.append(fact)
    assert names[True] > 10
    assert outcomes["mail"] > 3
    assert outcomes["quiet"] > 3
