from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import links
from ecrm.links import Link, LinkKey, LinkKeys

MAIL = "01890a5d-ac96-774b-bcce-b302099a8057"
OLD, NEW = LinkKey(1, b"o" * 32), LinkKey(2, b"n" * 32)
KEYS = LinkKeys(NEW, OLD)
PURPOSES = list(links.PATHS)


@given(st.uuids(), st.integers(0, 65_535), st.sampled_from(PURPOSES))
def test_a_token_says_what_was_signed(mail, index, purpose):
    token = links.make(KEYS, purpose, str(mail), index)
    assert links.read(KEYS, purpose, token) == Link(str(mail), index)
    assert len(token) == 48


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_token_serves_one_purpose_only(purpose):
    token = links.make(KEYS, purpose, MAIL)
    assert [other for other in PURPOSES if links.read(KEYS, other, token)] == [purpose]


def test_a_token_changed_in_any_bit_says_nothing():
    raw = bytearray(base64.urlsafe_b64decode(links.make(KEYS, "unsubscribe", MAIL, 3)))
    for bit in range(len(raw) * 8):
        raw[bit // 8] ^= 1 << bit % 8
        assert links.read(KEYS, "unsubscribe", base64.urlsafe_b64encode(raw).decode()) is None
        raw[bit // 8] ^= 1 << bit % 8
    assert links.read(KEYS, "unsubscribe", base64.urlsafe_b64encode(raw).decode()) is not None


@given(st.text(max_size=60) | st.text("ABCabc019-_=+/ \n", min_size=48, max_size=48))
def test_what_we_did_not_make_says_nothing(text):
    assert links.read(KEYS, "view", text) is None


def test_a_token_has_one_spelling():
    token = links.make(KEYS, "view", MAIL)
    for spelled in (
        token + "=",
        token + "\n",
        " " + token,
        token[:-1],
        token[:20] + "\n" + token[21:],
    ):
        assert links.read(KEYS, "view", spelled) is None


def test_a_token_is_not_read_in_the_other_alphabet():
    tokens = (links.make(KEYS, "view", MAIL, index) for index in range(50))
    foreign = [t.replace("-", "+").replace("_", "/") for t in tokens if set("-_") & set(t)]
    assert foreign
    assert not [token for token in foreign if links.read(KEYS, "view", token)]


def test_a_token_of_the_former_key_is_read_until_the_key_is_gone():
    token = links.make(LinkKeys(OLD), "rate", MAIL, 5)
    assert links.read(KEYS, "rate", token) == Link(MAIL, 5)
    assert links.read(LinkKeys(NEW), "rate", token) is None
    assert links.read(LinkKeys(LinkKey(1, b"x" * 32)), "rate", token) is None


def test_a_url_holds_a_path_and_a_token():
    token = links.make(KEYS, "unsubscribe", MAIL)
    assert (
        links.url("https://u.shop.example/", "unsubscribe", token)
        == f"https://u.shop.example/u/{token}"
    )


@pytest.mark.parametrize("mail", ["", "a" * 36, "c1", MAIL.replace("-", ""), MAIL + "0"])
def test_an_id_that_is_no_uuid_is_not_signed(mail):
    with pytest.raises(ValueError, match=r"UUID|hexadecimal"):
        links.make(KEYS, "view", mail)


@pytest.mark.parametrize("index", [-1, 65_536])
def test_an_index_out_of_range_is_not_signed(index):
    with pytest.raises(ValueError, match="link index"):
        links.make(KEYS, "view", MAIL, index)


@pytest.mark.parametrize(("key_id", "secret"), [(256, b"s" * 32), (-1, b"s" * 32), (1, b"short")])
def test_a_weak_or_unnumbered_key_is_no_key(key_id, secret):
    with pytest.raises(ValueError, match="link key"):
        LinkKey(key_id, secret)
