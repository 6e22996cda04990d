"""Webhooks: who may tell what became of mails, and that it is told once and for sure."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from quart_trio import QuartTrio

from actors import doors
from actors.web.hooks import Hooks
from ecrm import facts, moment
from ecrm.delivery.webhooks import proof
from ecrm.moment import minutes
from tests import bouncing
from tests.bouncing import basic, by_hook, postmark
from tests.visits import mail_id_of
from tests.worlds import open_world

SIGNING = "key-0123456789abcdef"
SVIX = "whsec_" + base64.b64encode(b"svix secret of 24 bytes!").decode()
TOKEN = "a token that Brevo was given"
TWILIO = ec.generate_private_key(ec.SECP256R1())
AWS = "https://sns.eu-west-3.amazonaws.com"
TOPIC = "arn:aws:sns:eu-west-3:123456789012:bounces"


def shown(key):
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


DOORS = doors.BouncesSection(
    postmark=bouncing.POSTMARK,
    sendgrid=doors.SendgridSection(key=shown(TWILIO)),
    mailgun=doors.MailgunSection(signing_key=SIGNING),
    brevo=doors.BrevoSection(token=TOKEN),
    resend=doors.ResendSection(secret=SVIX),
)


@pytest.fixture
async def world(tmp_path, autojump_clock):
    async with open_world(tmp_path, autojump_clock, doors=DOORS) as world:
        yield world


@pytest.fixture
async def letter(world, autojump_clock):
    """An order confirmation to ana."""
    shop = await world.shop()
    await shop.knows("ana")
    await shop.pays("ana", "o1", "tea")
    await world.clock.settled()
    return world.letter("k11")


async def came(world):
    return [one for one in await world.past("ana") if isinstance(one, facts.Returned)]


async def verdicts(world):
    return [(one.verdict, one.source) for one in await came(world)]


# What each provider sends, signed as it does.


def seconds(world):
    return str(world.clock.now() // 1_000)


def from_postmark(_world, letter):
    return msgspec.json.encode(postmark(letter)), {"Authorization": basic()}


def from_sendgrid(world, letter):
    told = {
        "event": "bounce", "type": "bounce", "timestamp": 1_772_442_000, "sg_event_id": "e1",
        "reason": "550 5.1.1 user unknown", "mail_id": mail_id_of(letter),
    }  # fmt: skip
    body, at = msgspec.json.encode([told]), seconds(world)
    signature = TWILIO.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
    prefix = "X-Twilio-Email-Event-Webhook-"
    told = base64.b64encode(signature).decode()
    return body, {f"{prefix}Timestamp": at, f"{prefix}Signature": told}


def from_mailgun(world, letter):
    at, token = seconds(world), "t" * 50
    signature = hmac.digest(SIGNING.encode(), f"{at}{token}".encode(), "sha256").hex()
    data = {
        "event": "failed", "severity": "permanent", "id": "e1", "timestamp": 1_772_442_000.5,
        "recipient": "ana@customers.example", "user-variables": {"mail_id": mail_id_of(letter)},
        "delivery-status": {"code": 550, "message": "5.1.1 user unknown"},
    }  # fmt: skip
    signed = {"timestamp": at, "token": token, "signature": signature}
    return msgspec.json.encode({"signature": signed, "event-data": data}), {}


def from_brevo(_world, letter):
    told = {
        "event": "hard_bounce", "email": "ana@customers.example", "ts_epoch": 1_772_442_000_000,
        "X-Mailin-custom": mail_id_of(letter), "reason": "550 5.1.1 user unknown",
    }  # fmt: skip
    return msgspec.json.encode(told), {"Authorization": f"Bearer {TOKEN}"}


def from_resend(world, letter):
    told = {
        "type": "email.bounced", "created_at": "2026-03-02T09:00:00.000Z",
        "data": {
            "email_id": "r1", "to": ["ana@customers.example"],
            "tags": {"mail_id": mail_id_of(letter)},
            "bounce": {"type": "Permanent", "subType": "NoEmail", "message": "gone"},
        },
    }  # fmt: skip
    body, at = msgspec.json.encode(told), seconds(world)
    secret = base64.b64decode(SVIX.removeprefix("whsec_"))
    raw = hmac.digest(secret, f"msg_1.{at}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(raw).decode()}"
    return body, {"Svix-Id": "msg_1", "Svix-Timestamp": at, "Svix-Signature": signature}


SENDERS = {
    "postmark": from_postmark,
    "sendgrid": from_sendgrid,
    "mailgun": from_mailgun,
    "brevo": from_brevo,
    "resend": from_resend,
}
each = pytest.mark.parametrize("provider", SENDERS)


@each
async def test_what_a_provider_has_proved_is_taken_once(world, autojump_clock, letter, provider):
    body, headers = SENDERS[provider](world, letter)
    for _ in range(2):
        assert await by_hook(world, provider, body, **headers) == 200
    assert await verdicts(world) == [("hard", provider)]
    assert (await world.ask("status"))["result"]["returns"] == {"hard": 1}


@each
async def test_what_is_not_signed_by_the_provider_changes_nothing(
    world, autojump_clock, letter, provider
):
    body, headers = SENDERS[provider](world, letter)
    assert await by_hook(world, provider, body.replace(b'"signature"', b'"signatur"')) == 401
    wrong = {name: value[:-3] + "AA=" for name, value in headers.items()}
    forged = body if headers else body.replace(b'"token":"tt', b'"token":"tx')
    assert await by_hook(world, provider, forged, **wrong) == 401
    assert await came(world) == []


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun", "resend"])
async def test_what_was_overheard_is_too_old_soon(world, autojump_clock, letter, provider):
    body, headers = SENDERS[provider](world, letter)
    await world.passes(minutes(6))
    assert await by_hook(world, provider, body, **headers) == 401
    assert await came(world) == []


@pytest.mark.parametrize("provider", ["ses", "mailpace", "x", "POSTMARK"])
async def test_a_provider_without_settings_has_no_door(world, autojump_clock, letter, provider):
    assert await by_hook(world, provider, b"{}", Authorization=basic()) == 404


async def test_what_could_not_be_kept_is_asked_for_again(world, autojump_clock, letter):
    """A customer who is held hears nothing until it is released; nothing is lost meanwhile."""
    world.service.system._held["ana"] = "unreadable"
    body, headers = SENDERS["resend"](world, letter)
    assert await by_hook(world, "resend", body, **headers) == 503
    del world.service.system._held["ana"]
    assert await by_hook(world, "resend", body, **headers) == 200
    assert await verdicts(world) == [("hard", "resend")]


async def test_a_broken_store_is_answered_503(world, autojump_clock, letter):
    body, headers = SENDERS["postmark"](world, letter)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.service.store, "_closed", True)
        assert await by_hook(world, "postmark", body, **headers) == 503


@pytest.mark.parametrize("body", [b"", b"no json", b"[", b'"text"'])
async def test_what_is_no_body_of_a_provider_is_refused(world, autojump_clock, body):
    assert await by_hook(world, "postmark", body, Authorization=basic()) == 400


async def test_a_body_may_be_large_and_not_endless(world, autojump_clock, letter):
    many = [postmark(letter, "Blocked", n, Details="x" * 400) for n in range(1_000)]
    assert len(msgspec.json.encode(many)) > 500_000
    assert await by_hook(world, "postmark", many, Authorization=basic()) == 200
    assert await verdicts(world) == [("block", "postmark")]
    endless = b'{"x":"' + b"x" * 1_100_000 + b'"}'
    assert await by_hook(world, "postmark", endless, Authorization=basic()) == 413


async def test_events_of_other_systems_of_the_same_account_are_passed_over(
    world, autojump_clock, letter
):
    foreign = postmark(letter, Metadata={}, MessageID="another's")
    assert await by_hook(world, "postmark", foreign, Authorization=basic()) == 200
    opened = {"RecordType": "Open", "Email": "ana@customers.example"}
    assert await by_hook(world, "postmark", opened, Authorization=basic()) == 200
    assert await came(world) == []
    assert (await world.ask("status"))["result"]["returns"] == {"unmatched": 1}


async def test_a_hook_is_asked_with_post_alone(world, autojump_clock):
    status, _ = await world.page("/hooks/postmark")
    assert status == 405


# SNS, which asks first whether it may send.


@pytest.fixture
def amazon():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
async def subscribed(world, autojump_clock, amazon):
    """The service with hooks of SES; what it asked AWS for is in the list."""
    asked = []

    async def fetch(url):
        asked.append(url)
        await trio.lowlevel.checkpoint()
        return certificate(amazon, world.clock.now())

    section = doors.BouncesSection(ses=doors.SesSection(topic_arn=TOPIC))
    hooks = Hooks(world.service.returns, doors.provers(section, fetch), fetch, world.clock)
    app = QuartTrio("hooks", static_folder=None)
    app.register_blueprint(hooks.blueprint())
    world.service.web.app = app
    return asked


def certificate(key, now):
    today = datetime.fromtimestamp(now / 1_000, UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=30))
        .not_valid_after(today + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def sns(world, key, message, **more):
    told = {
        "Type": "Notification", "MessageId": "m1", "TopicArn": TOPIC, "Message": message,
        "Timestamp": moment.format_instant(world.clock.now()), "SignatureVersion": "2",
        "Signature": "", "SigningCertURL": f"{AWS}/SimpleNotificationService-1.pem",
    } | more  # fmt: skip
    request = proof.Request({}, msgspec.json.encode(told))
    claim = proof.sns(request, frozenset([told["TopicArn"]]), world.clock.now())
    signature = key.sign(claim.signed, padding.PKCS1v15(), hashes.SHA256())
    return told | {"Signature": base64.b64encode(signature).decode()}


async def test_a_subscription_to_our_topic_is_confirmed_at_aws(
    world, autojump_clock, subscribed, amazon
):
    url = f"{AWS}/?Action=ConfirmSubscription&Token=abc"
    more = {"Type": "SubscriptionConfirmation", "Token": "abc", "SubscribeURL": url}
    assert await by_hook(world, "ses", sns(world, amazon, "confirm", **more)) == 200
    assert subscribed == [f"{AWS}/SimpleNotificationService-1.pem", url]
    foreign = sns(world, amazon, "confirm", TopicArn=f"{TOPIC}-of-another", **more)
    assert await by_hook(world, "ses", foreign) == 401
    assert len(subscribed) == 2


async def test_a_bounce_that_sns_tells_is_taken(world, autojump_clock, subscribed, amazon, letter):
    told = {
        "mail": {"messageId": "s1", "tags": {"mail_id": [mail_id_of(letter)]}},
        "bounce": {
            "timestamp": "2026-03-02T09:00:00.000Z", "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": "ana@customers.example"}],
        },
    }  # fmt: skip
    body = sns(world, amazon, msgspec.json.encode(told).decode())
    assert await by_hook(world, "ses", body | {"Message": "{}"}) == 401
    for _ in range(2):
        assert await by_hook(world, "ses", body) == 200
    assert await verdicts(world) == [("hard", "ses")]
