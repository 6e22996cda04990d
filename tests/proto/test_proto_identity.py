"""Who a browser speaks for: the proof that only the shop's back end can make."""

from __future__ import annotations

import hmac

import pytest

from proto import codec, identity, reception, record
from proto.frames import Reject
from proto.session import Deliver, Grant, Reply, Session, State

NOW = 1_772_359_200_000
OLD, NEW = "is_old", "is_new"
HASH = identity.user_hash(NEW, "zoe")
FORMS = pytest.mark.parametrize("form", [codec.JSON, codec.MSGPACK], ids=["json", "msgpack"])
VIEW = {"event": "Product Viewed", "properties": {"product_id": "cup"}}


def prove(user_id, user_hash):
    return identity.is_proved((OLD, NEW), user_id, user_hash)


def test_the_hash_is_the_one_every_shop_can_make():
    assert hmac.new(b"is_new", b"zoe", "sha256").hexdigest() == HASH


@pytest.mark.parametrize(
    ("user", "given", "good"),
    [
        ("zoe", HASH, True),
        ("zoe", HASH.upper(), True),
        ("zoe", identity.user_hash(OLD, "zoe"), True),
        ("zo\xe9", identity.user_hash(NEW, "zo\xe9"), True),
        ("max", HASH, False),
        ("zoe", identity.user_hash("is_other", "zoe"), False),
        ("zoe", "", False),
        ("zoe", HASH[:-1], False),
        ("zoe", "\xe9" * 64, False),
    ],
)
def test_a_proof_is_of_one_person_by_a_secret_that_is_good(user, given, good):
    assert prove(user, given) is good
    assert not identity.unproved(user, given)


def said(form, **fields):
    told = {"type": "track", "messageId": "m1", **VIEW, **fields}
    return form.encode({name: value for name, value in told.items() if value is not None})


def receive(form, **fields):
    return reception.receive(form, said(form, **fields), NOW, "publishable", prove=prove)


@FORMS
def test_a_message_brings_its_own_proof_and_it_is_not_kept(form):
    message = receive(form, userId="zoe", userHash=HASH, extra="kept")
    assert (message.user_id, message.source) == ("zoe", "publishable")
    assert HASH.encode() not in message.original
    assert b"kept" in message.original
    # Read again it is believed: it was proved when it was accepted.
    assert record.read(record.written(message)) == message


@FORMS
@pytest.mark.parametrize("forged", [None, "", HASH[::-1]])
def test_without_a_good_proof_nobody_speaks_for_a_person(form, forged):
    refused = receive(form, userId="zoe", userHash=forged)
    assert isinstance(refused, Reject)
    assert (refused.code, "userHash" in refused.reason) == ("forbidden", True)


def opened(form, **hello):
    session = Session(lambda _key: Grant("k", "publishable"), "s1", prove=prove)
    frame = form.encode({"type": "hello", "key": "pk", **hello})
    return session, session.receive(frame.decode() if form.is_text else frame, NOW)


@FORMS
def test_a_hello_proves_for_the_whole_conversation_and_for_nobody_else(form):
    session, _ = opened(form, userId="zoe", userHash=HASH)

    def answered(**fields):
        frame = said(form, **fields)
        [action] = session.receive(frame.decode() if form.is_text else frame, NOW)
        return type(action)

    assert answered(userId="zoe") is Deliver
    assert answered(messageId="m2", userId="max") is Reply
    max_hash = identity.user_hash(OLD, "max")
    assert answered(messageId="m3", userId="max", userHash=max_hash) is Deliver
    assert answered(messageId="m4", userId="max") is Reply
    assert answered(messageId="m5", anonymousId="a1") is Deliver


@FORMS
@pytest.mark.parametrize("hello", [{"userHash": HASH}, {"userId": "max", "userHash": HASH}])
def test_a_hello_with_a_wrong_proof_is_turned_away_with_the_recipe(form, hello):
    session, [told, closed] = opened(form, **hello)
    assert session.state is State.CLOSED
    assert closed.code == 4401
    assert "HMAC-SHA256" in str(told.data)
