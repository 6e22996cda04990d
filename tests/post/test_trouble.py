"""Servers that go wrong at every stage: no mail is lost, and none arrives twice but those of which
nobody could know (delivery §1.5). Received mails are counted by Message-ID at the other side.

`ECRM_MAILS` sets how many each peer gets (300; 5000 is the full size), `ECRM_TROUBLE_SEED` which
go wrong.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from collections import Counter
from contextlib import contextmanager

import msgspec
import pytest
import trio
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from actors.transports.conversation import Patience
from actors.transports.smtp import SmtpSettings, open_smtp
from ecrm.moment import MINUTE, Instant
from tests.actors.house import START
from tests.post.dispatch import MAILS, composer, dispatch, letters, name_of, names_in, signers
from tests.post.ports import Dump, free_port, needs_sink, open_folder, open_sink
from tests.post.postfix import needs_postfix, open_postfix
from tests.post.wire import FAULTS, LATE, open_wire

SEED = int(os.environ.get("ECRM_TROUBLE_SEED", "5"))
# Of the commands of a conversation; of the mails, about one in four meets something.
SHARE = 0.05


@pytest.fixture(scope="module")
def press():
    return composer(*signers())


def plain(port, **more):
    return SmtpSettings("127.0.0.1", port, tls="none", **more)


def reported(peer, told, drawn):
    print(f"\n{peer}: {MAILS} mails, {told}; went wrong: {drawn.total()}")
    # Every kind of trouble that there is, or as many as so few mails can meet.
    assert len(drawn) >= 15


@needs_sink
async def test_a_sink_gets_every_mail_once_over_a_wire_that_goes_wrong(tmp_path, press):
    with open_folder("sink") as folder:
        dump = Dump(folder)
        async with (
            open_sink(*dump.options) as server,
            open_wire(server, seed=SEED, share=SHARE) as (wire, port),
            open_smtp(plain(port)) as transport,
        ):
            books = await dispatch(tmp_path, letters(MAILS), transport, press)
        told = books.compare(names_in(dump.read()))
    assert books.doubted == wire.doubted
    reported("smtp-sink", told, wire.drawn)


@needs_postfix
async def test_postfix_delivers_every_mail_once_over_a_wire_that_goes_wrong(tmp_path, press):
    async with (
        open_postfix() as postfix,
        open_wire(postfix.port, seed=SEED, share=SHARE) as (wire, port),
    ):
        async with open_smtp(plain(port)) as transport:
            books = await dispatch(tmp_path, letters(MAILS), transport, press)
        await postfix.emptied()
        told = books.compare(Counter(map(name_of, postfix.delivered())))
    assert books.doubted == wire.doubted
    reported("Postfix", told, wire.drawn)


class Moody:
    """What aiosmtpd does with a mail; some of it goes wrong, inside of the encryption."""

    def __init__(self):
        self.taken, self.doubted, self.drawn = Counter(), Counter(), Counter()
        self._random = random.Random(SEED)

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - its name for it
        envelope.mail_from = address
        return await self._mood(server, "mail") or "250 2.1.0 ok"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - its name for it
        envelope.rcpt_tos.append(address)
        return await self._mood(server, "rcpt") or "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - its name for it
        name = name_of(envelope.original_content)
        refusal = await self._mood(server, "dot", name)
        if refusal.startswith(("4", "5")):
            return refusal
        return "250 2.0.0 queued"

    async def _mood(self, server, stage, name=""):
        fault = ""
        if self._random.random() < SHARE:
            fault = self._random.choice(FAULTS[stage])
            self.drawn[stage, fault] += 1
        if name and fault in ("", "lost", "slow"):
            self.taken[name] += 1
        if fault in ("cut", "lost"):
            if name:
                self.doubted[name] += 1
            server.transport.abort()
            return "421 4.3.0 gone"
        if fault == "slow":
            await asyncio.sleep(LATE)
        return {"later": "451 4.3.0 not now", "never": "554 5.5.0 no thanks"}.get(fault, "")


@contextmanager
def encrypted(handler, tmp_path):
    """An aiosmtpd with STARTTLS and a password, in a thread of its own; the settings to reach it."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    def knows(server, session, envelope, mechanism, login):
        known = (login.login, login.password) == (b"ana", b"secret")
        return AuthResult(success=known, handled=False)

    class Encrypted(Controller):
        def factory(self):
            return SMTP(
                self.handler, hostname="mx.example", tls_context=context,
                require_starttls=True, authenticator=knows, auth_required=True,
            )  # fmt: skip

    controller = Encrypted(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield SmtpSettings(
            "127.0.0.1", controller.port, username="ana", password="secret",
            ca_file=str(tmp_path / "ca.pem"),
        )  # fmt: skip
    finally:
        controller.stop()


async def test_an_encrypted_server_gets_every_mail_once_whatever_its_mood(tmp_path, press):
    moody = Moody()
    with encrypted(moody, tmp_path) as settings:
        async with open_smtp(settings) as transport:
            books = await dispatch(tmp_path, letters(MAILS), transport, press)
    told = books.compare(moody.taken)
    assert books.doubted == moody.doubted
    print(f"\naiosmtpd: {MAILS} mails, {told}; went wrong: {moody.drawn.total()}")
    assert len(moody.drawn) >= 10


# What smtp-sink itself can do wrong: five minutes of each, and as long of peace before the next.
DAY_OF_TROUBLE = (
    "-r connect", "-f connect", "-q connect", "-Q connect", "-q ehlo", "-Q ehlo",
    *(f"-{how} {stage}" for stage in ("mail", "rcpt", "data", ".") for how in "rfqQ"),
    "-w 1", "-W .:1", "-A 0", "-e", "-p",
)  # fmt: skip
REFUSED = ("-r .", "-f .", "-Q .", "-A 0")
# Less than the waits among these.
IMPATIENT = Patience(data=0.2, dot=0.2)


TROUBLE, SPELL = 5 * MINUTE, 10 * MINUTE


@needs_sink
async def test_a_server_whose_every_stage_fails_for_a_while_loses_and_repeats_nothing(
    tmp_path, press
):
    each = 4
    mails = [
        msgspec.structs.replace(one, at=Instant(START + n // each * SPELL))
        for n, one in enumerate(letters(len(DAY_OF_TROUBLE) * each))
    ]
    port = free_port()
    with open_folder("sink") as folder:
        dump = Dump(folder)

        async def day(clock):
            for number, options in enumerate(DAY_OF_TROUBLE):
                begins = START + number * SPELL
                # What it refuses at its end it would keep all the same.
                kept = () if options in REFUSED else dump.options
                async with open_sink(*kept, *options.split(), port=port):
                    await clock.advance(Instant(begins + TROUBLE))
                async with open_sink(*dump.options, port=port):
                    await clock.advance(Instant(begins + SPELL - 1))
            await nursery.start(well)

        async def well(task_status):
            async with open_sink(*dump.options, port=port):
                task_status.started()
                await trio.sleep_forever()

        async with (
            trio.open_nursery() as nursery,
            open_smtp(plain(port, patience=IMPATIENT)) as transport,
        ):
            books = await dispatch(tmp_path, mails, transport, press, day)
            nursery.cancel_scope.cancel()
        told = books.compare(names_in(dump.read()))
    print(f"\nsmtp-sink's own faults: {told}")
    # It was met at every stage, and what it said in the middle of a mail was heard.
    assert {stage for stage, _, _ in books.stages} >= {"banner", "ehlo", "mail", "rcpt", "data"}
    assert {code for stage, code, _ in books.stages if stage == "dot"} == {
        0,
        250,
        421,
        450,
        500,
        550,
    }
