"""One HTTP body: its messages, and what of it is refused, with the place."""

from __future__ import annotations

import msgspec
import pytest

from proto import codec, envelope, post, reception, record
from proto.frames import Reject
from proto.session import Grant

RECEIVED = 1_772_359_200_000  # 2026-03-01T10:00:00Z
SECRET, PUBLISHABLE = Grant("shop", "secret"), Grant("front", "publishable")


def said(message_id="m1", **fields):
    basis = {"type": "track", "messageId": message_id, "userId": "u1", "event": "Tea Drunk"}
    return {**basis, **fields}


def read(body, kind="batch", grant=SECRET):
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return post.read(data, kind, RECEIVED, grant)


def rejects(items):
    return [item.rejected(item.read) for item in items if isinstance(item.read, Reject)]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("track", {"event": "Tea Drunk"}),
        ("identify", {"traits": {"firstName": "Zoé"}}),
        ("page", {"name": "Home"}),
        ("alias", {"previousId": "u0"}),
    ],
)
def test_the_address_may_say_the_kind_instead_of_the_body(kind, more):
    [item] = read({"messageId": "m1", "userId": "u1", **more}, kind)
    assert (item.path, item.read.kind, item.read.message_id) == ("$", kind, "m1")
    assert record.read(record.written(item.read)) == item.read


def test_a_message_is_what_the_websocket_would_take():
    message = said(anonymousId="a1", properties={"cups": 2}, timestamp="2026-03-01T09:59:00Z")
    data = msgspec.json.encode(message)
    [item] = read(data, "track")
    assert item.read == reception.receive(codec.JSON, data, RECEIVED, "secret")


def test_what_segments_libraries_add_is_passed_over():
    added = {
        "context": {"library": {"name": "analytics-python"}, "traits": {"email": 7}},
        "integrations": {"All": True},
        "channel": "server",
        "_metadata": {"nodeVersion": "v20"},
        "anonymousId": None,
    }
    [item] = read({"batch": [said(**added)], "writeKey": "sk", "sentAt": "2026-03-01T10:00:00Z"})
    assert isinstance(item.read, envelope.Message)
    assert item.read.anonymous_id is None


def test_the_batchs_sending_time_corrects_the_senders_clock():
    ahead = said(timestamp="2026-03-01T11:58:00Z")
    [item] = read({"batch": [ahead], "sentAt": "2026-03-01T12:00:00Z"})
    assert item.read.timestamp == RECEIVED - 120_000


def test_of_a_batch_the_good_ones_are_read_and_the_others_have_their_place():
    odd = {"type": "group", "messageId": "m2", "userId": "u1", "groupId": "g"}
    wrong = said("m3", event="Product Added", properties={"product_id": 3})
    items = read({"batch": [said("m1"), odd, wrong, 7, said("m5", userId=None)]})
    assert [item.read.message_id for item in items if isinstance(item.read, envelope.Message)] == [
        "m1"
    ]
    assert [(one.id, one.code, one.path) for one in rejects(items)] == [
        ("m2", "invalid", "$.batch[1].type"),
        ("m3", "invalid", "$.batch[2].properties.product_id"),
        ("", "invalid", "$.batch[3]"),
        ("m5", "unidentified", "$.batch[4]"),
    ]


def test_a_browsers_key_says_no_more_here_than_there():
    [item] = read(said(anonymousId="a1"), "track", PUBLISHABLE)
    assert item.read.code == "forbidden"


def test_one_message_is_no_larger_than_a_frame():
    large = said("m2", properties={"x": "y" * post.MAX_MESSAGE_BYTES})
    [first, second] = read({"batch": [said("m1"), large]})
    assert isinstance(first.read, envelope.Message)
    [reject] = rejects([second])
    assert (reject.id, reject.code, reject.path) == ("m2", "too_large", "$.batch[1]")


def test_a_batch_has_an_end():
    assert len(read({"batch": [said(str(n)) for n in range(post.MAX_BATCH)]})) == post.MAX_BATCH
    with pytest.raises(post.TooMany, match=r"has 2501 messages; the limit is 2500"):
        read({"batch": [7] * (post.MAX_BATCH + 1)})


def test_an_empty_batch_is_nothing_said():
    assert read({"batch": []}) == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "$"),
        (b"{", "$"),
        (b"\xff", "$"),
        (b"[]", "$"),
        (b"{}", "$"),
        (b'{"batch": 1}', "$.batch"),
        (b'{"batch": [], "sentAt": "soon"}', "$.sentAt"),
        (b'{"batch": ' + b"[" * 100_000, "$"),
    ],
)
def test_a_batch_that_cannot_be_read_says_where(body, path):
    with pytest.raises(codec.Fault) as caught:
        read(body)
    assert caught.value.path == path
    assert caught.value.reason


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"7", b'{"messageId": ""}', b"[" * 100_000]
)
def test_one_message_that_cannot_be_read_is_refused_not_raised(body):
    [reject] = rejects(read(body, "track"))
    assert reject.code == "invalid"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"writeKey": "pk", "batch": []}', "pk"),
        (b'{"batch": []}', None),
        (b'{"writeKey": 7}', None),
        (b'{"writeKey": null}', None),
        (b"{", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_the_key_is_found_in_the_body(body, key):
    assert post.key_in(body) == key


def test_the_key_in_a_message_is_not_kept():
    """Neither that of the body nor the copy that analytics.js writes into each message."""
    [alone] = read(said(writeKey="sk_secret", properties={"cups": 2}), "track")
    [within] = read({"batch": [said(writeKey="sk_secret")], "writeKey": "sk_secret"})
    code = {"code": "1234", "expires_at": "2026-03-01T11:00:00Z"}
    [hidden] = read(
        said(writeKey="sk_secret", event="Verification Code Requested", properties=code), "track"
    )
    for item in (alone, within, hidden):
        kept = record.written(item.read)
        assert b"sk_secret" not in kept
        assert b"1234" not in kept
        assert record.read(kept).event_name == item.read.event_name
    assert record.read(record.written(alone.read)) == alone.read
