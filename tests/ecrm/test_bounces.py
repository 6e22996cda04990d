"""What comes back to a return path, and what it means."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecrm.delivery import bounces
from ecrm.delivery.bounces import Returned, parts

FOLDER = Path(__file__).parent.parent / "data" / "bounces"
FILES = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.eml"))}
MESSAGE_ID = "<01890a5d-ac96-774b-bcce-b302099a8057.1@shop.example>"

MEANINGS = """
    absence-english          auto_reply   absence           -
    absence-french           auto_reply   absence           -
    absence-french-unmarked  auto_reply   absence           -
    absence-german           auto_reply   absence           -
    absence-postmaster       auto_reply   absence           -
    antispam-host            hard         no_such_mailbox   cliente@example.org
    arf-authentication       unknown      report_auth_failure -
    arf-not-spam             unknown      report_not_spam   -
    arf-opt-out              unsubscribed opt_out           cliente@example.org
    arf-redacted             complaint    abuse             -
    arf-signal-spam          complaint    abuse             cliente@example.org
    challenge-english        auto_reply   challenge         -
    challenge-french         auto_reply   challenge         -
    exchange-515             block        authentication    cliente@hotmail.com
    exchange-blocklist       block        blocklist         cliente@outlook.com
    exchange-directory       hard         no_such_mailbox   cliente@example.org
    exchange-german          soft         mailbox_full      cliente@example.org
    exchange-restricted      block        configuration     cliente@example.org
    exchange-unknown         hard         no_such_mailbox   cliente@example.org
    exim-unrouteable         hard         no_such_mailbox   cliente@example.org
    flufl-dsn-10             hard         no_such_mailbox   anne.person@dom.ain
    flufl-dsn-14             hard         no_such_mailbox   userx@example.com.dk
    flufl-qmail-07           soft         mailbox_full      user@example.net
    flufl-simple-07          soft         mailbox_full      userx@example.net
    flufl-simple-27          hard         no_such_mailbox   userx@example.net.py
    flufl-simple-30          hard         no_such_mailbox   userx@example.com
    flufl-simple-34          hard         no_such_mailbox   roland@example.com
    flufl-simple-38          soft         mailbox_full      userx@example.com
    flufl-simple-42          block        spam              david...@gmail.com
    flufl-yahoo-03           hard         mailbox_disabled  userx@example.com
    flufl-yahoo-11           hard         no_such_mailbox   bad_user@aol.com
    flufl-yahoo-13           hard         no_such_mailbox   bogus-address@example.net
    french-delayed           deferred     delayed           cliente@example.org
    french-full              soft         mailbox_full      cliente@example.org
    french-unknown           hard         no_such_mailbox   cliente@example.org
    german-unknown           hard         no_such_mailbox   cliente@example.de
    gmail-disabled           hard         mailbox_disabled  cliente@gmail.com
    gmail-dmarc              block        authentication    cliente@gmail.com
    gmail-full               soft         mailbox_full      cliente@gmail.com
    gmail-too-fast           soft         busy              cliente@gmail.com
    gmail-unauthenticated    block        authentication    cliente@gmail.com
    gmail-unknown            hard         no_such_mailbox   cliente@gmail.com
    gmail-unsolicited        block        spam              cliente@gmail.com
    greylisted               soft         greylisted        cliente@example.org
    hotmail-unavailable      hard         no_such_mailbox   cliente@hotmail.com
    html-only                hard         no_such_mailbox   cliente@example.org
    laposte-archived         hard         mailbox_disabled  cliente@laposte.net
    laposte-refused          block        reputation        cliente@laposte.net
    null-mx                  hard         no_such_domain    cliente@example.org
    null-sender-mx           block        authentication    cliente@example.org
    odd-charset              hard         no_such_mailbox   cliente@example.org
    orange-full              soft         mailbox_full      cliente@orange.fr
    orange-ip                block        reputation        cliente@orange.fr
    orange-spam              block        reputation        cliente@wanadoo.fr
    orange-unknown           hard         no_such_mailbox   cliente@orange.fr
    outlook-complaint        complaint    abuse             cliente@hotmail.com
    person                   unknown      no_report         -
    postfix-delayed          deferred     delayed           cliente@example.org
    postfix-delivered        delivered    delivered         cliente@example.org
    postfix-expired          soft         unreachable       cliente@example.org
    postfix-no-domain        hard         no_such_domain    cliente@example.invalid
    postfix-ptr              block        sender_refused    cliente@example.org
    postfix-unknown          hard         no_such_mailbox   cliente@example.org
    qmail-unknown            hard         no_such_mailbox   cliente@example.org
    rbl-mailbox-words        block        blocklist         cliente@example.org
    rbl-spamhaus             block        blocklist         cliente@example.org
    remark-in-status         soft         mailbox_full      cliente@example.org
    too-large                block        message_size      cliente@example.org
    unknown-words            unknown      unexplained       cliente@example.org
    vacation                 auto_reply   automatic         -
    vague-status             hard         no_such_mailbox   cliente@example.org
    yahoo-complaints         block        reputation        cliente@yahoo.fr
    yahoo-disabled           hard         mailbox_disabled  cliente@yahoo.fr
    yahoo-policy             block        policy            cliente@yahoo.fr
