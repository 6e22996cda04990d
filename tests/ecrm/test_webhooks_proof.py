"""Who may tell us what became of a mail: nobody whose signature is not right."""

from __future__ import annotations

import base64
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.delivery.webhooks import proof
from ecrm.delivery.webhooks.proof import Proof, Request
from ecrm.errors import Rejected
from ecrm.moment import MINUTE, NEVER, SECOND, Instant

NOW = Instant(1_772_442_000_000)
KEY = "a secret of the shop"
SECRET = "whsec_" + base64.b64encode(b"svix secret of 24 bytes!").decode()
BODY = b'{"type":"email.bounced"}'


def seconds(at):
    return str(at // SECOND)


def basic(user="shop", password="door"):
    told = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Request({"authorization": f"Basic {told}"}, BODY)


def mailgun(at=NOW, token="t" * 50, key=KEY, **more):
    signature = hmac.digest(key.encode(), (seconds(at) + token).encode(), "sha256").hex()
    told = {"timestamp": seconds(at), "token": token, "signature": signature} | more
    return Request({}, json.dumps({"signature": told, "event-data": {}}).encode())


def svix(at=NOW, body=BODY, signed=BODY, ident="msg_1", before=""):
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    raw = hmac.digest(secret, f"{ident}.{seconds(at)}.".encode() + signed, "sha256")
    signature = f"{before}v1,{base64.b64encode(raw).decode()}"
    headers = {"svix-id": ident, "svix-timestamp": seconds(at), "svix-signature": signature}
    return Request(headers, body)


def refused(check):
    with pytest.raises(Rejected) as caught:
        check()
    return caught.value.code == "bad_signature"


def test_postmark_is_known_by_its_password():
    assert proof.basic(basic(), "shop", "door") == Proof("", NEVER)
    told = basic().headers["authorization"].replace("Basic", "basic")
    assert proof.basic(Request({"authorization": told}, BODY), "shop", "door") == Proof()


@pytest.mark.parametrize(
    "request_",
    [
        basic(password="doors"), basic(user="shops"), Request({}, BODY),
        Request({"authorization": "Basic"}, BODY), Request({"authorization": "Basic é"}, BODY),
        Request({"authorization": basic().headers["authorization"].replace("Basic", "Bearer")}, BODY),
    ],
)  # fmt: skip
def test_nobody_is_postmark_without_it(request_):
    assert refused(lambda: proof.basic(request_, "shop", "door"))


@pytest.mark.parametrize("told", [KEY, f"Bearer {KEY}", f"bearer {KEY}"])
def test_brevo_is_known_by_its_token(told):
    assert proof.token(Request({"authorization": told}, BODY), KEY) == Proof()
    assert proof.token(Request({"x-brevo": told}, BODY), KEY, "x-brevo") == Proof()


@pytest.mark.parametrize(("told", "secret"), [("", ""), ("x", KEY), (KEY + "x", KEY), ("", KEY)])
def test_nobody_is_brevo_without_it(told, secret):
    assert refused(lambda: proof.token(Request({"authorization": told}, BODY), secret))
    assert refused(lambda: proof.token(Request({}, BODY), secret))


def test_mailgun_signs_its_time_and_its_token():
    assert proof.mailgun(mailgun(), KEY, NOW) == Proof("t" * 50, Instant(NOW + 5 * MINUTE))


@pytest.mark.parametrize(
    "request_",
    [
        mailgun(key="another"), mailgun(timestamp=seconds(NOW + SECOND)), mailgun(signature=""),
        Request({}, b"{}"), Request({}, b"not json"), mailgun(signature="é" * 64),
    ],
)  # fmt: skip
def test_nobody_is_mailgun_without_its_key(request_):
    assert refused(lambda: proof.mailgun(request_, KEY, NOW))


def test_resend_signs_the_body():
    assert proof.svix(svix(), SECRET, NOW) == Proof("msg_1", Instant(NOW + 5 * MINUTE))


def test_one_of_several_signatures_is_enough_while_a_secret_is_replaced():
    assert proof.svix(svix(before="v1,AAAA v2,BBBB "), SECRET, NOW).remember == "msg_1"


@pytest.mark.parametrize(
    "request_",
    [svix(body=BODY + b" "), svix(ident=""), Request({}, BODY), svix(before="v1,A " * 10)],
)
def test_nobody_is_resend_without_the_secret(request_):
    assert refused(lambda: proof.svix(request_, SECRET, NOW))


def test_a_secret_that_is_none_is_told_from_a_signature_that_is_none():
    with pytest.raises(ValueError, match="ASCII"):
        proof.svix(svix(), "whsec_é!", NOW)


SIGNED_TIMES = [
    lambda at: proof.mailgun(mailgun(at), KEY, NOW),
    lambda at: proof.svix(svix(at), SECRET, NOW),
]


@pytest.mark.parametrize("check", SIGNED_TIMES)
def test_a_request_is_good_for_five_minutes_either_way(check):
    assert check(NOW - 5 * MINUTE).remember
    assert check(NOW + 5 * MINUTE).remember
    assert refused(lambda: check(NOW - 5 * MINUTE - SECOND))
    assert refused(lambda: check(NOW + 5 * MINUTE + SECOND))


@pytest.mark.parametrize("check", SIGNED_TIMES)
def test_a_request_is_remembered_for_as_long_as_it_is_good(check):
    assert check(NOW - MINUTE).until == NOW + 4 * MINUTE


def twilio(at=str(NOW // SECOND), signature="c2ln"):
    prefix = "x-twilio-email-event-webhook-"
    return Request({f"{prefix}timestamp": at, f"{prefix}signature": signature}, BODY)


def test_sendgrid_claims_to_have_signed_its_time_and_the_body():
    claim = proof.sendgrid(twilio(), NOW)
    assert (claim.signed, claim.signature) == (seconds(NOW).encode() + BODY, b"sig")
    assert claim.proof.until == NOW + 5 * MINUTE
    assert claim.proof.remember == proof.sendgrid(twilio(signature="c2lnc2ln"), NOW).proof.remember


@pytest.mark.parametrize(
    "request_",
    [
        twilio(""),
        twilio("-5"),
        twilio("1e9"),
        twilio(seconds(NOW - 6 * MINUTE)),
        twilio(signature="é"),
    ],
)
def test_a_claim_without_a_time_of_now_is_refused(request_):
    assert refused(lambda: proof.sendgrid(request_, NOW))


TOPIC = "arn:aws:sns:eu-west-3:1:bounces"
CERTIFICATE = "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0123abcd.pem"


def sns(kind="Notification", **more):
    told = {
        "Type": kind, "MessageId": "m1", "TopicArn": TOPIC, "Message": "said",
        "Timestamp": "2026-03-02T09:00:00.000Z", "SignatureVersion": "1", "Signature": "c2ln",
        "SigningCertURL": CERTIFICATE, **more,
    }  # fmt: skip
    return Request({}, json.dumps(told).encode())


def claim(request, now=NOW):
    return proof.sns(request, frozenset([TOPIC]), now)


def test_sns_claims_to_have_signed_its_fields_by_name():
    found = claim(sns(Subject="about"))
    assert found.signed == (
        b"Message\nsaid\nMessageId\nm1\nSubject\nabout\nTimestamp\n2026-03-02T09:00:00.000Z\n"
        b"TopicArn\n" + TOPIC.encode() + b"\nType\nNotification\n"
    )
    assert (found.hashed, found.certificate_url, found.signature) == ("sha1", CERTIFICATE, b"sig")
    assert found.proof.remember == "m1"
    assert claim(sns(SignatureVersion="2")).hashed == "sha256"


def test_sns_signs_what_a_subscription_asks():
    url = "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    found = claim(sns("SubscriptionConfirmation", SubscribeURL=url, Token="t", Subject="x"))
    assert found.signed == (
        b"Message\nsaid\nMessageId\nm1\nSubscribeURL\n" + url.encode() + b"\n"
        b"Timestamp\n2026-03-02T09:00:00.000Z\nToken\nt\nTopicArn\n" + TOPIC.encode() + b"\n"
        b"Type\nSubscriptionConfirmation\n"
    )


def test_sns_may_take_an_hour_because_it_signs_once():
    assert claim(sns(), Instant(NOW + 60 * MINUTE)).proof.until == NOW + 60 * MINUTE
    assert refused(lambda: claim(sns(), Instant(NOW + 61 * MINUTE)))
    assert refused(lambda: claim(sns(), Instant(NOW - 6 * MINUTE)))


def test_a_topic_of_somebody_else_is_refused():
    assert refused(lambda: claim(sns(TopicArn="arn:aws:sns:eu-west-3:2:bounces")))


ELSEWHERE = [
    "http://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0.pem",
    "https://sns.eu-west-3.amazonaws.com.evil.example/SimpleNotificationService-0.pem",
    "https://evil.example/sns.eu-west-3.amazonaws.com/SimpleNotificationService-0.pem",
    "https://sns.eu-west-3.amazonaws.com@evil.example/SimpleNotificationService-0.pem",
    "https://sns.evil.example/SimpleNotificationService-0.pem",
    "https://bucket.s3.amazonaws.com/SimpleNotificationService-0.pem",
    "https://sns.eu-west-3.amazonaws.com:444/SimpleNotificationService-0.pem",
    "https://sns.eu-west-3.amazonaws.com/other/SimpleNotificationService-0.pem",
    "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0.pem?x",
    "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-0.pem\n",
    "",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_a_certificate_that_lies_elsewhere_is_not_even_named(url):
    assert refused(lambda: claim(sns(SigningCertURL=url)))


@pytest.mark.parametrize(
    "more",
    [
        {"SignatureVersion": "3"}, {"Timestamp": "today"}, {"Signature": "é"}, {"Message": None},
        {"SubscribeURL": "https://evil.example/?x"},
    ],
)  # fmt: skip
def test_a_message_that_is_not_as_sns_makes_them_is_refused(more):
    assert refused(lambda: claim(sns(**more)))


def test_a_certificate_in_china_lies_there():
    there = CERTIFICATE.replace("eu-west-3.amazonaws.com", "cn-north-1.amazonaws.com.cn")
    assert claim(sns(SigningCertURL=there)).certificate_url == there


HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "svix-id", "svix-timestamp", "svix-signature"]),
    st.text(max_size=20),
)


@given(HEADERS, st.binary(max_size=50))
def test_whatever_comes_in_is_refused_in_the_same_way(headers, body):
    request = Request(headers, body)
    for check in (
        lambda: proof.basic(request, "shop", "door"),
        lambda: proof.token(request, KEY),
        lambda: proof.mailgun(request, KEY, NOW),
        lambda: proof.svix(request, SECRET, NOW),
        lambda: proof.sendgrid(request, NOW),
        lambda: claim(request),
    ):
        assert refused(check)
