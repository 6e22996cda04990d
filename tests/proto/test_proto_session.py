"""The conversation, frame by frame, in both notations, without a socket."""

from __future__ import annotations

import msgspec
import pytest

from proto import codec, notices
from proto.session import Close, Deliver, Grant, Reply, Session, State, Subscribed

NOW = 1_772_359_200_000
KEYS = {
    "pk": Grant("k1", "publishable"),
    "sk": Grant("k2", "secret"),
    "ok": Grant("k3", "operator"),
}
FORMS = pytest.mark.parametrize("form", [codec.JSON, codec.MSGPACK], ids=["json", "msgpack"])
SENT = notices.EmailSent(customer_id="c1", at=NOW, mail_id="x1")

HELLO = {"type": "hello", "key": "sk"}
TRACK = {
    "type": "track",
    "messageId": "m1",
    "userId": "u1",
    "event": "Order Prepared",
    "properties": {"order_id": "o1"},
}
IDENTIFY = {"type": "identify", "messageId": "m1", "userId": "u1"}
PAGE = {"type": "page", "messageId": "m1", "userId": "u1"}
ALIAS = {"type": "alias", "messageId": "m1", "userId": "u1", "previousId": "a1"}
BATCH = {"type": "batch", "batch": [TRACK]}
SUBSCRIBE = {"type": "subscribe", "topics": ["mail"]}


def track(message_id, **fields):
    return {**TRACK, "messageId": message_id, **fields}


def written(form, frame):
    data = form.encode(frame)
    return data.decode() if form.is_text else data


def shown(item):
    """An action as a test compares it; a frame as (notation, content)."""
    match item:
        case Reply(data):
            return shown(data)
        case str():
            return ("json", msgspec.json.decode(item))
        case bytes():
            return ("msgpack", msgspec.msgpack.decode(item))
        case Deliver(messages):
            return ("deliver", [message.message_id for message in messages])
        case Close(code):
            return ("close", code)
        case Subscribed(topics):
            return ("subscribed", topics)


class Talk:
    """A session and one client of it, who writes in one notation."""

    def __init__(self, form=codec.JSON, key="sk", **limits):
        self.session = Session(KEYS.get, "s1", **limits)
        self.form = form
        self.name = "json" if form.is_text else "msgpack"
        if key:
            self.welcome = self.says({"type": "hello", "key": key})

    def says(self, frame, form=None):
        return self.hears(self.session.receive(written(form or self.form, frame), NOW))

    def raw(self, frame):
        return self.hears(self.session.receive(frame, NOW))

    def hears(self, items):
        return [shown(item) for item in items]

    def reply(self, **frame):
        return (self.name, frame)


@FORMS
def test_hello_is_welcomed(form):
    talk = Talk(form)
    assert talk.session.state is State.OPEN
    assert talk.session.grant == KEYS["sk"]
    assert talk.welcome == [
        talk.reply(
            type="welcome",
            session="s1",
            window=1024,
            maxFrameBytes=262_144,
            serverTime="2026-03-01T10:00:00.000Z",
        )
    ]


def test_the_server_says_nothing_before_hello():
    assert Session(KEYS.get, "s1").connected() == []


