"""Time travel: what a customer was at any fact of its past, checked against every snapshot."""

from __future__ import annotations

import msgspec
import pytest

from actors import travel
from actors.asked import Refused
from actors.store import port
from ecrm import state
from ecrm.explain import difference
from ecrm.moment import CustomerId, Instant, Seq
from tests.worlds import instant, open_world

ZOE = CustomerId("zoe")


@pytest.fixture
async def world(tmp_path, autojump_clock):
    """Zoe's first hours: a cart, an order, its mails."""
    async with open_world(tmp_path, autojump_clock) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.adds("zoe", "cup")
        await world.until("2026-03-02 10:20")
        await shop.pays("zoe", "o1", "cup")
        await world.until("2026-03-04 12:00")
        yield world


def store_of(world):
    return world.service.store


async def snapshot(world, at: state.State, seq=None, state_hash=None):
    encoded = state.encode(at)
    row = port.SnapshotRow(
        ZOE,
        at.seq if seq is None else Seq(seq),
        Instant(1),
        state.SCHEMA,
        state.hash_of(encoded) if state_hash is None else state_hash,
        encoded,
    )
    await store_of(world).commit(port.Commit(snapshots=[row]))


async def test_every_place_of_a_life_is_what_the_facts_until_there_make(autojump_clock, world):
    now = await travel.present(store_of(world), ZOE)
    whole = await travel.past(store_of(world), ZOE)
    assert whole.state == now
    assert len(whole.facts) == whole.last == now.seq
    for seq in range(whole.last + 1):
        there = await travel.past(store_of(world), ZOE, seq=seq)
        assert there.state.seq == seq
        # Step by step forward one comes to the present again.
        turns = list(there.turns(1_000))
        assert (turns[-1].after if turns else there.state) == now
        assert tuple(there.facts) + tuple(f for t in turns for f in t.facts) == whole.facts


async def test_every_turn_can_be_gone_to_and_names_its_neighbours(autojump_clock, world):
    rows = await store_of(world).journal(ZOE, before=None, limit=1_000)
    ends = [0, *(row.seq + row.count for row in rows)]
    for turn, end in enumerate(ends):
        found = (await world.ask("at", customer="zoe", turn=turn, steps=0))["result"]
        assert (found["turn"], found["seq"], found["turns"]) == (turn, end, len(rows))
        assert found["previous"] == (ends[turn - 1] if turn else None)
        assert found["next"] == (ends[turn + 1] if turn < len(rows) else None)
        there = await travel.past(store_of(world), ZOE, seq=end)
        assert found["hash"] == state.hash_of(state.encode(there.state)).hex()
        assert (found["step"] is None) == (turn == 0)
    # The first place is of the first turn's instant, and not of 1970.
    first = (await world.ask("at", customer="zoe", turn=0))["result"]
    assert first["at"] == "2026-03-02T09:00:00Z"


async def test_a_place_within_a_turn_lies_between_its_ends(autojump_clock, world):
    rows = await store_of(world).journal(ZOE, before=None, limit=1_000)
    number, row = next((n, row) for n, row in enumerate(rows, 1) if row.count > 1)
    found = (await world.ask("at", customer="zoe", seq=row.seq + 1, steps=0))["result"]
    assert (found["turn"], found["previous"]) == (number, row.seq)
    assert found["next"] == row.seq + row.count
    assert len(found["step"]["facts"]) == 1


async def test_an_instant_is_what_was_known_then(autojump_clock, world):
    there = await travel.past(store_of(world), ZOE, at=instant("2026-03-02 10:19"))
    assert there.state.orders == {}
    assert [line.product_id for line in there.state.cart.lines] == ["cup"]
    after = await travel.past(store_of(world), ZOE, at=instant("2026-03-02 10:20"))
    assert list(after.state.orders) == ["o1"]


async def test_snapshots_on_the_way_are_compared(autojump_clock, world):
    there = await travel.past(store_of(world), ZOE, at=instant("2026-03-02 10:19"))
    await snapshot(world, there.state)
    assert (await travel.past(store_of(world), ZOE)).verified == (there.state.seq,)
    now = await travel.present(store_of(world), ZOE)
    await snapshot(world, now)
    assert now.seq in (await travel.past(store_of(world), ZOE, seq=1)).verified


async def test_a_snapshot_that_disagrees_is_said_and_nothing_is_shown(autojump_clock, world):
    now = await travel.present(store_of(world), ZOE)
    await snapshot(world, msgspec.structs.replace(now, relevance=5))
    with pytest.raises(Refused, match="not what the facts make"):
        await travel.past(store_of(world), ZOE, seq=2)


