"""Mails as a real server stores them: whole, signed, and read by those that are not ours."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from datetime import UTC, datetime
from email.header import decode_header, make_header

import dkim
import msgspec
import pytest

from actors import samples
from actors.transports.smtp import SmtpSettings, open_smtp
from ecrm.moment import DAY, Instant
from tests.actors.house import START
from tests.actors.test_dkim import record
from tests.post.dispatch import KEYS, composer, dispatch, letters, name_of, signers
from tests.post.postfix import needs_postfix, open_postfix

# What the server puts before a mail is its own.
ADDED = ("return-path", "x-original-to", "delivered-to", "received")
# A name that looks encoded and is not, and an address of pages that fits on no line of 76.
NASTY = 'Zoé =?utf-8?q?x?= "d’Arcy", Père & <Fils>'
FAR = "https://courrier.boutique.example/" + "a-long-way-to-go/" * 12 + "lettres"


def every_mail():
    """Every template there is, in turn as usual in French and with too much in English."""
    ways = (("full", "fr-FR"), ("long", "en-GB"))
    return [
        msgspec.structs.replace(
            samples.sample(template, *ways[n % 2]),
            mail_id=f"{n:08x}-ac96-774b-bcce-b302099a8057",
            to="anne@customers.example",
            at=START,
            not_after=Instant(START + DAY),
        )
        for n, template in enumerate(sorted(samples.SHOWN))
    ]


def key_of(name, **_):
    """The DNS, as dkimpy asks it."""
    return record(KEYS[name.decode().partition(".")[0]])


def as_sent(body):
    """A mail out of a Maildir, without what the server added, with the line ends of the wire."""
    lines = body.split(b"\n")
    at = 0
    while lines[at][:1] in b" \t" or lines[at].partition(b":")[0].decode().lower() in ADDED:
        at += 1
    return b"\r\n".join(lines[at:])


@pytest.fixture(scope="module")
def press():
    return composer(*signers())


async def received_by_postfix(folder, mails, press):
    """These mails by id, as they lie in the Maildir."""
    async with open_postfix() as postfix:
        async with open_smtp(SmtpSettings("127.0.0.1", postfix.port, tls="none")) as transport:
            books = await dispatch(folder, mails, transport, press)
        await postfix.emptied()
        received = postfix.delivered()
    books.compare(Counter(map(name_of, received)))
    return {name_of(body): body for body in received}


def parse(body):
    parsed = email.message_from_bytes(body, policy=email.policy.strict)
    assert not parsed.defects
    return parsed


@needs_postfix
async def test_every_mail_arrives_as_it_was_signed_and_is_read_by_others(tmp_path, press):
    mails = every_mail()
    received = await received_by_postfix(tmp_path, mails, press)
    assert len(received) == len(mails) > 40
    for one in mails:
        body, built = received[one.mail_id], press.compose(one)
        assert as_sent(body) == built.bytes
        for number in range(len(KEYS)):
            assert dkim.DKIM(body.replace(b"\n", b"\r\n")).verify(number, dnsfunc=key_of)
        parsed = parse(body)
        text, html = parsed.iter_parts()
        assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
        assert text.get_content().splitlines() == built.text.splitlines()
        assert html.get_content().splitlines() == built.html.splitlines()
        assert parsed["Subject"] == built.subject
        assert parsed["Return-Path"].strip("<>") == press.return_path(one)


@needs_postfix
async def test_every_header_arrives_with_the_value_it_was_given(tmp_path):
    shop = msgspec.structs.replace(samples.SHOP, name=NASTY)
    press = composer(*signers(), shop=shop, links_url=FAR)
    [one] = letters(1, kinds=("cart/offer",))
    received = await received_by_postfix(tmp_path, [one], press)
    parsed = parse(received[one.mail_id])
    assert parsed["From"].addresses[0].addr_spec == samples.SETTINGS.from_marketing
    # As RFC 2047 §6.2 reads it: the policy's own parser keeps the blank between two words.
    raw = email.message_from_bytes(received[one.mail_id])["From"]
    assert str(make_header(decode_header(raw.rpartition(" <")[0]))) == NASTY
    [whom] = parsed["To"].addresses
    assert whom.addr_spec == one.to
    assert parsed["Reply-To"].addresses[0].addr_spec == samples.SETTINGS.reply_to
    assert parsed["Message-ID"] == f"<{one.mail_id}.2@news.boutique.example>"
    assert parsed["Date"].datetime == datetime.fromtimestamp(START / 1_000, UTC)
    assert parsed["List-Id"] == "<cart.news.boutique.example>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    ways = press.links(one)
    way_out = (
        f"<{ways.unsubscribe}>, <mailto:stop+{ways.token}@boutique.example?subject=unsubscribe>"
    )
    assert len(way_out) > 300
    # On one physical line, never in encoded words: else Gmail and Outlook offer no one click.
    assert f"\nList-Unsubscribe: {way_out}\n".encode() in received[one.mail_id]
