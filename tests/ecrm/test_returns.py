from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import links
from ecrm.delivery import addresses, returns
from ecrm.errors import Rejected
from ecrm.links import LinkKey, LinkKeys

MAIL = "01890a5d-ac96-774b-bcce-b302099a8057"
OLD, NEW = LinkKey(1, b"o" * 32), LinkKey(2, b"n" * 32)
KEYS = LinkKeys(NEW, OLD)
BOX = "b@bounces.shop.example"


@given(st.uuids())
def test_a_return_path_names_the_mail_it_was_made_for(mail):
    path = returns.make(KEYS, BOX, str(mail))
    assert returns.read(KEYS, BOX, path) == str(mail)
    assert addresses.parse_address(path) == path
    assert len(path.partition("@")[0]) == 57


@pytest.mark.parametrize("written", [str.upper, str.title, "<{}>".format, " {}\r\n".format])
def test_what_a_server_does_to_an_address_does_it_no_harm(written):
    path = returns.make(KEYS, BOX, MAIL)
    assert returns.read(KEYS, BOX, written(path)) == MAIL


def test_a_return_path_changed_in_any_letter_names_nothing():
    path = returns.make(KEYS, BOX, MAIL)
    start = path.index("+") + 1
    for at in range(start, path.index("@")):
        for other in "a7":
            if path[at] != other:
                assert returns.read(KEYS, BOX, path[:at] + other + path[at + 1 :]) is None


@pytest.mark.parametrize(
    "path",
    [
        "", "b", "b@bounces.shop.example", "b+@bounces.shop.example", "+@", "@", "b+x@y@z",
        "b+" + "a" * 55 + "@bounces.shop.example", "b+" + "a" * 54 + "1@bounces.shop.example",
    ],
)  # fmt: skip
def test_what_we_did_not_make_names_nothing(path):
    assert returns.read(KEYS, BOX, path) is None


@given(st.text(max_size=100))
def test_any_text_can_be_asked(text):
    assert returns.read(KEYS, BOX, text) is None
    assert isinstance(returns.is_for(BOX, text), bool)


def test_a_token_is_good_for_the_mailbox_it_was_made_for():
    path = returns.make(KEYS, BOX, MAIL)
    assert returns.read(KEYS, "u@bounces.shop.example", path) is None
    assert returns.read(KEYS, "b@elsewhere.example", path) is None


def test_a_token_is_spelled_in_one_way():
    path = returns.make(KEYS, BOX, MAIL)
    end = path.index("@")
    others = [
        path[: end - 1] + letter + path[end:] for letter in "abcdefghijklmnopqrstuvwxyz234567"
    ]
    assert [one for one in others if returns.read(KEYS, BOX, one)] == [path]


def test_a_former_key_is_still_read_and_a_forgotten_one_is_not():
    path = returns.make(LinkKeys(OLD), BOX, MAIL)
    assert returns.read(KEYS, BOX, path) == MAIL
    assert returns.read(LinkKeys(NEW), BOX, path) is None


def test_a_key_with_the_same_number_and_another_secret_reads_nothing():
    path = returns.make(KEYS, BOX, MAIL)
    assert returns.read(LinkKeys(LinkKey(2, b"x" * 32)), BOX, path) is None


def test_a_link_is_no_return_path():
    link = links.make(KEYS, "view", MAIL)
    assert returns.read(KEYS, BOX, f"b+{link}@bounces.shop.example") is None


def test_a_mailbox_with_no_room_for_a_token_is_refused():
    assert returns.make(KEYS, "b" * 8 + "@shop.example", MAIL)
    with pytest.raises(ValueError, match="no room"):
        returns.make(KEYS, "b" * 9 + "@shop.example", MAIL)


def test_a_mailbox_that_is_none_is_refused():
    with pytest.raises(Rejected):
        returns.make(KEYS, "nowhere", MAIL)


@pytest.mark.parametrize("mail", ["", "x", MAIL[:-1], MAIL.replace("-", "")])
def test_a_return_path_is_for_a_mail(mail):
    with pytest.raises(ValueError, match="no UUID"):
        returns.make(KEYS, BOX, mail)


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        (BOX, True), ("B+anything@Bounces.Shop.Example", True), ("b+a+b@bounces.shop.example", True),
        ("c@bounces.shop.example", False), ("b@shop.example", False), ("", False),
    ],
)  # fmt: skip
def test_an_address_here_is_told_from_one_elsewhere(address, ours):
    assert returns.is_for(BOX, address) is ours


@pytest.mark.parametrize(
    ("message_id", "mail"),
    [
        (f"<{MAIL}.1@shop.example>", MAIL),
        (f"{MAIL}.3@shop.example", MAIL),
        (f"<{MAIL}@shop.example>", ""),
        (f"<{MAIL}.7@shop.example>", ""),
        ("<1234@shop.example>", ""),
        ("", ""),
    ],
)
def test_a_message_id_of_ours_names_its_mail(message_id, mail):
    assert returns.claimed(message_id) == mail
