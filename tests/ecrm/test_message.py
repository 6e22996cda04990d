"""Promises of the message serialiser, each read back with the stdlib's parser, not with ours."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from email.header import decode_header, make_header
from email.message import EmailMessage

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecrm import errors
from ecrm.delivery import addresses, message, quoted
from ecrm.delivery.addresses import Mailbox
from ecrm.delivery.message import Content, MailSettings, Part
from ecrm.mail import Mail
from ecrm.moment import CustomerId, Instant, parse_instant

SETTINGS = MailSettings(
    from_transactional="commandes@shop.example",
    from_marketing="Offres <offres@news.shop.example>",
    reply_to="bonjour@shop.example",
    links_url="https://u.shop.example",
    unsubscribe="u@shop.example",
)
SENDER = message.sender_of(SETTINGS, "Maison Éléonore")
MAIL = Mail(
    mail_id="01890a5d-ac96-774b-bcce-b302099a8057",
    customer_id=CustomerId("c1"),
    kind="k11",
    programme="confirmation",
    step="confirmed",
    template="confirmation/confirmed",
    mail_class="transactional",
    lane=1,
    at=parse_instant("2026-07-01T10:00:00.250Z"),
    not_after=Instant(2**50),
    to="anne@exemple.fr",
    locale="fr-FR",
    zone="Europe/Paris",
)
MARKETING = msgspec.structs.replace(
    MAIL, kind="k07", programme="cart", mail_class="marketing", lane=2
)
TOKEN = "A" * 48
CONTENT = Content(
    subject="Votre commande est confirmée",
    text=Part(["Bonjour\n"]),
    html=Part(["<p>Bonjour</p>"]),
    unsubscribe_url="https://u.shop.example/u/" + TOKEN,
    unsubscribe_token=TOKEN,
)

# What a header may carry at all; the rest is refused (see the tests of refusal).
printable = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029"), max_size=300
)
awkward = st.lists(
    st.sampled_from(
        ["=?utf-8?q?x?=", " ", "  ", "é", "😀", "a" * 80, '"', "\\", "<b@c>", ",", "?="]
    ),
    max_size=12,
).map("".join)
written = (printable | awkward).map(str.strip).filter(bool)


def parse(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def build(mail=MAIL, **changes) -> bytes:
    return message.write(mail, SENDER, msgspec.structs.replace(CONTENT, **changes))


def body_of(raw: bytes, kind: str) -> str:
    part = parse(raw).get_body((kind,))
    return part.get_payload(decode=True).decode()


def well_formed(raw: bytes) -> bool:
    lines = raw.split(b"\r\n")
    long_ones = [line for line in lines if len(line) > 76 and b"List-Unsubscribe" not in line]
    return not long_ones and b"\n" not in b"".join(lines) and raw.isascii()


def test_a_mail_is_text_first_then_html_both_quoted_printable_utf8():
    parsed = parse(build())
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    for part in parsed.iter_parts():
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
        assert part.get_content_charset() == "utf-8"
    assert not parsed.defects
    assert well_formed(build())
    assert build().endswith(b"\r\n")


def test_a_transactional_mail_says_it_is_automatic_and_offers_no_list():
    parsed = parse(build())
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert not [name for name in parsed if name.startswith("List-")]
    assert parsed["From"] == "Maison Éléonore <commandes@shop.example>"
    assert parsed["Feedback-ID"].startswith("txn:confirmation:maison-l-onore:")


def test_a_marketing_mail_carries_every_way_out_on_one_physical_line():
    raw = build(MARKETING)
    parsed = parse(raw)
    line = next(line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe: "))
    assert line.decode() == (
        f"List-Unsubscribe: <https://u.shop.example/u/{TOKEN}>, "
        f"<mailto:u+{TOKEN}@shop.example?subject=unsubscribe>"
    )
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed["List-Id"] == "<cart.news.shop.example>"
    assert parsed["From"] == "Offres <offres@news.shop.example>"
    assert parsed["Feedback-ID"].startswith("campaign:cart:")
    assert parsed["Auto-Submitted"] is None


def test_the_feedback_sender_is_five_to_fifteen_characters_and_stays():
    one, other = parse(build())["Feedback-ID"], parse(build(MARKETING))["Feedback-ID"]
    assert 5 <= len(one.split(":")[3]) <= 15
    assert len(one.split(":")) == len(other.split(":")) == 4


def test_marketing_without_a_way_out_is_refused():
    with pytest.raises(errors.Rejected, match="way out"):
        build(MARKETING, unsubscribe_url="")


def test_the_date_is_the_decision_in_the_customers_zone():
    parsed = parse(build())
    assert parsed["Date"] == "Wed, 01 Jul 2026 12:00:00 +0200"
    assert parsed["Date"].datetime.utcoffset() == timedelta(hours=2)
    winter = msgspec.structs.replace(MAIL, at=parse_instant("2026-01-04T23:30:00Z"))
    assert parse(build(winter))["Date"] == "Mon, 05 Jan 2026 00:30:00 +0100"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_a_zone_nobody_knows_is_refused(zone):
    with pytest.raises(errors.Rejected, match="time zone"):
        build(msgspec.structs.replace(MAIL, zone=zone))


def test_the_message_id_is_the_mails_id_and_lane():
    assert parse(build())["Message-ID"] == f"<{MAIL.mail_id}.1@shop.example>"
    assert parse(build(MARKETING))["Message-ID"] == f"<{MAIL.mail_id}.2@news.shop.example>"


def test_the_same_mail_makes_the_same_bytes_and_another_mail_another_boundary():
    assert build() == build()
    other = msgspec.structs.replace(MAIL, mail_id="01890a5d-ac96-774b-bcce-b302099a8058")
    assert parse(build(other)).get_boundary() != parse(build()).get_boundary()


@pytest.mark.parametrize(
    "subject",
    [
        "Order 1042",
        "Votre commande n° 1042 est confirmée : nous préparons déjà vos articles avec le plus grand soin, merci",
        "An ASCII subject that is so long that it has to be folded somewhere before its end, and more",
        "x" * 300,
        "🎁" * 60,
        "=?utf-8?q?=0D=0ABcc=3A_victim=40example.com?=",
        "a =?utf-8?b?AAAA?= b",
        "double  blanks   kept",
        "日本語の件名がとても長いときにも文字の途中で切れることはありません、そうですよね、はい",
    ],
)
def test_a_subject_arrives_as_it_was_written(subject):
    raw = build(subject=subject)
    assert parse(raw)["Subject"] == subject
    assert parse(raw)["Bcc"] is None
    assert well_formed(raw)


@settings(max_examples=50)
@given(written)
def test_any_subject_arrives_as_it_was_written(subject):
    raw = message.text_header("Subject", subject)
    assert parse(raw.encode())["Subject"] == subject
    assert well_formed(raw.encode())


@settings(max_examples=50)
@given(written)
def test_any_name_arrives_as_it_was_written(name):
    raw = message.mailbox_header("From", Mailbox(name, "a@shop.example")).encode()
    (address,) = parse(raw)["From"].addresses
    assert address.addr_spec == "a@shop.example"
    if "=?utf-8?" in raw.decode() and "\r\n =?" in raw.decode():
        # two words in a name: the new parser of 3.11 puts a blank between them, the old does not
        words = raw.decode().removeprefix("From: ").rpartition("<")[0].strip()
        assert str(make_header(decode_header(words))).split() == name.split()
    else:  # it also shows a run of blanks in a name as one
        assert address.display_name.split() == name.split()
    assert well_formed(raw)


@settings(max_examples=50)
@given(written)
def test_an_encoded_word_is_whole_and_at_most_75_characters(value):
    header = message.text_header("Subject", "é" + value)
    for word in header.removeprefix("Subject: ").removesuffix("\r\n").split("\r\n "):
        assert word.startswith("=?utf-8?")
        assert len(word) <= 75
        assert "\ufffd" not in str(make_header(decode_header(word)))


@pytest.mark.parametrize(
    "bad", ["\r\n", "\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\ud800", "\t"]
)
def test_a_control_character_in_any_value_is_refused(bad):
    for write in (message.text_header, message.bare_header):
        with pytest.raises(errors.Rejected):
            write("Subject", f"a{bad}Bcc: x@y.z")
    with pytest.raises(errors.Rejected):
        message.mailbox_header("From", Mailbox(f"a{bad}b", "a@shop.example"))
    with pytest.raises(errors.Rejected):
        message.mailbox_header("To", Mailbox("", f"a{bad}b@shop.example"))


@pytest.mark.parametrize("name", ["Bcc", "X-Other", "Subject: x\r\nBcc", ""])
def test_a_header_that_is_not_in_the_table_is_refused(name):
    with pytest.raises(errors.Rejected):
        message.text_header(name, "value")


def test_a_long_way_out_stays_on_one_line_and_an_endless_one_is_refused():
    way = "https://u.shop.example/u/" + "a" * 900
    raw = build(MARKETING, unsubscribe_url=way, unsubscribe_token="t")
    assert way in str(parse(raw)["List-Unsubscribe"])
    with pytest.raises(errors.Rejected, match="one plain line"):
        build(MARKETING, unsubscribe_url=way + "a" * 99)


def test_headers_put_on_top_leave_the_rest_as_it_was():
    raw = message.with_headers(build(), {"X-Ecrm-Kind": "k11", "X-Ecrm-Customer": "zoé"})
    assert raw.endswith(build())
    assert parse(raw)["X-Ecrm-Kind"] == "k11"
    assert parse(raw)["X-Ecrm-Customer"] == "zoé"
    with pytest.raises(errors.Rejected):
        message.with_headers(build(), {"X-Ecrm-Customer": "a\r\nBcc: b"})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("anne@exemple.fr", "anne@exemple.fr"),
        ("Anne.O'Hara+x@EXEMPLE.fr", "Anne.O'Hara+x@exemple.fr"),
        ("anne@bücher.example", "anne@xn--bcher-kva.example"),
        ("anne@xn--fuball-cta.example", "anne@xn--fuball-cta.example"),
    ],
)
def test_an_address_keeps_its_local_part_and_gets_a_domain_of_a_labels(text, address):
    assert addresses.parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "anne", "@b.fr", "anne@", "zoé@b.fr", "a b@c.fr", "a..b@c.fr", ".a@b.fr", "a@b..fr",
        "a@-b.fr", "a@b_c.fr", "a@fußball.example", "a@b.fr\r\nRCPT TO:<c@d.fr>", "a@b.fr>", "<a@b.fr",
        "a\0@b.fr", '"a b"@c.fr', "a@[127.0.0.1]", "a" * 65 + "@b.fr", "a@" + "b" * 64 + ".fr", "a@b@c.fr",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_sent_to_is_refused(text):
    with pytest.raises(errors.Rejected) as caught:
        addresses.parse_address(text)
    assert caught.value.code == "bad_address"


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("a@b.fr", "Shop", "a@b.fr"),
        ("<a@b.fr>", "Shop", "a@b.fr"),
        ("Orders <a@b.fr>", "Orders", "a@b.fr"),
        ('"Orders, \\"all\\"" <a@b.fr>', 'Orders, "all"', "a@b.fr"),
    ],
)
def test_a_mailbox_is_read_with_or_without_a_name(text, name, address):
    assert addresses.parse_mailbox(text, "Shop") == Mailbox(name, address)


@settings(max_examples=40)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r")), max_size=8
    )
)
def test_any_body_arrives_as_it_was_written_in_whatever_pieces(pieces):
    known = {piece: quoted.quote(piece) for piece in pieces[::2]}
    raw = build(text=Part(pieces, known))
    assert body_of(raw, "plain") == "".join(pieces).replace("\n", "\r\n")
    assert well_formed(raw)


@pytest.mark.parametrize(
    "text",
    [
        "." * 300, "a" * 75, "a" * 76, "a" * 77, "é" * 200, "a" * 74 + "é", " " * 200, "tail \nnext\t\n",
        "\n.\n..\nFrom me\n", "=3D=\n", "--ecrm=_", "\n\n\n", "",
    ],
)  # fmt: skip
def test_lines_of_any_length_dots_and_trailing_blanks_survive(text):
    raw = build(text=Part([text]), html=Part([text, text]))
    assert body_of(raw, "plain") == text.replace("\n", "\r\n")
    assert body_of(raw, "html") == (text + text).replace("\n", "\r\n")
    assert well_formed(raw)
    assert not [line for line in raw.split(b"\r\n") if line.endswith((b" ", b"\t"))]


def test_line_breaks_of_every_kind_become_crlf():
    assert body_of(build(text=Part(["a\r\nb\rc\n"])), "plain") == "a\r\nb\r\nc\r\n"


def test_a_body_cannot_end_a_part():
    text = f"--{parse(build()).get_boundary()}--"
    assert body_of(build(text=Part([text])), "plain") == text
