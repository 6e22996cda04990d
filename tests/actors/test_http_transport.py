"""A mail on its way through a provider's API: its fate told as the table says (delivery §1.4, §4)."""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager, nullcontext

import msgspec
import pytest
import structlog
import structlog.testing

from actors import samples
from actors.compose import Composer
from actors.outside import open_holding, open_outside
from actors.templates import Templates
from actors.transports.asks_adapter import AsksAdapter
from actors.transports.http import (
    PATIENCE,
    HttpSettings,
    HttpTransport,
    NotSent,
    endpoint_of,
    submission_of,
)
from actors.transports.port import Letter
from ecrm.delivery import verdict
from ecrm.delivery.addresses import Mailbox
from ecrm.delivery.answers import Response
from ecrm.delivery.providers import PROVIDERS
from ecrm.errors import Misconfigured, Rejected
from ecrm.links import LinkKey, LinkKeys
from ecrm.moment import minutes, seconds
from tests.actors.fake_provider import (
    STALL,
    hang_up,
    never_end,
    open_provider,
    raw,
    reply,
    say_nothing,
    trusting,
)
from tests.actors.house import START, a_mail
from tests.test_architecture import HOUSE

TOKEN = "sesame-0123456789"
BODY = (
    b'From: "Boutique" <orders@shop.test>\r\nTo: ana@customers.example\r\n'
    b"Reply-To: help@shop.test\r\nMessage-ID: <m1.1@shop.test>\r\nSubject: Merci\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBonjour\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Bonjour</p>\r\n--b--\r\n"
)


def letter(mail_id="m1", body=BODY, **more):
    return Letter(a_mail(mail_id, **more), body)


@asynccontextmanager
async def open_transport(fake, provider="resend", *, outside=None):
    settings = HttpSettings(provider, fake.url, TOKEN)
    adapter = AsksAdapter(endpoint_of(settings), connections=3, ssl_context=trusting())
    async with open_outside() if outside is None else nullcontext(outside) as door:
        try:
            yield HttpTransport(settings, adapter, door, lambda: START)
        finally:
            await adapter.aclose()


@pytest.fixture
async def fake():
    async with open_provider() as provider:
        yield provider


@pytest.fixture
async def transport(fake):
    async with open_transport(fake) as one:
        yield one


def decided(handed, lane=1):
    return verdict.decide(handed.stage, handed.code, handed.enhanced, handed.response, lane)


async def test_a_mail_that_was_taken_is_known_by_its_provider_s_id(fake, transport):
    fake.script.append(reply(200, b'{"id": "49a3"}'))
    [handed] = await transport.send([letter()])
    assert (handed.mail_id, handed.verdict, handed.provider_id) == ("m1", "accepted", "49a3")
    assert (handed.stage, handed.code, handed.response) == ("http", 200, "resend: 200 id=49a3")
    [request] = fake.requests
    assert request.headers["idempotency-key"] == "m1"
    assert json.loads(request.body)["html"] == "<p>Bonjour</p>"


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
async def test_every_provider_is_spoken_to_and_understood(fake, provider):
    async with open_transport(fake, provider) as transport:
        fake.script.append(reply(202))
        [handed] = await transport.send([letter()])
    assert handed.verdict == "accepted"
    assert b"Bonjour" in fake.requests[0].body


# What the provider does, and what is to become of the mail: the HTTP rows of delivery §1.4.
ROWS = {
    "200": (reply(200), "accepted", "accepted"),
    "202": (reply(202), "accepted", "accepted"),
    "307": (reply(307, Location="https://127.0.0.1:1/"), "retry", "breaker"),
    "400": (reply(400, b'{"message": "html is missing"}'), "refused", "dead"),
    "401": (reply(401), "retry", "breaker"),
    "403": (reply(403), "retry", "breaker"),
    "408": (reply(408), "retry", "retry"),
    "409": (reply(409), "retry", "retry"),
    "422": (reply(422, b'{"message": "Invalid `to` field"}'), "refused", "dead"),
    "425": (reply(425), "retry", "retry"),
    "429": (reply(429, Retry_After="30"), "retry", "retry"),
    "500": (reply(500), "retry", "retry"),
    "503": (reply(503, b"<html>down"), "retry", "retry"),
    "slow body": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", STALL),
                  "accepted", "accepted"),
    "endless body": (never_end, "accepted", "accepted"),
    "no answer": (say_nothing, "in_doubt", "in_doubt"),
    "dropped": (hang_up, "in_doubt", "in_doubt"),
    "garbage": (raw(b"hello\r\n\r\n"), "in_doubt", "in_doubt"),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
