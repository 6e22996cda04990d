"""Signatures of webhooks that need a public key, made here with keys of our own."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from actors.signatures import KEPT, Certificates, EcdsaKey
from ecrm import errors
from ecrm.delivery.webhooks import proof
from ecrm.delivery.webhooks.proof import Claim, Proof, Request
from ecrm.moment import MINUTE, Instant

NOW = Instant(1_772_442_000_000)
TODAY = datetime.fromtimestamp(NOW / 1_000, UTC)
BODY = b'[{"event":"delivered"}]'
SENDGRID = ec.generate_private_key(ec.SECP256R1())
AMAZON = rsa.generate_private_key(65537, 2048)
TOPIC = "arn:aws:sns:eu-west-3:1:bounces"
URL = "https://sns.eu-west-3.amazonaws.com/SimpleNotificationService-{}.pem"


def shown(key):
    """A public key as a settings page shows it."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


def certificate(key=AMAZON, start=TODAY - timedelta(days=30), end=TODAY + timedelta(days=30)):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(end)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def twilio(body=BODY):
    at = str(NOW // 1_000)
    signature = SENDGRID.sign(at.encode() + BODY, ec.ECDSA(hashes.SHA256()))
    prefix = "x-twilio-email-event-webhook-"
    told = base64.b64encode(signature).decode()
    request = Request({f"{prefix}timestamp": at, f"{prefix}signature": told}, body)
    return proof.sendgrid(request, NOW)


def sns(version="2", number=0, **forged):
    """A claim of SNS, properly signed, some of it changed afterwards."""
    told = {
        "Type": "Notification", "MessageId": "m1", "TopicArn": TOPIC, "Message": "said",
        "Timestamp": "2026-03-02T09:00:00.000Z", "SignatureVersion": version, "Signature": "",
        "SigningCertURL": URL.format(number),
    }  # fmt: skip
    unsigned = read(told)
    hashed = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = AMAZON.sign(unsigned.signed, padding.PKCS1v15(), hashed)
    return read(told | {"Signature": base64.b64encode(signature).decode()} | forged)


def read(told) -> Claim:
    return proof.sns(Request({}, json.dumps(told).encode()), frozenset([TOPIC]), NOW)


class Amazon:
    """Gives out certificates, and remembers what it was asked for."""

    def __init__(self, pem=None):
        self.pem = pem or certificate()
        self.asked = []

    async def fetch(self, url):
        self.asked.append(url)
        return self.pem


def test_what_sendgrid_signed_is_proved():
    assert EcdsaKey(shown(SENDGRID.public_key())).check(twilio()).until == NOW + 5 * MINUTE


def test_a_body_that_sendgrid_did_not_sign_is_refused():
    with pytest.raises(errors.Rejected):
        EcdsaKey(shown(SENDGRID.public_key())).check(twilio(BODY + b" "))


def test_a_key_of_somebody_else_proves_nothing():
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(errors.Rejected):
        EcdsaKey(shown(other.public_key())).check(twilio())


@pytest.mark.parametrize("signature", [b"", b"x", b"\x30\x00", b"\xff" * 72])
def test_a_signature_that_is_none_is_refused(signature):
    claim = Claim(b"said", signature, Proof())
    with pytest.raises(errors.Rejected):
        EcdsaKey(shown(SENDGRID.public_key())).check(claim)


@pytest.mark.parametrize("text", ["", "no key", "aGVsbG8=", shown(AMAZON.public_key())])
def test_a_setting_that_is_no_ecdsa_key_is_told_at_the_start(text):
    with pytest.raises(errors.Misconfigured, match="ECDSA"):
        EcdsaKey(text)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_what_sns_signed_is_proved(version):
    found = await Certificates(Amazon().fetch).check(sns(version), NOW)
    assert found == Proof("m1", Instant(NOW + 60 * MINUTE))


@pytest.mark.parametrize(
    "forged",
    [{"Message": "Said"}, {"MessageId": "m2"}, {"Subject": "s"}, {"SignatureVersion": "1"}],
)
async def test_a_message_changed_on_its_way_is_refused(forged):
    with pytest.raises(errors.Rejected):
        await Certificates(Amazon().fetch).check(sns(**forged), NOW)


@pytest.mark.parametrize(
    "pem",
    [
        certificate(rsa.generate_private_key(65537, 2048)),
        certificate(end=TODAY - timedelta(days=1)),
        certificate(start=TODAY + timedelta(days=1)),
        certificate(SENDGRID),
        certificate(ed25519.Ed25519PrivateKey.generate()),
        b"not a certificate",
    ],
    ids=["another", "too old", "too young", "no RSA", "Ed25519", "none"],
)
async def test_a_certificate_that_cannot_prove_it_is_refused_and_not_kept(pem):
    amazon = Amazon(pem)
    certificates = Certificates(amazon.fetch)
    with pytest.raises(errors.Rejected):
        await certificates.check(sns(), NOW)
    amazon.pem = certificate()
    assert (await certificates.check(sns(), NOW)).remember == "m1"


async def test_a_certificate_is_fetched_once():
    amazon = Amazon()
    certificates = Certificates(amazon.fetch)
    for _ in range(3):
        await certificates.check(sns(), NOW)
    assert amazon.asked == [URL.format(0)]


async def test_certificates_are_kept_in_a_small_number():
    amazon = Amazon()
    certificates = Certificates(amazon.fetch)
    for number in (*range(KEPT + 1), KEPT, 0):
        await certificates.check(sns(number=number), NOW)
    assert amazon.asked == [URL.format(number) for number in (*range(KEPT + 1), 0)]


async def test_a_certificate_that_cannot_be_had_is_asked_for_again():
    async def nowhere(url):
        raise errors.Undelivered(f"no answer from {url}", retry=True)

    with pytest.raises(errors.Undelivered):
        await Certificates(nowhere).check(sns(), NOW)
