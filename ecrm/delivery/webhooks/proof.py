"""Proofs that a webhook comes from the provider; what needs a public key is left to the actors.

Every comparison takes the same time whatever is wrong, and every refusal is the same one: nothing
can be learnt from trying. Where a provider signs the time, a request is good for five minutes
either way, so that one overheard cannot be sent again later; within them the caller remembers what
it has seen (`Proof.remember`, until `Proof.until`). SNS signs the time of the message and tries
for an hour with the same signature; so its messages are good for as long.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from ecrm import errors, moment
from ecrm.delivery.webhooks import event
from ecrm.moment import NEVER, Duration, Instant, hours, minutes

WINDOW: Final = minutes(5)
SNS_WINDOW: Final = hours(1)
_SECONDS: Final = re.compile(r"\d{1,12}")
# Only AWS can give out names below these, and a certificate lies nowhere else.
_AWS: Final = r"https://sns\.[a-z]{2}[a-z0-9-]{1,30}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE: Final = re.compile(_AWS + r"/SimpleNotificationService-[0-9a-zA-Z]{1,64}\.pem")
_SUBSCRIBE: Final = re.compile(_AWS + r"/\?[A-Za-z0-9=&%:._~+-]{1,2000}")


class Request(msgspec.Struct, frozen=True, gc=False):
    """What came in; the names of the headers are small."""

    headers: Mapping[str, str]
    body: bytes


class Proof(msgspec.Struct, frozen=True, gc=False):
    """Where `remember` is not empty, it must not have been seen before; it need not be kept beyond
    `until`, because by then it is too old.
    """

    remember: str = ""
    until: Instant = NEVER


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What somebody says to have signed: a `Proof` once `actors.signatures` has checked it."""

    signed: bytes
    signature: bytes
    proof: Proof
    hashed: Literal["sha1", "sha256"] = "sha256"
    certificate_url: str = ""


class SnsMessage(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    """The envelope of SNS."""

    kind: str = msgspec.field(name="Type")
    message_id: str
    topic: str = msgspec.field(name="TopicArn")
    message: str
    timestamp: str
    signature: str
    signature_version: str
    certificate_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


class _Signature(msgspec.Struct, frozen=True, gc=False):
    timestamp: str | int
    token: str
    signature: str


class _Mailgun(msgspec.Struct, frozen=True, gc=False):
    signature: _Signature


_sns = msgspec.json.Decoder(SnsMessage)
_mailgun = msgspec.json.Decoder(_Mailgun)


def basic(request: Request, username: str, password: str) -> Proof:
    """Basic authentication (RFC 7617), for Postmark. Raises errors.Rejected."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    expected = base64.b64encode(f"{username}:{password}".encode())
    same = hmac.compare_digest(credentials.strip().encode(), expected)
    if scheme.lower() != "basic" or not same:
        raise _refused()
    return Proof()


def token(request: Request, secret: str, header: str = "authorization") -> Proof:
    """A token in a header, after `Bearer` or alone, for Brevo. Raises errors.Rejected."""
    given = request.headers.get(header, "")
    bare = given[7:].strip() if given[:7].lower() == "bearer " else given
    if not secret or not hmac.compare_digest(bare.encode(), secret.encode()):
        raise _refused()
    return Proof()


def mailgun(request: Request, key: str, now: Instant) -> Proof:
    """The signature in the body over its time and token, HMAC-SHA256. Raises errors.Rejected."""
    try:
        told = _mailgun.decode(request.body).signature
    except msgspec.MsgspecError:
        raise _refused() from None
    expected = hmac.digest(key.encode(), f"{told.timestamp}{told.token}".encode(), "sha256").hex()
    if not hmac.compare_digest(told.signature.encode(), expected.encode()):
        raise _refused()
    return _fresh(str(told.timestamp), told.token, now)


def svix(request: Request, secret: str, now: Instant) -> Proof:
    """The headers of Svix, for Resend: HMAC-SHA256 over id, time and body; several signatures while
    a secret is replaced. Raises errors.Rejected, and ValueError on a secret that is none.
    """
    headers = request.headers
    ident, at = headers.get("svix-id", ""), headers.get("svix-timestamp", "")
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    signed = f"{ident}.{at}.".encode() + request.body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    given = headers.get("svix-signature", "").split()[:10]
    same = [hmac.compare_digest(one.encode(), expected) for one in given]
    if not ident or not any(same):
        raise _refused()
    return _fresh(at, ident, now)


def sendgrid(request: Request, now: Instant) -> Claim:
    """What SendGrid's ECDSA signature is over: the time and the body. Raises errors.Rejected."""
    prefix = "x-twilio-email-event-webhook-"
    at = request.headers.get(f"{prefix}timestamp", "")
    signature = _decoded(request.headers.get(f"{prefix}signature", ""))
    return Claim(
        signed=at.encode() + request.body,
        signature=signature,
        # The signature could be written in another way and still be good; what it signs could not.
        proof=_fresh(at, event.digest(at, request.body), now),
    )


def sns(request: Request, topics: frozenset[str], now: Instant) -> Claim:
    """What the signature of SNS is over, and where its certificate lies. Only `topics` are listened
    to: everybody may have a topic at AWS, and its messages are signed just as well. Raises
    errors.Rejected.
    """
    try:
        told = sns_message(request.body)
        at = moment.parse_instant(told.timestamp)
    except (msgspec.MsgspecError, ValueError):
        raise _refused() from None
    hashes: dict[str, Literal["sha1", "sha256"]] = {"1": "sha1", "2": "sha256"}
    hashed = hashes.get(told.signature_version)
    subscribing = told.subscribe_url is None or _SUBSCRIBE.fullmatch(told.subscribe_url)
    if told.topic not in topics or hashed is None or not subscribing:
        raise _refused()
    if not _CERTIFICATE.fullmatch(told.certificate_url):
        raise _refused()
    return Claim(
        signed=_canonical(told),
        signature=_decoded(told.signature),
        proof=_within(at, told.message_id, now, SNS_WINDOW),
        hashed=hashed,
        certificate_url=told.certificate_url,
    )


def sns_message(body: bytes) -> SnsMessage:
    """Raises msgspec.MsgspecError."""
    return _sns.decode(body)


def _canonical(told: SnsMessage) -> bytes:
    """What SNS signs: these fields by name, each name and value on its own line."""
    fields = {
        "Message": told.message,
        "MessageId": told.message_id,
        "Subject": told.subject if told.kind == "Notification" else None,
        "SubscribeURL": told.subscribe_url if told.kind != "Notification" else None,
        "Timestamp": told.timestamp,
        "Token": told.token if told.kind != "Notification" else None,
        "TopicArn": told.topic,
        "Type": told.kind,
    }
    return "".join(f"{name}\n{value}\n" for name, value in fields.items() if value).encode()


def _fresh(at: str, remember: str, now: Instant) -> Proof:
    """`at` in Unix seconds."""
    if not _SECONDS.fullmatch(at):
        raise _refused()
    return _within(Instant(int(at) * moment.SECOND), remember, now, WINDOW)


def _within(at: Instant, remember: str, now: Instant, past: Duration) -> Proof:
    if not -WINDOW <= now - at <= past:
        raise _refused()
    return Proof(remember=remember, until=Instant(at + past))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _refused() from None


def _refused() -> errors.Rejected:
    return errors.Rejected("bad_signature", "the request is not signed by the provider")
