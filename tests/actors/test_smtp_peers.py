"""The SMTP transport against servers that others wrote: aiosmtpd, with real TLS and passwords, and
Postfix's smtp-sink, which can be told to misbehave and is fast enough to measure against.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from actors.transports.port import Letter
from actors.transports.smtp import SmtpSettings, open_smtp
from tests.actors.house import a_mail
from tests.post.ports import free_port, needs_sink, open_sink

BODY = b"Subject: Merci\r\n\r\n.Bonjour\r\n" + b"x" * 70 + b"\r\n"


class Mailbox:
    """What an aiosmtpd server does with a mail."""

    def __init__(self):
        self.taken = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - its name for it
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - its name for it
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 queued"


class Encrypted(Controller):
    """Asks for STARTTLS, then for a password; speaks to one user."""

    def __init__(self, mailbox, context):
        self.context = context
        super().__init__(mailbox, hostname="127.0.0.1", port=free_port())

    def factory(self):
        def knows(server, session, envelope, mechanism, login):
            known = (login.login, login.password) == (b"ana", b"secret")
            return AuthResult(success=known, handled=False)

        return SMTP(
            self.handler,
            hostname="mx.example",
            tls_context=self.context,
            require_starttls=True,
            authenticator=knows,
            auth_required=True,
        )


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@contextmanager
def aiosmtpd(authority, tmp_path, **more):
    """An encrypted server, and the settings to reach it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mailbox = Mailbox()
    controller = Encrypted(mailbox, context)
    controller.start()
    asked = {"username": "ana", "password": "secret", "ca_file": str(tmp_path / "ca.pem")} | more
    try:
        yield mailbox, SmtpSettings("127.0.0.1", controller.port, **asked)
    finally:
        controller.stop()


@asynccontextmanager
async def sink(*options):
    """A running smtp-sink, and how to reach it."""
    async with open_sink(*options) as port:
        yield SmtpSettings("127.0.0.1", port, tls="none", connections=2)


def letters(count, to="ana@customers.example"):
    return [Letter(a_mail(str(i), to=to), BODY, sender="b+1@shop.example") for i in range(count)]


async def test_aiosmtpd_takes_mails_over_encryption_from_a_known_user(authority, tmp_path):
    with aiosmtpd(authority, tmp_path) as (mailbox, settings):
        async with open_smtp(settings) as transport:
            handed = await transport.send(letters(5))
    assert [one.verdict for one in handed] == ["accepted"] * 5
    assert mailbox.taken == [("b+1@shop.example", ["ana@customers.example"], BODY)] * 5


async def test_aiosmtpd_refuses_one_recipient_and_takes_the_next(authority, tmp_path):
    with aiosmtpd(authority, tmp_path, connections=1) as (mailbox, settings):
        async with open_smtp(settings) as transport:
            [nobody] = await transport.send(letters(1, to="nobody@customers.example"))
            [ana] = await transport.send(letters(1))
    assert (nobody.verdict, nobody.stage, nobody.code) == ("refused", "rcpt", 550)
    assert ana.verdict == "accepted"
    assert len(mailbox.taken) == 1


async def test_aiosmtpd_does_not_know_the_password(authority, tmp_path):
    with aiosmtpd(authority, tmp_path, password="guess") as (mailbox, settings):
        async with open_smtp(settings) as transport:
            handed = await transport.send(letters(3))
    assert {(one.verdict, one.stage, one.code) for one in handed} == {("retry", "auth", 535)}
    assert mailbox.taken == []


async def test_aiosmtpd_with_a_certificate_of_nobody_gets_nothing(authority, tmp_path):
    with aiosmtpd(trustme.CA(), tmp_path) as (mailbox, settings):
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        async with open_smtp(settings) as transport:
            handed = await transport.send(letters(1))
    assert [(one.verdict, one.stage) for one in handed] == [("retry", "tls")]
    assert "certificate" in handed[0].response
    assert mailbox.taken == []


async def test_aiosmtpd_that_asks_for_encryption_is_not_written_to_in_the_clear(
    authority, tmp_path
):
    with aiosmtpd(authority, tmp_path, tls="none", username="") as (mailbox, settings):
        async with open_smtp(settings) as transport:
            handed = await transport.send(letters(1))
    assert [(one.verdict, one.stage, one.code) for one in handed] == [("retry", "mail", 530)]
    assert mailbox.taken == []


async def test_a_password_goes_to_a_loopback_address_in_the_clear_where_that_was_asked_for():
    class Plain(Encrypted):
        def factory(self):
            return SMTP(self.handler, authenticator=knows, auth_require_tls=False)

    def knows(server, session, envelope, mechanism, login):
        return AuthResult(success=login.password == b"secret")

    controller = Plain(Mailbox(), None)
    controller.start()
    try:
        asked = {"tls": "none", "username": "ana", "password": "secret"}
        async with open_smtp(SmtpSettings("127.0.0.1", controller.port, **asked)) as transport:
            [handed] = await transport.send(letters(1))
    finally:
        controller.stop()
    assert handed.verdict == "accepted"


async def test_a_port_where_nobody_listens_is_a_destination_that_is_down():
    async with open_smtp(SmtpSettings("127.0.0.1", free_port(), tls="none")) as transport:
        handed = await transport.send(letters(3))
    assert {(one.verdict, one.stage, one.code) for one in handed} == {("retry", "connect", 0)}


@needs_sink
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ("accepted", "dot", 250)),
        (["-p"], ("accepted", "dot", 250)),
        (["-e"], ("accepted", "dot", 250)),
        (["-f", "rcpt"], ("refused", "rcpt", 500)),
        (["-r", "rcpt"], ("retry", "rcpt", 450)),
        (["-f", "data"], ("refused", "data", 500)),
        (["-r", "."], ("retry", "dot", 450)),
        (["-f", "connect"], ("retry", "banner", 500)),
        (["-q", "rcpt"], ("retry", "rcpt", 0)),
        (["-q", "."], ("in_doubt", "dot", 0)),
        (["-Q", "mail"], ("retry", "mail", 421)),
        (["-Q", "."], ("retry", "dot", 421)),
        (["-A", "0"], ("refused", "dot", 550)),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
async def test_a_server_of_postfix_is_understood_whatever_it_does(options, expected):
    async with sink(*options) as settings, open_smtp(settings) as transport:
        [handed] = await transport.send(letters(1))
    assert (handed.verdict, handed.stage, handed.code) == expected


@needs_sink
async def test_how_many_mails_a_second_a_sink_takes(record_property):
    """Printed, not judged: other work on the machine must not fail a test."""
    many, handed = letters(200), []

    async def send(some):
        handed.extend(await transport.send(some))

    async with sink() as settings, open_smtp(settings) as transport:
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            for line in range(transport.lines):
                nursery.start_soon(send, many[line :: transport.lines])
        rate = len(many) / (trio.current_time() - start)
    print(f"\nsmtp-sink: {rate:,.0f} mails/s over {settings.connections} connections")
    record_property("mails_per_second", rate)
    assert [one.verdict for one in handed] == ["accepted"] * 200
