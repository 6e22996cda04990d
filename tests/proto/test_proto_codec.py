"""Bytes in, structs or one kind of fault out, in both notations."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto import codec, events
from proto.frames import Hello, Track

FORMS = pytest.mark.parametrize("form", [codec.JSON, codec.MSGPACK], ids=["json", "msgpack"])
TRACK = {"type": "track", "messageId": "m1", "userId": "u1", "event": "Seen", "properties": {}}


def read(form, name, properties):
    return form.event(name, msgspec.Raw(form.encode(properties)))


def fault_of(call, *args):
    with pytest.raises(codec.Fault) as caught:
        call(*args)
    return caught.value.path, caught.value.reason


@FORMS
def test_a_frame_is_read_by_its_type(form):
    assert form.frame(form.encode({"type": "hello", "key": "k", "more": 1})) == Hello("k")
    track = form.frame(form.encode(TRACK))
    assert (type(track), track.message_id, track.event) == (Track, "m1", "Seen")


@FORMS
def test_where_the_address_says_what_a_message_is_its_body_need_not(form):
    body = form.encode({"messageId": "m1", "event": "Seen"})
    assert form.said(body, "track").event == "Seen"
    wrong = form.encode({"type": "page", "messageId": "m1", "event": "Seen"})
    assert fault_of(form.said, wrong, "track")[0] == "$.type"


@FORMS
def test_a_batch_over_http_has_no_type(form):
    batch = form.batch(form.encode({"batch": [TRACK], "sentAt": "2026-03-01T00:00:00Z"}))
    assert (len(batch.batch), batch.sent_at) == (1, datetime(2026, 3, 1, tzinfo=UTC))


@FORMS
def test_a_fault_has_a_path_relative_to_the_message(form):
    order = {"order_id": "o", "products": [{"product_id": "p", "price": "3"}]}
    assert fault_of(read, form, "Order Completed", order) == (
        "$.properties.products[0].price",
        "Expected `int | float | null`, got `str`",
    )
    assert fault_of(read, form, "Order Prepared", {}) == (
        "$.properties",
        "Object missing required field `order_id`",
    )
    assert fault_of(read, form, "Order Prepared", []) == (
        "$.properties",
        "Expected `object`, got `array`",
    )


@FORMS
def test_a_fault_in_traits_says_so(form):
    raw = msgspec.Raw(form.encode({"address": {"postalCode": 69001}}))
    assert fault_of(form.traits, raw)[0] == "$.traits.address.postalCode"


@FORMS
@pytest.mark.parametrize("said", ["nothing", "null"])
def test_properties_left_out_or_null_say_nothing(form, said):
    raw = msgspec.Raw() if said == "nothing" else msgspec.Raw(form.encode(None))
    assert form.event("Account Deleted", raw) == ("Account Deleted", events.AccountDeleted())
    assert form.event("Seen", raw) == ("Seen", events.Unlisted("Seen", {}))
    assert form.traits(raw).email is None
    assert form.page(raw).url is None


@FORMS
def test_an_event_nobody_listed_is_kept_as_it_came(form):
    told = {"a": [1, 2.5, None, True, {"b": "c"}], "d": -(2**63)}
    assert read(form, "Seen", told) == ("Seen", events.Unlisted("Seen", told))


def test_an_instant_of_messagepack_is_kept_as_an_instant():
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert read(codec.MSGPACK, "Seen", {"at": at})[1].properties == {"at": at}
    prepared = {"order_id": "o", "delivered_at": at}
    assert read(codec.MSGPACK, "Order Delivered", prepared)[1].delivered_at == at


@FORMS
@pytest.mark.parametrize("name", ["Seen", "purchase"])
def test_what_is_nested_too_deeply_is_a_fault(form, name):
    nested = 1
    for _ in range(codec.DEPTH):
        nested = {"a": nested}
    read(form, "Seen", nested)
    path, reason = fault_of(read, form, name, {"a": nested})
    assert path == "$.properties" + ".a" * (codec.DEPTH + 1)
    assert reason == "Nested deeper than 32"


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (
            codec.JSON,
            b'{"type":"track","messageId":"m","event":"Seen","properties":' + b"[" * 90_000,
        ),
        (codec.MSGPACK, b"\x91" * 90_000),
    ],
)
def test_a_stack_breaker_is_a_fault(form, data):
    assert fault_of(form.frame, data)[0] == "$"
    assert fault_of(form.event, "Seen", msgspec.Raw(data))[0] == "$.properties"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1" * 5_000, "Integer value out of range"),
        ("1" * 100, "Number does not fit 64 bits"),
        (str(2**64), "Number does not fit 64 bits"),
        (str(-(2**63) - 1), "Number does not fit 64 bits"),
        ("1e999", "Number out of range"),
    ],
)
def test_a_huge_number_is_a_fault(value, reason):
    raw = msgspec.Raw(f'{{"n":{value}}}'.encode())
    assert fault_of(codec.JSON.event, "Seen", raw)[1] == reason


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"nan"])
def test_json_has_no_other_numbers(value):
    path, reason = fault_of(codec.JSON.frame, b'{"type":"hello","key":' + value + b"}")
    assert (path, reason.partition(":")[0]) == ("$", "JSON is malformed")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "Number is not finite"),
        (math.inf, "Number is not finite"),
        (b"x", "Expected a plain value, got `bytes`"),
        (msgspec.msgpack.Ext(5, b"x"), "Expected a plain value, got `Ext`"),
        ({1: 2}, "Expected keys of `str`"),
    ],
)
def test_what_json_does_not_have_is_a_fault_in_messagepack_too(value, reason):
    path, said = fault_of(read, codec.MSGPACK, "Seen", {"a": [value]})
    assert (path, said) == ("$.properties.a[0]", reason)


@pytest.mark.parametrize(
    ("form", "properties"),
    [(codec.JSON, b'{"a":"\xff"}'), (codec.MSGPACK, b"\x81\xa1a\xa1\xff")],
)
def test_text_that_is_not_utf8_is_a_fault(form, properties):
    assert fault_of(form.event, "Seen", msgspec.Raw(properties)) == (
        "$.properties",
        "Text is not valid UTF-8",
    )


def test_half_a_surrogate_pair_is_a_fault():
    assert fault_of(codec.JSON.event, "Seen", msgspec.Raw(b'{"a":"\\ud800"}'))[0] == "$.properties"


def test_of_a_key_said_twice_the_last_counts_everywhere():
    data = b'{"order_id":"o1","order_id":"o2"}'
    assert codec.JSON.event("Order Prepared", msgspec.Raw(data))[1].order_id == "o2"
    assert codec.JSON.event("Seen", msgspec.Raw(data))[1].properties == {"order_id": "o2"}
    twice = b"\x82\xa8order_id\xa2o1\xa8order_id\xa2o2"
    assert codec.MSGPACK.event("Order Prepared", msgspec.Raw(twice))[1].order_id == "o2"


@FORMS
def test_what_cannot_be_read_is_still_called_by_its_id(form):
    assert form.name_of(form.encode({"type": 5, "messageId": "m1"})) == (5, "m1")
    assert form.name_of(form.encode({"messageId": ["m1"]})) == (None, "")
    assert fault_of(form.name_of, form.encode([1]))[1] == "Expected `object`, got `array`"


@FORMS
def test_stored_bytes_have_no_secret_and_keep_the_rest(form):
    properties = {"code": "123456", "expires_at": "2026-03-01T00:00:00Z", "colour": "red"}
    event = read(form, "Verification Code Requested", properties)[1]
    data = form.encode({**TRACK, "properties": properties, "context": {"ip": "192.0.2.1"}})
    stored = form.redacted(data, event)
    assert b"123456" not in stored
    decode = msgspec.json.decode if form.is_text else msgspec.msgpack.decode
    assert decode(stored) == {
        **TRACK,
        "properties": {**properties, "code": "•••"},
        "context": {"ip": "192.0.2.1"},
    }


@FORMS
def test_bytes_without_a_secret_are_stored_as_they_came(form):
    data = form.encode(TRACK)
    assert form.redacted(data, events.OrderPrepared(order_id="o")) is data


@FORMS
@pytest.mark.parametrize("deep", [1, 400])
def test_what_lies_beside_a_secret_is_stored_byte_for_byte(form, deep):
    nested = 1
    for _ in range(deep):
        nested = [nested]
    properties = {"code": "123456", "expires_at": "2026-03-01T00:00:00Z", "more": nested}
    event = read(form, "Verification Code Requested", properties)[1]
    stored = form.redacted(form.encode({**TRACK, "properties": properties}), event)
    assert form.encode(nested) in stored
    assert b"123456" not in stored


@FORMS
@pytest.mark.parametrize("instant", ["1899-12-31T23:59:59Z", "2201-01-01T00:00:00Z"])
def test_an_instant_beyond_any_shops_life_is_a_fault(form, instant):
    path, reason = fault_of(
        read, form, "Order Delivered", {"order_id": "o1", "delivered_at": instant}
    )
    assert (path, reason) == (
        "$.properties.delivered_at",
        "Expected an instant between 1900 and 2200",
    )
    traits = msgspec.Raw(form.encode({"createdAt": instant}))
    assert fault_of(form.traits, traits)[0] == "$.traits.createdAt"


@settings(deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from(["Seen", "Order Paid", "purchase", "Product Added"])
)
def test_any_bytes_are_an_event_or_a_fault(data, name):
    for form in (codec.JSON, codec.MSGPACK):
        for decode in (form.frame, form.said, form.batch, form.name_of):
            try:
                decode(data)
            except codec.Fault as fault:
                assert fault.path.startswith("$")  # noqa: PT017 - a fault is allowed, its path is law
        try:
            assert form.event(name, msgspec.Raw(data))
        except codec.Fault as fault:
            assert fault.path.startswith("$.properties")  # noqa: PT017 - the same


# Halves of characters, as scripts leave them.


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r'"caf\u00e9 \ud83c"', "café \N{REPLACEMENT CHARACTER}"),
        (r'"\uDF75 tea"', "\N{REPLACEMENT CHARACTER} tea"),
        (r'"\ud83c\ud83c\udf75"', "\N{REPLACEMENT CHARACTER}🍵"),
        (r'"\ud83c\udf75"', "🍵"),
        (r'"a backslash \\ud83c"', r"a backslash \ud83c"),
        ('"🍵"', "🍵"),
    ],
)
def test_half_a_character_is_replaced_and_a_whole_one_stays(text, read):
    assert msgspec.json.decode(codec.whole(text.encode())) == read


@given(st.text())
def test_what_is_text_stays_as_it_is(text):
    plain = json.dumps(text).encode()
    assert codec.whole(plain) == plain