async def test_what_becomes_of_a_mail_is_what_the_table_says(mock_clock, fake, nursery, row):
    behave, said, action = ROWS[row]
    fake.script.append(behave)
    nursery.start_soon(run_out, mock_clock, fake)
    async with open_transport(fake) as transport:
        [handed] = await transport.send([letter()])
    assert (handed.verdict, decided(handed).action) == (said, action)
    assert len(fake.requests) == 1


async def run_out(clock, fake):
    """Let the time for a post pass, once the provider is silent."""
    await fake.silence()
    clock.jump(PATIENCE)


async def test_an_inactive_recipient_is_dead_and_suppressed(fake):
    fake.script.append(reply(406, b'{"ErrorCode": 406, "Message": "Found inactive addresses"}'))
    async with open_transport(fake, "postmark") as transport:
        [handed] = await transport.send([letter()])
    assert (handed.verdict, decided(handed).suppresses) == ("refused", True)


async def test_a_redirect_hands_nothing_to_another_host(fake, transport):
    async with open_provider() as other:
        fake.script.append(reply(307, Location=other.url))
        [handed] = await transport.send([letter()])
        assert (handed.verdict, decided(handed).burns) == ("retry", False)
        assert other.connections == 0


async def test_a_wait_that_is_asked_for_is_passed_on(fake, transport):
    fake.script.append(reply(429, Retry_After="120"))
    fake.script.append(reply(503, Retry_After="Mon, 02 Mar 2026 09:02:00 GMT"))
    waits = [one.retry_after for one in await transport.send([letter("m1"), letter("m2")])]
    assert waits == [seconds(120), seconds(120)]


async def test_a_mail_is_tried_again_under_the_same_key_and_with_the_same_words(fake, transport):
    fake.script.append(reply(500))
    for _ in range(2):
        await transport.send([letter()])
    first, second = fake.requests
    assert (first.headers, first.body) == (second.headers, second.body)


@pytest.mark.parametrize("trouble", ["before TLS", "certificate", "signer"])
async def test_a_provider_that_cannot_be_reached_costs_no_mail_an_attempt(trouble):
    wrong = {"certificate": {"certificate": "elsewhere.test"}, "signer": {"signed_by": "somebody"}}
    async with open_provider(**wrong.get(trouble, {})) as fake:
        fake.at_the_door = trouble
        async with open_transport(fake) as transport:
            [handed] = await transport.send([letter()])
        assert (handed.verdict, fake.requests) == ("retry", [])
    decision = decided(handed)
    assert (decision.action, decision.burns) == ("back_off", False)


async def test_once_the_fault_is_ours_the_rest_of_the_lot_is_handed_back(fake, transport):
    fake.script.extend([reply(200), reply(401, b'{"name": "invalid_api_key"}')])
    handed = await transport.send([letter(f"m{n}") for n in range(4)])
    assert [one.mail_id for one in handed] == ["m0", "m1", "m2", "m3"]
    assert [one.verdict for one in handed] == ["accepted", "retry", "retry", "retry"]
    assert {decided(one).action for one in handed[1:]} == {"breaker"}
    assert len(fake.requests) == 2


async def test_the_fault_of_one_mail_keeps_no_other_from_going(fake, transport):
    fake.script.extend([reply(422), reply(500), hang_up])
    handed = await transport.send([letter(f"m{n}") for n in range(4)])
    assert [one.verdict for one in handed] == ["refused", "retry", "in_doubt", "accepted"]