# Every state, every frame: what comes back, and the state after.
CLOSED_BY = {"unauthorized": 4401, "invalid_frame": 1007, "too_large": 1009}
TABLE = [
    ("awaiting", HELLO, "welcome", State.OPEN),
    ("awaiting", SUBSCRIBE, "unauthorized", State.CLOSED),
    ("awaiting", BATCH, "unauthorized", State.CLOSED),
    ("awaiting", TRACK, "unauthorized", State.CLOSED),
    ("awaiting", IDENTIFY, "unauthorized", State.CLOSED),
    ("awaiting", PAGE, "unauthorized", State.CLOSED),
    ("awaiting", ALIAS, "unauthorized", State.CLOSED),
    ("awaiting", {"type": "hello", "key": "nobody's"}, "unauthorized", State.CLOSED),
    ("awaiting", {"type": "hello"}, "unauthorized", State.CLOSED),
    ("awaiting", {"type": "hello", "key": 5}, "unauthorized", State.CLOSED),
    ("awaiting", {"type": "track", "messageId": 5}, "unauthorized", State.CLOSED),
    ("awaiting", {}, "unauthorized", State.CLOSED),
    ("awaiting", [], "invalid_frame", State.CLOSED),
    ("open", HELLO, "invalid_frame", State.CLOSED),
    ("open", SUBSCRIBE, "subscribed", State.OPEN),
    ("open", {"type": "subscribe", "topics": ["weather"]}, "invalid_frame", State.CLOSED),
    ("open", BATCH, "deliver", State.OPEN),
    ("open", {"type": "batch", "batch": {}}, "invalid_frame", State.CLOSED),
    ("open", {"type": "batch", "batch": [], "sentAt": 5}, "invalid_frame", State.CLOSED),
    ("open", {"type": "batch", "batch": [TRACK] * 501}, "too_large", State.CLOSED),
    ("open", {"type": "batch", "batch": []}, "ack", State.OPEN),
    ("open", TRACK, "deliver", State.OPEN),
    ("open", IDENTIFY, "deliver", State.OPEN),
    ("open", PAGE, "deliver", State.OPEN),
    ("open", ALIAS, "deliver", State.OPEN),
    ("open", {**TRACK, "properties": {}}, "reject", State.OPEN),
    ("open", {"type": "track"}, "reject", State.OPEN),
    ("open", {"type": "group", "messageId": "m1"}, "reject", State.OPEN),
    ("open", {"messageId": "m1"}, "reject", State.OPEN),
    ("open", {"type": "group"}, "invalid_frame", State.CLOSED),
    ("open", {}, "invalid_frame", State.CLOSED),
    ("open", None, "invalid_frame", State.CLOSED),
    ("closed", HELLO, None, State.CLOSED),
    ("closed", SUBSCRIBE, None, State.CLOSED),
    ("closed", BATCH, None, State.CLOSED),
    ("closed", TRACK, None, State.CLOSED),
    ("closed", [], None, State.CLOSED),
]


@FORMS
@pytest.mark.parametrize(("state", "frame", "outcome", "after"), TABLE)
def test_what_a_frame_does_in_a_state(form, state, frame, outcome, after):
    talk = Talk(form, key=None if state == "awaiting" else "sk")
    if state == "closed":
        talk.session.stopping()
    actions = talk.says(frame)
    assert talk.session.state is after
    if outcome is None:
        assert actions == []
    elif outcome in CLOSED_BY:
        (name, error), close = actions
        assert (name, error["type"], error["code"]) == (talk.name, "error", outcome)
        assert error["reason"]
        assert close == ("close", CLOSED_BY[outcome])
    elif outcome in ("deliver", "subscribed"):
        assert [action[0] for action in actions] == [outcome]
    else:
        assert [(action[0], action[1]["type"]) for action in actions] == [(talk.name, outcome)]


@pytest.mark.parametrize("frame", ["", "hello", "{", '"\ud800"', b"", b"\xc1", b"\x81\xa1"])
@pytest.mark.parametrize("key", [None, "sk"])
def test_a_malformed_frame_ends_the_conversation(frame, key):
    (_, error), close = Talk(key=key).raw(frame)
    assert (error["code"], close) == ("invalid_frame", ("close", 1007))


@pytest.mark.parametrize("key", [None, "sk"])
@pytest.mark.parametrize("frame", ["x" * 65, b"x" * 65, "é" * 33])
def test_a_frame_past_the_limit_is_told_the_limit_and_what_to_do(key, frame):
    talk = Talk(key=key, max_frame_bytes=64)
    (_, error), close = talk.raw(frame)
    assert (error["code"], close) == ("too_large", ("close", 1009))
    assert "the limit is 64" in error["reason"]
    assert "smaller batches" in error["reason"]


def test_a_frame_at_the_limit_is_read():
    frame = written(codec.JSON, TRACK)
    assert Talk(max_frame_bytes=len(frame)).raw(frame) == [("deliver", ["m1"])]


def test_the_reason_of_a_close_fits_its_frame_and_is_whole_text():
    talk = Talk()
    name = "é" * 200
    error, close = talk.session.receive(written(codec.JSON, {"type": name}), NOW)
    assert name in shown(error)[1]["reason"]
    assert len(close.reason.encode()) <= 123
    assert shown(error)[1]["reason"].startswith(close.reason)


