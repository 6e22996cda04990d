"""Whatever is said, in whatever pieces: an answer or a close, never an exception."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from proto import codec, events, record
from proto.session import Close, Deliver, Grant, Reply, Session, State, Subscribed

NOW = 1_772_359_200_000
# No deadline: a busy machine is no bug. As many examples as a quarter of a second holds, roughly.
FUZZ = settings(deadline=None, max_examples=50)
KINDS = st.sampled_from(["publishable", "secret", "operator"])
FORMS = st.sampled_from([codec.JSON, codec.MSGPACK])

NAMES = [
    "type", "key", "messageId", "userId", "anonymousId", "previousId", "event", "properties",
    "traits", "batch", "sentAt", "timestamp", "topics", "product_id", "items", "products", "price",
    "quantity", "email", "expires_at", "code", "data", "order_id", "delivered_at", "createdAt",
]  # fmt: skip
WORDS = [
    "hello", "track", "identify", "page", "alias", "batch", "subscribe", "mail", "m1", "u1", "k",
    "Product Added", "Order Paid", "Order Delivered", "Verification Code Requested", "purchase",
    "add_to_cart", "checkout_completed", "Seen", "2026-03-01T09:00:00Z", "visitor:a",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "EUR", "a@b.example",
]  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
PRODUCT = {"product_id": "p1", "price": 3.5, "quantity": 1}
EVENTS = [
    ("Product Added", PRODUCT),
    ("Order Paid", {"order_id": "o1", "total": 3, "currency": "EUR", "products": [PRODUCT]}),
    ("Order Delivered", {"order_id": "o1", "delivered_at": "2026-03-01T09:00:00Z"}),
    ("Verification Code Requested", {"code": "918273", "expires_at": "2026-03-01T11:00:00Z"}),
    ("purchase", {"transaction_id": 7, "items": [{"item_id": "p1"}]}),
    ("checkout_completed", {"checkout": {"token": "k", "lineItems": [{"variant": {"id": 1}}]}}),
    ("Seen", {"a": [1, {"b": None}]}),
]
SAID = st.one_of(
    st.builds(
        lambda pair, n, who: {
            "type": "track", "messageId": f"m{n}", **who, "event": pair[0], "properties": pair[1],
        },
        st.sampled_from(EVENTS),
        st.integers(0, 9),
        st.sampled_from([{"userId": "u1"}, {"anonymousId": "a1"}, {"userId": "u2"}]),
    ),
    st.just({"type": "identify", "messageId": "i1", "userId": "u1", "traits": {"email": "a@b"}}),
    st.just({"type": "page", "messageId": "p1", "anonymousId": "a1"}),
    st.just({"type": "alias", "messageId": "l1", "userId": "u1", "previousId": "a1"}),
)  # fmt: skip


def opened(kind="secret", **limits):
    session = Session(lambda _key: Grant("k", kind), "s1", **limits)
    session.receive('{"type":"hello","key":"k"}', NOW)
    return session


def written(form, value):
    data = form.encode(value)
    return data.decode() if form.is_text else data


def check(session, actions):
    """Every frame has an outcome; a close is the last word; what is delivered can be stored."""
    assert all(isinstance(x, Reply | Close | Deliver | Subscribed) for x in actions)
    closes = [x for x in actions if isinstance(x, Close)]
    assert closes == ([actions[-1]] if session.state is State.CLOSED else [])
    for action in actions:
        if isinstance(action, Deliver):
            for message in action.messages:
                stored = record.written(message)
                assert record.read(stored).message_id == message.message_id
                assert message.timestamp <= NOW
                if isinstance(message.event, events.VerificationCodeRequested):
                    assert b"918273" not in stored


def mutated(frame, data):
    """A frame of which one value, somewhere, is another."""
    if isinstance(frame, dict) and frame and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(frame)))
        return {**frame, name: mutated(frame[name], data)}
    if isinstance(frame, list) and frame and data.draw(st.booleans()):
        return [mutated(frame[0], data), *frame[1:]]
    return data.draw(VALUES)


@FUZZ
@given(st.lists(st.text(max_size=60) | st.binary(max_size=60), max_size=4), st.booleans(), KINDS)
def test_any_text_and_any_bytes_have_an_outcome(frames, greeted, kind):
    session = opened(kind) if greeted else Session(lambda _key: Grant("k", kind), "s1")
    for frame in frames:
        if session.state is State.CLOSED:
            assert session.receive(frame, NOW) == []
        else:
            actions = session.receive(frame, NOW)
            assert actions
            check(session, actions)


@FUZZ
@given(VALUES, FORMS, KINDS, st.booleans())
def test_any_value_has_an_outcome(value, form, kind, greeted):
    session = opened(kind) if greeted else Session(lambda _key: None, "s1")
    actions = session.receive(written(form, value), NOW)
    assert actions
    check(session, actions)


@FUZZ
@given(st.data(), SAID, FORMS, KINDS, st.booleans())
def test_a_valid_frame_with_one_thing_wrong_has_an_outcome(data, said, form, kind, batched):
    frame = {"type": "batch", "batch": [said]} if batched else said
    session = opened(kind)
    actions = session.receive(written(form, mutated(frame, data)), NOW)
    assert actions
    check(session, actions)


@FUZZ
@given(st.data(), SAID, FORMS)
def test_a_frame_cut_or_bent_somewhere_has_an_outcome(data, said, form):
    whole = bytearray(form.encode(said))
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[at:]
    else:
        whole[at] = data.draw(st.integers(0, 255))
    frame = bytes(whole).decode("utf-8", "surrogateescape") if form.is_text else bytes(whole)
    session = opened()
    actions = session.receive(frame, NOW)
    assert actions
    check(session, actions)


def answers_in(items):
    """How often each id is answered by these frames."""
    said = Counter()
    for item in items:
        data = item.data if isinstance(item, Reply) else item
        decode = msgspec.json.decode if isinstance(data, str) else msgspec.msgpack.decode
        frame = decode(data)
        said.update(frame.get("ids") or [frame["id"]])
    return said


@FUZZ
@given(
    st.lists(st.tuples(st.lists(SAID, min_size=1, max_size=6), FORMS), max_size=6),
    KINDS,
    st.integers(1, 8),
    st.data(),
)
def test_every_message_is_answered_exactly_once_however_it_is_batched(batches, kind, window, data):
    session = opened(kind, window=window)
    asked, answered, pending = Counter(), Counter(), []
    for messages, form in batches:
        asked.update(message["messageId"] for message in messages)
        one = len(messages) == 1 and data.draw(st.booleans())
        frame = messages[0] if one else {"type": "batch", "batch": messages}
        actions = session.receive(written(form, frame), NOW)
        check(session, actions)
        answered += answers_in([x for x in actions if isinstance(x, Reply)])
        pending += [m.message_id for x in actions if isinstance(x, Deliver) for m in x.messages]
        assert session.unanswered <= window
        if pending and data.draw(st.booleans()):
            answered += answers_in(finish(session, [pending.pop(0)], data))
    answered += answers_in(session.acked(pending))
    assert answered == asked
    assert session.unanswered == 0


def finish(session, ids, data):
    verb = data.draw(st.sampled_from(["acked", "busy", "unknown", "rejected"]))
    match verb:
        case "busy":
            return session.busy(ids, 100)
        case "rejected":
            return session.rejected(ids[0], "held", "", "held")
        case _:
            return getattr(session, verb)(ids)


@FUZZ
@given(st.floats(), FORMS)
def test_a_price_that_arrives_is_a_number_one_can_count_with(price, form):
    said = {
        "type": "track", "messageId": "m", "userId": "u", "event": "Product Added",
        "properties": {"product_id": "p", "price": price},
    }  # fmt: skip
    for action in opened().receive(written(form, said), NOW):
        if isinstance(action, Deliver):
            counted = action.messages[0].event.price
            assert counted is None or (math.isfinite(counted) and abs(counted) <= 1e12)
