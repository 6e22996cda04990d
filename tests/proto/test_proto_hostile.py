"""What a hostile page can say: ten thousand random and bent frames with a publishable key."""

from __future__ import annotations

import random

import msgspec
import pytest

from proto import codec, permissions
from proto.session import Close, Deliver, Grant, Reply, Session, State, Turned

NOW = 1_772_359_200_000
FRAMES = 10_000

HELLO = '{"type":"hello","key":"pk"}'
PRODUCT = {"product_id": "p1", "price": 3.5}
SEEDS = [
    {"type": "track", "messageId": "m1", "anonymousId": "a1", "event": "Product Added",
     "properties": PRODUCT},
    {"type": "track", "messageId": "m2", "userId": "u1", "event": "Product Viewed",
     "properties": PRODUCT, "userHash": "0" * 64},
    {"type": "track", "messageId": "m3", "anonymousId": "a1", "event": "Order Paid",
     "properties": {"order_id": "o1", "total": 3, "currency": "EUR"}},
    {"type": "identify", "messageId": "m4", "userId": "u1", "traits": {"email": "a@b.example"}},
    {"type": "alias", "messageId": "m5", "userId": "u1", "previousId": "a1"},
    {"type": "page", "messageId": "m6", "anonymousId": "a1"},
    {"type": "subscribe", "topics": ["mail"]},
]  # fmt: skip
SEEDS.append({"type": "batch", "batch": SEEDS[:6]})


def bent(rng):
    """A frame of either notation, of which something was cut, put in or changed; or mere noise."""
    text = rng.random() < 0.5
    form = codec.JSON if text else codec.MSGPACK
    data = bytearray(form.encode(rng.choice(SEEDS)))
    for _ in range(rng.choice((0, 1, 1, 2, 8))):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(4):
            case 0:
                del data[at : at + rng.randrange(1, 20)]
            case 1:
                data[at:at] = rng.randbytes(rng.randrange(1, 8))
            case 2:
                data[at : at + 1] = b'{}[]":,0\\'[rng.randrange(9) :][:1]
            case _:
                data = bytearray(rng.randbytes(rng.randrange(1, 200)))
    return bytes(data).decode("utf-8", "replace") if text else bytes(data)


def welcomed(**more):
    session = Session(lambda _key: Grant("front", "publishable"), "s1", **more)
    session.receive(HELLO, NOW)
    return session


def test_ten_thousand_bent_frames_bring_in_only_what_a_page_may_say():
    rng, session = random.Random(7), welcomed()
    delivered = closed = 0
    for _ in range(FRAMES):
        for action in session.receive(bent(rng), NOW):
            match action:
                case Deliver(messages):
                    for message in messages:
                        assert message.kind in ("track", "page")
                        assert message.user_id is None
                        if message.kind == "track":
                            assert message.event_name in permissions.BROWSER_EVENTS
                        delivered += 1
                        session.acked([message.message_id])
                case Close():
                    closed += 1
                case _:
                    assert isinstance(action, Reply)
        if session.state is State.CLOSED:
            session = welcomed()
    # The generator hits and misses: both ways were taken often.
    assert delivered > 500
    assert closed > 500


# Rates.


def said(action):
    return msgspec.json.decode(action.data)


def test_what_comes_too_fast_is_busy_as_a_whole_and_what_has_no_id_is_refused():
    waits = [0, 700]
    session = welcomed(allow=lambda count: waits[count > 1])
    batch = {"type": "batch", "batch": [SEEDS[0], {"type": "track"}, SEEDS[5], 7]}
    *rejects, busy = session.receive(msgspec.json.encode(batch).decode(), NOW)
    assert [said(one)["id"] for one in rejects] == ["", ""]
    assert said(busy) == {"type": "busy", "ids": ["m1", "m6"], "retryAfterMs": 700}
    assert session.unanswered == 0
    [delivered] = session.receive(msgspec.json.encode(SEEDS[0]).decode(), NOW)
    assert isinstance(delivered, Deliver)
    waits[0] = 300
    [alone] = session.receive(msgspec.json.encode(SEEDS[5]).decode(), NOW)
    assert said(alone) == {"type": "busy", "ids": ["m6"], "retryAfterMs": 300}


@pytest.mark.parametrize(("code", "close"), [("unauthorized", 4401), ("limited", 4429)])
def test_a_key_that_is_turned_away_hears_why(code, close):
    session = Session(lambda _key: Turned("not from there", code), "s1")
    told, closed = session.receive(HELLO, NOW)
    assert said(told) == {"type": "error", "code": code, "reason": "not from there"}
    assert closed.code == close
    assert session.receive(HELLO, NOW) == []


def test_a_revoked_key_ends_the_conversation_once():
    session = welcomed()
    told, closed = session.revoked()
    assert (said(told)["code"], closed.code) == ("unauthorized", 4401)
    assert session.revoked() == []