def test_who_says_no_hello_in_time_is_shown_out():
    talk = Talk(key=None)
    (_, error), close = talk.hears(talk.session.hello_timed_out())
    assert (error["code"], close) == ("unauthorized", ("close", 4401))
    assert "10 s" in error["reason"]


def test_who_has_said_hello_or_is_gone_has_nothing_to_fear_of_the_time():
    talk = Talk()
    assert talk.session.hello_timed_out() == []
    talk.session.stopping()
    assert talk.session.hello_timed_out() == []


@FORMS
@pytest.mark.parametrize("key", [None, "sk"])
def test_a_service_that_stops_says_goodbye_once(form, key):
    talk = Talk(form, key)
    (name, error), close = talk.hears(talk.session.stopping())
    assert (error["type"], error["code"], close) == ("error", "goodbye", ("close", 1001))
    assert name == (talk.name if key else "json")
    assert talk.session.stopping() == []


# Answers.


@FORMS
def test_a_message_is_delivered_with_its_source_and_acked_once(form):
    talk = Talk(form)
    (deliver,) = talk.session.receive(written(form, TRACK), NOW)
    assert [(m.message_id, m.user_id, m.source) for m in deliver.messages] == [
        ("m1", "u1", "secret")
    ]
    assert talk.session.unanswered == 1
    assert talk.hears(talk.session.acked(["m1"])) == [talk.reply(type="ack", ids=["m1"])]
    assert talk.session.unanswered == 0
    assert talk.session.acked(["m1"]) == []


@FORMS
@pytest.mark.parametrize(
    ("answer", "frame"),
    [
        (lambda s: s.acked(["m1", "m2"]), {"type": "ack", "ids": ["m1", "m2"]}),
        (
            lambda s: s.busy(["m1", "m2"], 400),
            {"type": "busy", "ids": ["m1", "m2"], "retryAfterMs": 400},
        ),
        (lambda s: s.unknown(["m1", "m2"]), {"type": "unknown", "ids": ["m1", "m2"]}),
        (
            lambda s: s.rejected("m2", "held", "", "held for repair"),
            {"type": "reject", "id": "m2", "code": "held", "path": "", "reason": "held for repair"},
        ),
    ],
)
def test_an_answer_is_one_frame_and_comes_once(form, answer, frame):
    talk = Talk(form)
    talk.says({"type": "batch", "batch": [track("m1"), track("m2")]})
    assert talk.hears(answer(talk.session)) == [(talk.name, frame)]
    assert answer(talk.session) == []


def test_an_answer_comes_in_the_notation_of_its_question():
    talk = Talk()
    talk.says(track("m1"), codec.JSON)
    talk.says(track("m2"), codec.MSGPACK)
    talk.says(track("m3"), codec.JSON)
    assert talk.hears(talk.session.acked(["m1", "m2", "m3"])) == [
        ("json", {"type": "ack", "ids": ["m1", "m3"]}),
        ("msgpack", {"type": "ack", "ids": ["m2"]}),
    ]


def test_an_id_nobody_waits_for_is_answered_to_nobody():
    talk = Talk()
    assert talk.session.acked(["m9"]) == []
    assert talk.session.rejected("m9", "held", "", "") == []


@FORMS
def test_what_is_wrong_in_a_batch_is_rejected_and_the_rest_goes_on(form):
    talk = Talk(form)
    wrong = track("m2", properties={"order_id": 7})
    nobody = track("m3", userId=None)
    actions = talk.says({"type": "batch", "batch": [track("m1"), wrong, nobody, 5, track("m4")]})
    assert actions == [
        talk.reply(
            type="reject",
            id="m2",
            code="invalid",
            path="$.properties.order_id",
            reason="Expected `str`, got `int`",
        ),
        talk.reply(
            type="reject",
            id="m3",
            code="unidentified",
            path="$",
            reason="neither userId nor anonymousId: whose event is it?",
        ),
        talk.reply(
            type="reject", id="", code="invalid", path="$", reason="Expected `object`, got `int`"
        ),
        ("deliver", ["m1", "m4"]),
    ]


def test_a_batch_corrects_the_clock_of_its_messages():
    batch = {
        "type": "batch",
        "sentAt": "2026-03-01T12:00:00Z",
        "batch": [track("m1", timestamp="2026-03-01T11:59:00Z")],
    }
    (deliver,) = Talk().session.receive(written(codec.JSON, batch), NOW)
    assert [message.timestamp for message in deliver.messages] == [NOW - 60_000]