"""
ROWS = [tuple(line.replace(" - ", "  ").split()) for line in MEANINGS.strip().splitlines()]


@pytest.mark.parametrize(("name", "verdict", "reason", "address"), ROWS)
def test_a_returned_message_means_what_its_sender_meant(name, verdict, reason, address):
    found = bounces.read(FILES[name])
    assert (found.verdict, found.reason) == (verdict, reason)
    assert found.address == ("" if address == "-" else address)


def test_every_sample_has_a_meaning():
    assert {row[0] for row in ROWS} == set(FILES)


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith(("postfix", "arf", "orange"))])
def test_a_report_names_the_mail_it_is_about(name):
    assert bounces.read(FILES[name]).message_id == MESSAGE_ID


@pytest.mark.parametrize("name", ["qmail-unknown", "exim-unrouteable"])
def test_a_mail_that_is_quoted_in_the_text_is_found(name):
    found = bounces.read(FILES[name])
    assert found.message_id == MESSAGE_ID
    assert found.envelope == "b+token@bounces.shop.example"


def test_a_complaint_repeats_the_return_path():
    assert bounces.read(FILES["arf-redacted"]).envelope == "b+token@bounces.shop.example"


def test_the_servers_own_words_and_status_are_kept():
    found = bounces.read(FILES["orange-full"])
    assert found.status == "5.1.1"
    assert found.text.startswith("552 5.1.1 Boite du destinataire pleine.")


def test_a_long_answer_is_cut():
    raw = FILES["unknown-words"].replace(b"zxqv wvut", b"zxqv " * 500)
    assert len(bounces.read(raw).text) == 500


@pytest.mark.parametrize(
    "own", ["Votre compte est supprimé", "User unknown", "Mailbox full", "This is spam"]
)
def test_the_words_of_our_own_mail_decide_nothing(own):
    report = (
        f"From: postmaster@example.org\r\nSubject: Undeliverable: {own}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\nYour message\r\n\r\n"
        f"  Subject: {own}\r\n\r\ncame back.\r\n\r\n--- Original message ---\r\n{own}\r\n"
    )
    assert bounces.read(report.encode()).verdict == "unknown"


def test_the_same_words_of_the_server_do():
    report = (
        b"From: postmaster@example.org\r\nSubject: Undeliverable: x\r\n\r\n"
        b"cliente@example.org: Mailbox full\r\n"
    )
    assert bounces.read(report).reason == "mailbox_full"


def test_of_several_recipients_one_that_failed_speaks():
    raw = FILES["postfix-unknown"].replace(
        b"Final-Recipient: rfc822; cliente@example.org",
        b"Final-Recipient: rfc822; other@example.org\nAction: delivered\nStatus: 2.0.0\n\n"
        b"Final-Recipient: rfc822; cliente@example.org",
    )
    found = bounces.read(raw)
    assert (found.verdict, found.address) == ("hard", "cliente@example.org")


def test_a_recipient_that_is_not_named_is_not_guessed():
    raw = FILES["postfix-unknown"].replace(b"Final-Recipient: rfc822; cliente@example.org\n", b"")
    found = bounces.read(raw)
    assert (found.verdict, found.address) == ("hard", "")


def test_a_relayed_mail_is_not_known_to_have_arrived():
    raw = FILES["postfix-delivered"].replace(b"Action: delivered", b"Action: relayed")
    assert (bounces.read(raw).verdict, bounces.read(raw).reason) == ("unknown", "relayed")


def test_an_international_status_is_read_like_the_plain_one():
    raw = FILES["postfix-unknown"].replace(
        b"message/delivery-status", b"message/global-delivery-status"
    )
    found = bounces.read(raw)
    assert (found.verdict, found.address) == ("hard", "cliente@example.org")


def test_a_status_that_says_nothing_gives_way_to_the_text():
    raw = (
        FILES["postfix-unknown"]
        .replace(b"550 5.1.1", b"")
        .replace(b"Status: 5.1.1", b"Status: 5.0.0")
    )
    raw = raw.replace(b"User unknown in virtual mailbox table", b"no")
    raw = raw.replace(b"It's attached below.", b"Quota exceeded.")
    assert bounces.read(raw).reason == "mailbox_full"


@pytest.mark.parametrize(
    "header", ["X-Autoreply: yes", "X-Autorespond: 1", "Precedence: auto-reply"]
)
def test_the_older_marks_of_an_answer_are_known(header):
    raw = f"From: cliente@example.org\r\nSubject: Re: Bonjour\r\n{header}\r\n\r\nMerci.\r\n"
    assert bounces.read(raw.encode()).verdict == "auto_reply"


def test_a_challenge_is_known_by_its_text():
    raw = (
        b"From: cliente@example.org\r\nSubject: Votre message\r\nAuto-Submitted: auto-replied\r\n\r\n"
        b"Votre message est en attente ; authentifiez-vous ici.\r\n"
    )
    assert bounces.read(raw).reason == "challenge"


def test_an_absence_is_known_by_its_text():
    raw = (
        b"From: cliente@example.org\r\nSubject: Bonjour\r\nAuto-Submitted: auto-replied\r\n\r\n"
        b"I am out of the office.\r\n"
    )
    assert bounces.read(raw).reason == "absence"


def test_a_report_without_its_fields_is_a_complaint_all_the_same():
    raw = b'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
    assert bounces.read(raw).verdict == "complaint"


def nested(depth: int) -> bytes:
    heads = [
        f'Content-Type: multipart/mixed; boundary="b{at}"\r\n\r\n--b{at}\r\n' for at in range(depth)
    ]
    return "".join(heads).encode()


HOSTILE = [
    b"",
    b"\x00" * 300,
    b"\xff\xfe\xfd: x\r\n\r\n\xff",
    nested(400),
    b"Content-Type: message/rfc822\r\n\r\n" * 500,
    b"Content-Type: text/plain; charset*=utf-8''%ff\r\n\r\nx",
    b"Content-Type: multipart/report; report-type*0*=x'y'%zz; boundary=\r\n\r\n--\r\n",
    b"Subject: =?utf-8?b?////?= =?x?q?=ff?=\r\nFrom: postmaster\r\n\r\n550",
    b"Content-Type: text/plain; charset=idna\r\n\r\n\xff.\xff",
    b"Content-Type: text/plain; charset=rot13\r\n\r\nabc",
    b"Content-Type: text/plain; charset*=\x00''x\r\n\r\nabc",
]


@given(st.binary(max_size=400))
@pytest.mark.parametrize("raw", [pytest.param(raw, id=f"{at}") for at, raw in enumerate(HOSTILE)])
def test_anything_can_be_read(raw, more):
    assert isinstance(bounces.read(raw), Returned)
    assert isinstance(bounces.read(raw[:2_000] + more), Returned)


@given(st.sampled_from(sorted(FILES)), st.data())
def test_anything_made_of_a_report_can_be_read(name, data):
    raw = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 200)))
        raw[start:end] = data.draw(st.binary(max_size=30))
    found = bounces.read(bytes(raw))
    # What is found can be written down: there is no surrogate left in it.
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Returned) == found


@given(st.text(max_size=300))
@example("\ud800")
def test_any_text_can_be_read(text):
    raw = f"From: postmaster@x\nSubject: {text}\n\n{text}".encode("utf-8", "surrogatepass")
    assert isinstance(bounces.read(raw), Returned)


def test_a_message_that_cannot_be_taken_apart_says_so():
    # The parser of the standard library raises ValueError on this one.
    assert not parts.take_apart(b"Content-Type: text/plain; charset*=\x00''x\r\n\r\nx").readable


def test_a_message_of_more_levels_than_a_report_has_is_not_taken_apart():
    assert not parts.take_apart(nested(parts.LEVELS + 1)).readable
    assert bounces.read(nested(2_000)).reason == "unreadable"


def test_a_message_of_as_many_levels_as_there_may_be_is_read_at_once():
    raw = nested(parts.LEVELS) + b"\n" * 20_000
    before = time.perf_counter()
    assert parts.take_apart(raw).readable
    assert time.perf_counter() - before < 1


def test_a_message_of_many_parts_is_read_as_far_as_a_report_goes():
    part = b"--b\r\nContent-Type: text/plain\r\n\r\n550 5.1.1 no such user\r\n"
    raw = (
        b'From: postmaster@x\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + part * 5_000
    )
    assert bounces.read(raw).reason == "no_such_mailbox"