async def test_a_snapshot_that_cannot_be_read_is_no_witness(autojump_clock, world):
    now = await travel.present(store_of(world), ZOE)
    await snapshot(world, msgspec.structs.replace(now, relevance=5), state_hash=b"wrong")
    assert (await travel.past(store_of(world), ZOE)).verified == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"customer": "bob"}, "nobody has told anything"),
        ({"customer": "zoe", "seq": 9_999}, "name a number from 0 to"),
        ({"customer": "zoe", "seq": -1}, "name a number from 0 to"),
        ({"customer": "zoe", "turn": 9_999}, "name a number from 0 to"),
        ({"customer": "zoe", "turn": -1}, "name a number from 0 to"),
        ({"customer": "zoe", "turn": 1, "seq": 1}, "not both"),
        ({"customer": "zoe", "at": "0001-01-01T00:00+14:00"}, "before its first turn"),
        ({"customer": "zoe", "at": "soon"}, "is no instant"),
        ({"customer": "zoe", "at": "2020-01-01"}, "before its first turn"),
        ({"customer": "zoe", "at": "2026-03-02T12:00", "seq": 1}, "not both"),
        ({"customer": "zoe", "steps": 1_000}, "at most 50"),
        ({}, "name a customer: at c42"),
        ({"customer": "zoe", "event": {"type": "track", "event": "Order Paid"}}, "order_id"),
        ({"customer": "zoe", "event": {"type": "sing"}}, "the event"),
        ({"customer": "zoe", "event": {"type": "identify", "userId": "bob"}}, "about bob"),
        (
            {
                "customer": "zoe",
                "event": {
                    "type": "track",
                    "event": "Product Upserted",
                    "properties": {"product_id": "p"},
                },
            },
            "concerns everybody",
        ),
    ],
)
async def test_what_cannot_be_looked_at_is_refused(autojump_clock, world, asked, said):
    answer = await world.ask("at", **asked)
    assert answer["ok"] is False
    assert said in answer["error"]["reason"]


@pytest.mark.parametrize(
    ("op", "asked", "said"),
    [
        ("why-not", {"customer": "zoe"}, "why-not c42 review"),
        ("why-not", {"customer": "zoe", "programme": "reviw"}, "did you mean review?"),
        ("why-not", {"customer": "zoe", "programme": "cart", "language": "de"}, "en, fr"),
        ("why-not", {"customer": "bob", "programme": "cart"}, "nobody has told"),
        ("forecast", {"customer": "zoe", "days": -1}, "0 to 400"),
        ("forecast", {"customer": "zoe", "days": 401}, "0 to 400"),
        ("forecast", {}, "name a customer"),
    ],
)
async def test_what_cannot_be_explained_is_refused(autojump_clock, world, op, asked, said):
    answer = await world.ask(op, **asked)
    assert answer["ok"] is False
    assert said in answer["error"]["reason"]


async def test_at_shows_the_state_and_what_each_turn_then_changed(autojump_clock, world):
    found = (await world.ask("at", customer="zoe", at="2026-03-02T10:10", steps=1))["result"]
    assert found["state"]["cart"]["lines"][0]["product_id"] == "cup"
    (step,) = found["steps"]
    assert "placed order o1" in step["facts"]
    assert "timers.cart: gone (was 2026-03-02T10:00:00Z)" in step["changes"]
    whole = (await world.ask("at", customer="zoe"))["result"]
    assert (whole["seq"], whole["steps"]) == (whole["facts"], [])


def test_a_difference_names_what_is_new_gone_and_other():
    before = state.State(
        customer_id=ZOE,
        consents={"email_marketing": state.Consent(granted=True, at=Instant(0))},
        viewed=(state.Line("a"), state.Line("b")),
        timers={"cart": Instant(0)},
    )
    after = msgspec.structs.replace(
        before,
        seq=Seq(9),
        now=Instant(5),
        consents={"email_marketing": state.Consent(granted=False, at=Instant(0))},
        viewed=(state.Line("a"), state.Line("c")),
        timers={},
        marks={"graduated": Instant(1_000)},
    )
    # A field that holds nothing is not written down: then all of it is gone.
    assert difference.lines(before, after) == [
        "consents.email_marketing.granted: yes → no",
        "timers: gone (was cart 1970-01-01T00:00:00Z)",
        "viewed[1].product_id: b → c",
        "marks: new (graduated 1970-01-01T00:00:01Z)",
    ]
    assert difference.lines(before, before) == []