@FORMS
def test_what_exceeds_the_window_is_busy_until_there_is_room(form):
    talk = Talk(form, window=2)
    assert talk.says({"type": "batch", "batch": [track(f"m{n}") for n in range(4)]}) == [
        talk.reply(type="busy", ids=["m2", "m3"], retryAfterMs=250),
        ("deliver", ["m0", "m1"]),
    ]
    talk.session.acked(["m0"])
    assert talk.says(track("m2")) == [("deliver", ["m2"])]
    assert talk.says(track("m3")) == [talk.reply(type="busy", ids=["m3"], retryAfterMs=250)]


def test_an_id_that_waits_is_not_delivered_again_and_is_answered_with_the_first():
    talk = Talk()
    assert talk.says(TRACK) == [("deliver", ["m1"])]
    assert talk.says(TRACK) == []
    assert talk.says(TRACK, codec.MSGPACK) == []
    assert talk.session.unanswered == 3
    assert talk.hears(talk.session.acked(["m1"])) == [
        ("json", {"type": "ack", "ids": ["m1", "m1"]}),
        ("msgpack", {"type": "ack", "ids": ["m1"]}),
    ]
    assert talk.session.unanswered == 0


def test_a_reject_answers_every_asking():
    talk = Talk()
    talk.says({"type": "batch", "batch": [TRACK, TRACK]})
    answers = talk.hears(talk.session.rejected("m1", "held", "", "held"))
    assert [answer[1]["id"] for answer in answers] == ["m1", "m1"]


def test_an_id_that_waits_for_somebody_else_is_busy_not_lost():
    talk = Talk()
    talk.says(TRACK)
    other = track("m1", userId="u2")
    assert talk.says(other) == [talk.reply(type="busy", ids=["m1"], retryAfterMs=250)]
    talk.session.acked(["m1"])
    assert talk.says(other) == [("deliver", ["m1"])]


def test_after_the_end_nothing_is_answered():
    talk = Talk()
    talk.says(SUBSCRIBE)
    talk.says(TRACK)
    talk.session.stopping()
    session = talk.session
    assert session.acked(["m1"]) == session.busy(["m1"], 1) == session.unknown(["m1"]) == []
    assert session.rejected("m1", "held", "", "") == session.notice(SENT) == []
    assert session.unanswered == 0


# Keys.


def test_a_browser_is_heard_about_its_own_visitor_only():
    talk = Talk(key="pk")
    page = {"type": "page", "messageId": "m1", "anonymousId": "a1"}
    assert talk.says(page) == [("deliver", ["m1"])]
    assert talk.says(TRACK)[0][1]["code"] == "forbidden"
    assert talk.session.state is State.OPEN


@pytest.mark.parametrize("key", ["sk", "ok"])
@FORMS
def test_who_subscribes_hears_of_its_topics_in_its_notation(form, key):
    talk = Talk(form, key)
    changed = notices.SegmentChanged(customer_id="c1", at=NOW, axis="tier", before="a", after="b")
    assert talk.session.notice(SENT) == []
    assert talk.says(SUBSCRIBE) == [("subscribed", ("mail",))]
    talk.says(TRACK, codec.MSGPACK if form.is_text else codec.JSON)
    assert talk.hears(talk.session.notice(SENT)) == [
        talk.reply(
            type="notice",
            topic="mail",
            event="Email Sent",
            customerId="c1",
            at="2026-03-01T10:00:00.000Z",
            mailId="x1",
        )
    ]
    assert talk.session.notice(changed) == []


def test_a_browser_may_not_subscribe_and_stays():
    talk = Talk(key="pk")
    ((name, error),) = talk.says(SUBSCRIBE)
    assert (name, error["type"], error["code"]) == ("json", "error", "forbidden")
    assert talk.session.state is State.OPEN
    assert talk.session.notice(SENT) == []


def test_half_an_emoji_does_no_harm_to_the_rest_of_its_batch():
    batch = [track("m1"), track("m2", properties={"order_id": "HALF"})]
    frame = written(codec.JSON, {"type": "batch", "batch": batch}).replace("HALF", r"o \ud83c")
    assert Talk().raw(frame) == [("deliver", ["m1", "m2"])]