@pytest.mark.parametrize(
    "body",
    [
        b"Subject: no sender\r\n\r\nhello",
        BODY.replace(b"<orders@shop.test>", b"<orders@shop.test>, <b@shop.test>"),
        BODY.replace(b"Subject: Merci", b"Subject: =?utf-8?q?a=0D=0ABcc=3A_all?="),
        BODY.replace(b"text/plain; charset=utf-8", b"text/plain; charset=klingon"),
        b"",
    ],
)
async def test_a_mail_that_cannot_be_taken_apart_is_refused_and_not_posted(fake, transport, body):
    [handed] = await transport.send([letter(body=body)])
    assert (handed.verdict, handed.stage, fake.connections) == ("refused", "message", 0)
    assert decided(handed).action == "dead"


async def test_nobody_can_tell_what_an_earlier_life_posted(transport):
    assert await transport.took(a_mail("m1")) is None


@pytest.mark.parametrize(
    ("provider", "repeatable"), [("brevo", minutes(14)), ("postmark", 0), ("generic", 0)]
)
async def test_a_transport_tells_how_long_a_mail_can_be_posted_again(fake, provider, repeatable):
    async with open_transport(fake, provider) as transport:
        assert transport.repeatable == repeatable


async def test_a_virtual_clock_stands_still_while_a_mail_is_on_its_way(autojump_clock):
    async with (
        open_provider() as fake,
        open_holding(autojump_clock) as door,
        open_transport(fake, outside=door) as transport,
    ):
        out = []

        async def look(stream):
            out.append(door.waits().count)
            return await reply()(stream)

        fake.script.append(look)
        [handed] = await transport.send([letter()])
    assert (handed.verdict, out, autojump_clock.current_time()) == ("accepted", [1], 0.0)


# Whatever goes wrong, and a provider that says it back to us.
LEAKS = [
    reply(401, f'{{"message": "API key {TOKEN} is invalid"}}'.encode()),
    reply(200, f'{{"id": "{TOKEN}"}}'.encode()),
    reply(500, f"<pre>Authorization: Bearer {TOKEN}</pre>".encode()),
    hang_up,
    raw(b"garbage"),
]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
async def test_no_secret_gets_into_a_log_an_error_or_an_answer(
    fake, provider, caplog, capfd, recwarn
):
    caplog.set_level(logging.DEBUG)
    async with open_transport(fake, provider) as transport:
        with structlog.testing.capture_logs() as logged:
            for behave in LEAKS:
                fake.script.append(behave)
                [handed] = await transport.send([letter()])
                structlog.get_logger().info("mail_handed", handed=repr(handed))
    assert len(logged) == len(fake.requests) == len(LEAKS)
    out, err = capfd.readouterr()
    seen = [*map(repr, logged), caplog.text, out, err, *map(str, recwarn)]
    assert [text for text in seen if TOKEN in text] == []


def test_settings_do_not_show_their_token():
    settings = HttpSettings("brevo", "", TOKEN)
    assert TOKEN not in f"{settings} {settings!r}"


@pytest.mark.parametrize(
    ("provider", "endpoint", "posted_to"),
    [
        ("postmark", "", "https://api.postmarkapp.com/email"),
        ("sendgrid", "", "https://api.sendgrid.com/v3/mail/send"),
        (
            "sendgrid",
            "https://api.eu.sendgrid.com/v3/mail/send",
            "https://api.eu.sendgrid.com/v3/mail/send",
        ),
        (
            "mailgun",
            "https://api.eu.mailgun.net/v3/mg.shop.tld/messages.mime",
            "https://api.eu.mailgun.net/v3/mg.shop.tld/messages.mime",
        ),
        ("resend", "https://localhost:8443/emails", "https://localhost:8443/emails"),
        ("generic", "https://relay.shop.tld/mail?to=queue", "https://relay.shop.tld/mail?to=queue"),
    ],
)
def test_a_token_goes_to_its_provider(provider, endpoint, posted_to):
    assert endpoint_of(HttpSettings(provider, endpoint, TOKEN)) == posted_to


