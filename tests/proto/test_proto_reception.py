"""One message as it was written becomes a `Message`, or a `Reject` that says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from proto import codec, envelope, events, reception, record
from proto.frames import Reject

RECEIVED = 1_772_359_200_000  # 2026-03-01T10:00:00Z
DAY = 86_400_000
FORMS = pytest.mark.parametrize("form", [codec.JSON, codec.MSGPACK], ids=["json", "msgpack"])


def at(millis):
    return datetime.fromtimestamp(millis / 1_000, UTC)


def said(**fields):
    basis = {"type": "track", "messageId": "m1", "userId": "u1"}
    if fields.get("type", "track") == "track":
        basis |= {"event": "Order Prepared", "properties": {"order_id": "o1"}}
    return {**basis, **fields}


def receive(message, form=codec.JSON, source="secret", **more):
    return reception.receive(form, form.encode(message), RECEIVED, source, **more)


@FORMS
def test_a_tracked_event_arrives_with_all_it_says(form):
    data = form.encode(said(anonymousId="a1"))
    assert reception.receive(form, data, RECEIVED, "secret") == envelope.Message(
        kind="track",
        message_id="m1",
        event_name="Order Prepared",
        event=events.OrderPrepared(order_id="o1"),
        timestamp=RECEIVED,
        user_id="u1",
        anonymous_id="a1",
        source="secret",
        original=data,
    )


@FORMS
def test_identify_carries_traits(form):
    traits = {
        "email": "a@b.example",
        "firstName": "Ada",
        "lastName": "L",
        "birthday": "1990-12-10",
        "createdAt": "2026-01-01T00:00:00Z",
        "address": {"city": "Lyon", "country": "FR", "postalCode": "69001"},
        "preferences": {"sizes": ["M"], "garden": True},
        "shoeSize": 38,
    }
    message = receive(said(type="identify", traits=traits), form)
    assert (message.kind, message.event_name) == ("identify", "Identified")
    assert message.event == envelope.Traits(
        email="a@b.example",
        first_name="Ada",
        last_name="L",
        birthday="1990-12-10",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        address=envelope.Address(city="Lyon", country="FR", postal_code="69001"),
        preferences={"sizes": ("M",), "garden": True},
    )
    assert b"shoeSize" in message.original


@FORMS
def test_a_page_may_be_named_beside_its_properties(form):
    inside = said(type="page", properties={"name": "Home", "url": "https://s.example/"})
    beside = said(type="page", name="Chairs", category="Seats", properties={"name": "Home"})
    assert receive(inside, form).event == envelope.PageView(name="Home", url="https://s.example/")
    assert receive(beside, form).event == envelope.PageView(name="Chairs", category="Seats")
    assert receive(beside, form).event_name == "Page Viewed"


@FORMS
def test_alias_binds_two_ids(form):
    message = receive(said(type="alias", previousId="a1"), form)
    assert (message.kind, message.event_name) == ("alias", "Aliased")
    assert (message.previous_id, message.user_id) == ("a1", "u1")
    assert message.event == envelope.Aliased()


def test_an_alias_arrives_under_our_name():
    message = receive(said(event="purchase", properties={"transaction_id": "T1"}))
    assert (message.event_name, message.event) == (
        "Order Completed",
        events.OrderCompleted(order_id="T1"),
    )


@FORMS
@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"messageId": 5}, "$.messageId"),
        ({"messageId": ""}, "$.messageId"),
        ({"type": "group"}, "$.type"),
        ({"event": ""}, "$.event"),
        ({"userId": "u" * 256}, "$.userId"),
        ({"userId": 7}, "$.userId"),
        ({"userId": "visitor:a1"}, "$.userId"),
        ({"timestamp": "yesterday"}, "$.timestamp"),
        ({"properties": {"order_id": 7}}, "$.properties.order_id"),
        ({"type": "identify", "traits": {"email": "nobody"}}, "$.traits.email"),
        ({"type": "page", "properties": {"url": 1}}, "$.properties.url"),
        ({"type": "alias"}, "$"),
        ({"type": "alias", "previousId": "a1", "userId": None}, "$.userId"),
        ({"type": "alias", "previousId": "visitor:a1"}, "$.previousId"),
    ],
)
def test_a_message_invalid_in_itself_is_rejected_with_its_path(form, fields, path):
    reject = receive(said(**fields), form)
    assert isinstance(reject, Reject)
    sent_id = fields.get("messageId", "m1")
    assert (reject.id, reject.code, reject.path) == (
        sent_id if isinstance(sent_id, str) else "",
        "invalid",
        path,
    )
    assert reject.reason


@FORMS
@pytest.mark.parametrize("message", [[], None, "track", {}])
def test_what_has_no_id_is_rejected_without_one(form, message):
    reject = receive(message, form)
    assert (reject.id, reject.code) == ("", "invalid")


@pytest.mark.parametrize("nobody", [{}, {"userId": None}, {"userId": "", "anonymousId": ""}])
def test_an_event_of_nobody_is_unidentified(nobody):
    message = {k: v for k, v in said().items() if k != "userId"} | nobody
    assert receive(message).code == "unidentified"


@pytest.mark.parametrize(
    ("event", "properties"),
    [
        ("Product Upserted", {"product_id": "p1"}),
        ("Product Released", {"product_id": "p1", "series_id": "s"}),
        ("Campaign Launched", {"campaign_id": "n1", "template": "t"}),
    ],
)
def test_what_is_of_everybody_needs_nobody(event, properties):
    message = receive(said(event=event, properties=properties, userId=None))
    assert (message.event_name, message.user_id, message.anonymous_id) == (event, None, None)


def test_what_a_key_may_not_say_is_forbidden():
    reject = receive(said(userId=None, anonymousId="a1"), source="publishable")
    assert (reject.id, reject.code) == ("m1", "forbidden")
    assert "Order Prepared" in reject.reason


@pytest.mark.parametrize(("age", "taken"), [(30 * DAY, True), (30 * DAY + 1, False)])
def test_what_is_older_than_the_window_of_repeats_is_stale(age, taken):
    result = receive(said(timestamp=at(RECEIVED - age).isoformat()))
    assert isinstance(result, envelope.Message) is taken
    assert taken or (result.code, result.path) == ("stale", "$.timestamp")


@pytest.mark.parametrize(
    ("fields", "batch_sent", "happened"),
    [
        ({}, None, 0),
        ({"sentAt": -5_000}, None, 0),
        # The sender's clock is believed where it does not say when it sent.
        ({"timestamp": -5_000}, None, -5_000),
        ({"originalTimestamp": -5_000}, None, -5_000),
        # And corrected where it does, whichever way it is wrong.
        ({"timestamp": -65_000, "sentAt": -60_000}, None, -5_000),
        ({"originalTimestamp": 3_595_000, "sentAt": 3_600_000}, None, -5_000),
        ({"originalTimestamp": -65_000, "timestamp": -1, "sentAt": -60_000}, None, -5_000),
        # A batch is sent at once; a message's own word goes first.
        ({"timestamp": -65_000}, -60_000, -5_000),
        ({"timestamp": -65_000, "sentAt": -64_000}, -60_000, -1_000),
        # What would be in the future is now.
        ({"timestamp": 60_000}, None, 0),
        ({"timestamp": 5_000, "sentAt": 0}, None, 0),
    ],
)
def test_the_senders_clock_is_corrected(fields, batch_sent, happened):
    written = {key: at(RECEIVED + offset).isoformat() for key, offset in fields.items()}
    sent_at = None if batch_sent is None else at(RECEIVED + batch_sent)
    message = receive(said(**written), sent_at=sent_at)
    assert message.timestamp == RECEIVED + happened


def test_a_time_without_an_offset_is_utc_and_one_with_it_is_not():
    naive, zoned = "2026-03-01T09:00:00", "2026-03-01T09:00:00+02:00"
    assert receive(said(timestamp=naive)).timestamp == RECEIVED - 3_600_000
    assert receive(said(timestamp=zoned)).timestamp == RECEIVED - 3 * 3_600_000


@FORMS
@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_ends_of_time_are_no_exception(form, edge):
    results = [
        receive(said(timestamp=edge), form),
        receive(said(sentAt=edge, timestamp=edge), form),
        receive(said(event="Order Delivered", properties={"order_id": "o", "delivered_at": edge})),
    ]
    assert all(
        isinstance(result, Reject) or record.read(record.written(result)) for result in results
    )


def test_messagepack_may_tell_the_time_in_its_own_way():
    message = receive(said(timestamp=at(RECEIVED - 5_000)), codec.MSGPACK)
    assert message.timestamp == RECEIVED - 5_000


@FORMS
def test_a_secret_is_in_the_event_and_never_in_what_is_stored(form):
    properties = {"code": "918273", "expires_at": "2026-03-01T10:10:00Z"}
    message = receive(said(event="Verification Code Requested", properties=properties), form)
    assert message.event.code == "918273"
    assert b"918273" not in message.original
    assert b"918273" not in record.written(message)
    assert record.read(record.written(message)).event.code == "•••"


@FORMS
@pytest.mark.parametrize(
    "message",
    [
        said(),
        said(event="Seen", properties={"a": [{"b": 1.5}]}),
        said(type="identify", traits={"firstName": "Ada"}),
        said(type="page", name="Home"),
        said(type="alias", previousId="a1"),
    ],
    ids=["tracked", "unlisted", "identify", "page", "alias"],
)
def test_a_stored_message_is_restored(form, message):
    received = receive(message, form)
    assert record.read(record.written(received)) == received


def test_stored_nonsense_is_an_error():
    with pytest.raises(msgspec.DecodeError):
        record.read(b"\x80")


def test_the_address_may_say_what_a_message_is():
    body = {"messageId": "m1", "userId": "u1", "previousId": "a1"}
    assert receive(body, kind="alias").kind == "alias"
    assert receive(body, kind="track").path == "$"


def test_a_zone_far_away_changes_nothing():
    zone = timezone(timedelta(hours=-11))
    assert envelope.corrected(RECEIVED, at(RECEIVED - 1).astimezone(zone), None) == RECEIVED - 1


def test_a_message_that_was_never_on_a_wire_is_kept_field_by_field():
    made = envelope.Message(
        kind="track",
        message_id="m1",
        event_name="Order Prepared",
        event=events.OrderPrepared(order_id="o1"),
        timestamp=RECEIVED,
        user_id="c1",
    )
    assert record.read(record.written(made)) == made


def test_a_record_that_is_not_acceptable_any_more_says_why():
    kept = record.written(receive(said(event="Order Prepared", properties={"order_id": "o1"})))
    broken = kept.replace(b"order_id", b"order_no")
    with pytest.raises(msgspec.DecodeError, match="not acceptable any more"):
        record.read(broken)
