"""Signing keys: private keys from files, as functions that sign (DKIM, RFC 6376 and RFC 8463)."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from ecrm.delivery.dkim import Signer
from ecrm.errors import Misconfigured

# Receivers do not take shorter ones any more (RFC 8301 §3.2).
RSA_BITS: Final = 1024


def read(domain: str, selector: str, path: Path) -> Signer:
    """The signer of a PEM file, RSA or Ed25519. Raises Misconfigured in one line."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise Misconfigured(f"mail.dkim: cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured(
            f"mail.dkim: {path} is no private key in PEM without a password: "
            f"make one with openssl genrsa -out {path} 2048"
        ) from None
    match key:
        case rsa.RSAPrivateKey() if key.key_size >= RSA_BITS:
            return Signer(domain, selector, "rsa-sha256", lambda data: _rsa(key, data))
        case ed25519.Ed25519PrivateKey():
            return Signer(
                domain, selector, "ed25519-sha256", lambda data: key.sign(sha256(data).digest())
            )
        case _:
            raise Misconfigured(f"mail.dkim: {path} is neither RSA of {RSA_BITS} bits nor Ed25519")


def _rsa(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