@pytest.mark.parametrize(
    ("provider", "endpoint", "token", "why"),
    [
        ("pigeon", "", TOKEN, "no mail provider: name one of postmark"),
        ("mailgun", "", TOKEN, "needs its endpoint"),
        ("generic", "", TOKEN, "needs its endpoint"),
        ("resend", "http://api.resend.com/emails", TOKEN, "must be https"),
        ("generic", "http://relay.shop.tld/", TOKEN, "must be https"),
        ("resend", "https://api.resend.com.evil.tld/emails", TOKEN, "at resend.com"),
        ("resend", "https://evilresend.com/emails", TOKEN, "at resend.com"),
        ("resend", "https://api.resend.com@evil.tld/", TOKEN, "at resend.com"),
        ("resend", "https://me:pass@api.resend.com/emails", TOKEN, "no endpoint"),
        ("resend", "https://api.resend.com/emails#top", TOKEN, "no endpoint"),
        ("generic", "https:///mail", TOKEN, "must be https"),
        ("generic", "https://relay.shop.tld:99999/", TOKEN, "must be https"),
        ("generic", "https://relay.shop.tld/a b", TOKEN, "must be https"),
        ("generic", "https://relay.shop.tld/\u00e9", TOKEN, "must be https"),
        ("generic", "https://[::1/", TOKEN, "must be https"),
        ("resend", "", "", "token"),
        ("resend", "", "sesame open", "token"),
        ("resend", "", "sesame\r\nBcc: all", "token"),
        ("resend", "", "sésame", "token"),
    ],
)
def test_a_token_goes_nowhere_else(provider, endpoint, token, why):
    with pytest.raises(Misconfigured, match=why) as caught:
        endpoint_of(HttpSettings(provider, endpoint, token))
    assert not token or token not in str(caught.value)


KEYS = LinkKeys(LinkKey(1, b"the key of the reference mails.."))


def test_a_built_mail_is_taken_apart_into_what_it_was_built_from():
    composer = Composer(Templates(HOUSE / "templates", samples.SHOP), samples.SHOP,
                        samples.SETTINGS, KEYS)  # fmt: skip
    mail = samples.sample("cart/reminder", "full", "fr-FR")
    built = composer.compose(mail)
    taken = submission_of(Letter(mail, built.bytes))
    assert (taken.subject, taken.to, taken.marketing) == (built.subject, mail.to, True)
    assert taken.html.splitlines() == built.html.splitlines()
    assert taken.text.splitlines() == built.text.splitlines()
    assert taken.raw == built.bytes
    headers = dict(taken.headers)
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Unsubscribe"].startswith("<https://")
    assert headers["Message-ID"].startswith(f"<{mail.mail_id}.")


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        (b"a@shop.test", Mailbox("", "a@shop.test")),
        (b'"Vins, Caf\\"es" <a@shop.test>', Mailbox('Vins, Caf"es', "a@shop.test")),
        (
            b"=?utf-8?q?D=C3=A9lices=2C_=3CParis=3E?=\r\n <a@shop.test>",
            Mailbox("Délices, <Paris>", "a@shop.test"),
        ),
    ],
)
def test_a_name_is_read_as_it_was_meant(written, sender):
    body = BODY.replace(b'"Boutique" <orders@shop.test>', written)
    assert submission_of(letter(body=body)).sender == sender


def test_an_address_that_cannot_be_written_to_is_no_submission():
    mail = msgspec.structs.replace(a_mail("m1"), to="ana@customers.example\r\nBcc: all")
    with pytest.raises(Rejected):
        submission_of(Letter(mail, BODY))


class Recorder:
    """Whoever else can make a POST request could stand in the place of asks."""

    connections = 2

    def __init__(self):
        self.posts = []

    async def post(self, url, headers, body, deadline):
        self.posts.append(url)
        if len(self.posts) > 1:
            raise NotSent("no line")
        return Response(200)


async def test_asks_can_be_replaced_without_anybody_noticing():
    async with open_outside() as door:
        poster = Recorder()
        transport = HttpTransport(HttpSettings("resend", "", TOKEN), poster, door, lambda: START)
        handed = await transport.send([letter("m1"), letter("m2")])
    assert [one.verdict for one in handed] == ["accepted", "retry"]
    assert poster.posts == ["https://api.resend.com/emails"] * 2
    assert (transport.lines, transport.lot) == (2, 1)
