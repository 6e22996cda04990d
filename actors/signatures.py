"""Webhook signatures that need a public key: SendGrid's (ECDSA) and those of SNS (a certificate).

What is signed, and everything that can be known without a key, `ecrm.delivery.webhooks.proof` has
settled before: the time, the topic, and that the certificate lies where only AWS can put one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ecrm import errors
from ecrm.delivery.webhooks.proof import Claim, Proof
from ecrm.moment import SECOND, Instant

# AWS has a handful of certificates; more addresses than these are no certificates.
KEPT: Final = 8


class EcdsaKey:
    """SendGrid's verification key, as its settings page shows it: base64 of DER."""

    def __init__(self, text: str) -> None:
        """Raises Misconfigured where the text is no such key."""
        try:
            key = serialization.load_der_public_key(base64.b64decode(text.strip(), validate=True))
        except (ValueError, binascii.Error, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise errors.Misconfigured("webhooks.sendgrid: the key is no ECDSA key in base64")
        self._key = key

    def check(self, claim: Claim) -> Proof:
        """The proof, if the claim is true. Raises errors.Rejected."""
        try:
            self._key.verify(claim.signature, claim.signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise _refused() from None
        return claim.proof


class Certificates:
    """The certificates of SNS, fetched when they are first named, and kept."""

    def __init__(self, fetch: Callable[[str], Awaitable[bytes]]) -> None:
        """`fetch` gets the body of an HTTPS address, following no redirects, or raises Undelivered;
        it is asked for addresses at AWS alone.
        """
        self._fetch = fetch
        self._known: dict[str, x509.Certificate] = {}

    async def check(self, claim: Claim, now: Instant) -> Proof:
        """The proof, if the claim is true. Raises errors.Rejected, and Undelivered where the
        certificate cannot be had at the moment.
        """
        certificate = self._known.get(claim.certificate_url)
        if certificate is None:
            certificate = _loaded(await self._fetch(claim.certificate_url))
        _verify(certificate, claim, now)
        # Only what has proved itself is kept, the newest last.
        self._known.pop(claim.certificate_url, None)
        self._known[claim.certificate_url] = certificate
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return claim.proof


def _loaded(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise _refused() from None


def _verify(certificate: x509.Certificate, claim: Claim, now: Instant) -> None:
    at = datetime.fromtimestamp(now // SECOND, UTC)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise _refused()
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise _refused()
    # SHA-1 is what SNS signs with unless the topic is told otherwise (SignatureVersion 2).
    hashed = hashes.SHA1() if claim.hashed == "sha1" else hashes.SHA256()  # noqa: S303 - see above
    try:
        key.verify(claim.signature, claim.signed, padding.PKCS1v15(), hashed)
    except InvalidSignature:
        raise _refused() from None


def _refused() -> errors.Rejected:
    return errors.Rejected("bad_signature", "the request is not signed by the provider")
