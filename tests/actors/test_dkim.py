"""DKIM: signed by us, verified by dkimpy, which is not ours."""

from __future__ import annotations

import base64
import email
import email.policy

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from actors import samples, signing
from actors.compose import Composer
from actors.templates import ROOT, Templates
from ecrm.delivery.dkim import relaxed_body, signed
from ecrm.errors import Misconfigured
from ecrm.links import LinkKey, LinkKeys
from ecrm.moment import Instant

AT = Instant(1_772_442_000_000)
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()


def pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def record(key) -> bytes:
    """The TXT record in the DNS."""
    public = key.public_key()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def is_valid(message: bytes, key) -> bool:
    return dkim.verify(message, dnsfunc=lambda *_args, **_kwargs: record(key))


@pytest.fixture(scope="module")
def composer():
    templates = Templates(ROOT, samples.SHOP)
    keys = LinkKeys(LinkKey(1, b"k" * 32))
    return Composer(templates, samples.SHOP, samples.SETTINGS, keys)


@pytest.fixture(params=[RSA, ED25519], ids=["rsa", "ed25519"])
def key(request):
    return request.param


@pytest.fixture
def signer(key, tmp_path):
    file = tmp_path / "key.pem"
    file.write_bytes(pem(key))
    return signing.read("boutique.example", "s1", file)


@pytest.mark.parametrize("template", ["cart/offer", "confirmation/confirmed", "newsletter/news"])
def test_a_signed_mail_is_verified_by_another_implementation(composer, signer, key, template):
    message = composer.compose(samples.sample(template)).bytes
    made = signed(message, signer, AT)
    assert made.endswith(message)
    assert is_valid(made, key)


@pytest.mark.parametrize(
    ("name", "value"),
    [("Subject", "Another"), ("List-Unsubscribe", "<https://evil.example>"), ("From", "x@y.z")],
)
def test_a_second_header_of_a_kind_that_counts_breaks_the_signature(
    composer, signer, key, name, value
):
    made = signed(composer.compose(samples.sample("cart/offer")).bytes, signer, AT)
    assert not is_valid(f"{name}: {value}\r\n".encode() + made, key)


def test_a_changed_body_breaks_the_signature(composer, signer, key):
    made = signed(composer.compose(samples.sample("cart/offer")).bytes, signer, AT)
    assert not is_valid(made.replace(b"Maison", b"Maisom", 3), key)


def test_both_headers_of_the_one_click_are_covered(composer, signer):
    made = signed(composer.compose(samples.sample("cart/offer")).bytes, signer, AT)
    read = email.message_from_bytes(made, policy=email.policy.default)
    listed = "".join(str(read["DKIM-Signature"]).split()).partition("h=")[2].partition(";")[0]
    names = listed.lower().split(":")
    assert names.count("list-unsubscribe") == names.count("list-unsubscribe-post") == 2
    assert "feedback-id" in names


def test_the_same_mail_is_signed_alike(composer, signer):
    message = composer.compose(samples.sample("cart/offer")).bytes
    assert signed(message, signer, AT) == signed(message, signer, AT)


def test_no_line_of_the_signature_is_long(composer, signer):
    made = signed(composer.compose(samples.sample("cart/offer")).bytes, signer, AT)
    assert max(map(len, made.partition(b"\r\nFrom:")[0].split(b"\r\n"))) <= 78


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"=20", b"b c"]), max_size=30))
def test_the_body_is_hashed_as_the_other_implementation_does(parts):
    # As our bodies do, it ends with a line end.
    body = b"".join(parts) + b"\r\n"
    theirs = dkim.canonicalization.Relaxed.canonicalize_body(body)
    assert relaxed_body(body) == theirs


@pytest.mark.parametrize("content", [b"", b"no key", pem(RSA)[:-40]])
def test_a_file_that_is_no_key_is_refused_in_one_line(tmp_path, content):
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    with pytest.raises(Misconfigured, match="openssl genrsa"):
        signing.read("boutique.example", "s1", file)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"no-such\.pem"):
        signing.read("boutique.example", "s1", tmp_path / "no-such.pem")
