"""The SMTP transport against servers that do as they are told: each refuses, hangs, lies or dies in
its own way, on memory streams and a virtual clock. What counts is what is said of every mail
afterwards, and what the server came to hear.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager

import pytest
import trio
import trustme
from trio.testing import lockstep_stream_pair, memory_stream_pair

from actors.transports.conversation import Patience
from actors.transports.port import Handed, Letter
from actors.transports.smtp import SmtpSettings, open_smtp
from ecrm.errors import Misconfigured
from tests.actors.house import a_mail

HOST = "mx.example"
BODY = b"Subject: Merci\r\n\r\nBonjour\r\n"
EHLO = "250-mx.example\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 1000000"
SILENT, CLOSE = "silent", "close"
TAKEN = "250 2.0.0 queued"


class Script(dict):
    """What a server answers to a command, where it does not simply do its work."""

    def __init__(self, pair=memory_stream_pair, context=None, **answers):
        super().__init__(BANNER="220 mx.example", EHLO=EHLO, DATA="354 go ahead", DOT=TAKEN)
        self.update(answers)
        self.pair = pair
        self.context = context

    def answer(self, verb):
        answer = self.get(verb, "250 2.0.0 ok")
        return answer.pop(0) if isinstance(answer, list) else answer


class Peer:
    """The server's side of one connection."""

    def __init__(self, stream, script):
        self.stream, self.script = stream, script
        self.heard = []
        self.texts = []
        self.ended_at = None
        self.refused = False
        self._buffer = b""

    async def serve(self):
        try:
            if await self.reply("BANNER"):
                while (line := await self.until(b"\r\n")) is not None:
                    if not await self.obey(line.decode()):
                        break
        except trio.BrokenResourceError:
            pass  # it hung up
        self.ended_at = trio.current_time()
        await trio.aclose_forcefully(self.stream)

    async def obey(self, line):
        self.heard.append(line)
        verb = line.partition(" ")[0].upper()
        if verb == "QUIT" or not await self.reply(verb):
            return False
        if verb == "STARTTLS":
            self.stream = trio.SSLStream(self.stream, self.script.context, server_side=True)
            self._buffer = b""
            self.script["EHLO"] = self.script.get("ENCRYPTED", EHLO)
        if verb == "AUTH" and line.upper().endswith("LOGIN"):
            for ask in ("334 UGFzc3dvcmQ6", "235 2.7.0 welcome"):
                self.heard.append((await self.until(b"\r\n")).decode())
                await self.say(ask)
        if verb == "DATA" and self.said.startswith("354"):
            return await self.take()
        return True

    async def take(self):
        text = await self.until(b".\r\n", after=b"\r\n")
        if text is None:
            return False
        self.texts.append((b"\r\n" + text).replace(b"\r\n..", b"\r\n.")[2:])
        return await self.reply("DOT")

    async def reply(self, verb):
        """Answer; false where that is the end of it."""
        self.said = self.script.answer(verb)
        if verb == "DATA" and self.refused and not self.script.get("EAGER"):
            self.said = "503 5.5.1 for whom?"
        if self.said == SILENT:
            await trio.sleep_forever()
        if self.said == CLOSE:
            return False
        if not isinstance(self.said, str):
            self.said = await self.said(self)
        await self.say(self.said)
        self.refused = verb in ("MAIL", "RCPT") and (self.refused or self.said[0] in "45")
        return not self.said.startswith("421")

    async def say(self, text):
        await self.stream.send_all((text + "\r\n").encode())

    async def until(self, end, after=b""):
        """What comes before `end`, which stands behind `after` or at the start; None at the end."""
        while not self._buffer.startswith(end) and after + end not in self._buffer:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._buffer += data
        if after and self._buffer.startswith(end):
            self._buffer = self._buffer.removeprefix(end)
            return b""
        found, _, self._buffer = self._buffer.partition(after + end)
        return found + after


class Server:
    """Answers the nth connection by the nth script, and by the last one ever after."""

    def __init__(self, nursery, scripts):
        self.peers = []
        self.dialled = 0
        self._nursery = nursery
        self._scripts = scripts

    async def dial(self, host, port):
        script = self._scripts[min(self.dialled, len(self._scripts) - 1)]
        self.dialled += 1
        await trio.lowlevel.checkpoint()
        if script == SILENT:
            await trio.sleep_forever()
        if isinstance(script, OSError):
            raise script
        ours, theirs = script.pair()
        peer = Peer(theirs, script)
        self.peers.append(peer)
        if script.get("IMPLICIT"):
            peer.stream = trio.SSLStream(theirs, script.context, server_side=True)
        self._nursery.start_soon(peer.serve)
        return ours

    @property
    def heard(self):
        return [line.partition(" ")[0] for peer in self.peers for line in peer.heard]

    @property
    def texts(self):
        return [text for peer in self.peers for text in peer.texts]


@asynccontextmanager
async def post(*scripts, **settings):
    """A transport, and the server it speaks to."""
    asked = {"host": HOST, "tls": "none", "connections": 1, "helo": "shop.example"} | settings
    async with trio.open_nursery() as nursery:
        server = Server(nursery, scripts or (Script(),))
        async with open_smtp(SmtpSettings(**asked), server.dial) as transport:
            yield transport, server
        nursery.cancel_scope.cancel()


def letters(*mail_ids, body=BODY, **more):
    return [
        Letter(a_mail(mail_id, **more), body, sender="b+1@shop.example") for mail_id in mail_ids
    ]


def said(handed):
    return (handed.verdict, handed.stage, handed.code, handed.enhanced)


async def all_at_once(transport, sends, each):
    """What comes of so many `send`s of so many letters."""
    handed = []

    async def send(number):
        handed.extend(await transport.send(letters(*(f"{number}-{i}" for i in range(each)))))

    async with trio.open_nursery() as nursery:
        for number in range(sends):
            nursery.start_soon(send, number)
    return handed


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusting(authority, tmp_path):
    """Settings that trust the server's certificate."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return {"ca_file": str(file)}


def tls_script(authority, name=HOST, **answers):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return Script(
        context=context,
        **{"EHLO": f"{EHLO}\r\n250 STARTTLS".replace("250 SIZE", "250-SIZE")} | answers,
    )


async def test_a_mail_is_handed_over_and_answered_for():
    async with post() as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert handed == Handed(
        "m1", "accepted", "250 2.0.0 queued", stage="dot", code=250, enhanced="2.0.0"
    )
    assert server.texts == [BODY]
    assert server.peers[0].heard == [
        "EHLO shop.example",
        f"MAIL FROM:<b+1@shop.example> SIZE={len(BODY)}",
        "RCPT TO:<ana@customers.example>",
        "DATA",
        "QUIT",
    ]


async def test_a_server_that_takes_one_command_at_a_time_gets_one_at_a_time():
    async with post(Script(lockstep_stream_pair, EHLO="250 mx.example")) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert handed.verdict == "accepted"
    assert server.texts == [BODY]


REFUSED = [
    ({"BANNER": "554 5.3.2 no"}, ("retry", "banner", 554, "5.3.2")),
    ({"BANNER": "451 later"}, ("retry", "banner", 451, "")),
    ({"EHLO": "550 5.7.0 you?", "HELO": "550 5.7.0 you?"}, ("retry", "ehlo", 550, "5.7.0")),
    ({"EHLO": "451 later"}, ("retry", "ehlo", 451, "")),
    ({"MAIL": "550 5.1.8 who?"}, ("retry", "mail", 550, "5.1.8")),
    ({"MAIL": "451 4.3.0 later"}, ("retry", "mail", 451, "4.3.0")),
    ({"RCPT": "550 5.1.1 nobody"}, ("refused", "rcpt", 550, "5.1.1")),
    ({"RCPT": "450 4.7.1 greylisted"}, ("retry", "rcpt", 450, "4.7.1")),
    ({"DATA": "554 5.5.1 no"}, ("refused", "data", 554, "5.5.1")),
    ({"DATA": "451 4.3.0 later"}, ("retry", "data", 451, "4.3.0")),
    ({"DOT": "554 5.7.1 spam"}, ("refused", "dot", 554, "5.7.1")),
    ({"DOT": "451 4.3.0 later"}, ("retry", "dot", 451, "4.3.0")),
]


@pytest.mark.parametrize(("answers", "expected"), REFUSED, ids=str)
@pytest.mark.parametrize("ehlo", [EHLO, "250 mx.example"], ids=["together", "one by one"])
async def test_a_refusal_is_told_with_its_stage_and_its_codes(ehlo, answers, expected):
    async with post(Script(**{"EHLO": ehlo} | answers)) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == expected
    assert server.texts == ([BODY] if "DOT" in answers else [])


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
async def test_after_a_refusal_the_next_mail_takes_the_same_connection(verb):
    script = Script(**{verb: ["550 5.1.1 nobody", "354 go ahead" if verb == "DATA" else TAKEN]})
    async with post(script) as (transport, server):
        first, second = await transport.send(letters("m1", "m2"))
    assert (first.code, second.verdict) == (550, "accepted")
    assert server.dialled == 1
    assert len(server.texts) == (2 if verb == "DOT" else 1)


@pytest.mark.parametrize("later", ["RSET", "DATA"])
async def test_what_was_refused_before_the_connection_was_lost_is_refused(later):
    scripts = Script(**{"EAGER": True, "RCPT": "550 5.1.1 nobody", later: CLOSE}), Script()
    async with post(*scripts) as (transport, server):
        first, second = await transport.send(letters("m1", "m2"))
    assert said(first) == ("refused", "rcpt", 550, "5.1.1")
    assert second.verdict == "accepted"
    assert server.dialled == 2


@pytest.mark.parametrize(
    ("verb", "stage"),
    [
        ("BANNER", "banner"),
        ("EHLO", "ehlo"),
        ("MAIL", "mail"),
        ("RCPT", "rcpt"),
        ("DATA", "data"),
        ("DOT", "dot"),
    ],
)
async def test_a_server_that_closes_down_is_left_and_the_mail_goes_back(verb, stage):
    async with post(Script(**{verb: "421 4.3.2 closing"})) as (transport, server):
        [handed] = await transport.send(letters("m1"))
        assert said(handed) == ("retry", stage, 421, "4.3.2")
        [handed] = await transport.send(letters("m1"))
    assert server.dialled == 2
    assert "QUIT" not in server.heard


@pytest.mark.parametrize(
    ("verb", "expected", "after"),
    [
        ("BANNER", ("retry", "banner", 0, ""), 60),
        ("EHLO", ("retry", "ehlo", 0, ""), 60),
        ("MAIL", ("retry", "mail", 0, ""), 300),
        ("RCPT", ("retry", "rcpt", 0, ""), 300),
        ("DATA", ("retry", "data", 0, ""), 120),
        ("DOT", ("in_doubt", "dot", 0, ""), 600),
    ],
)
async def test_silence_has_its_limit_and_is_in_doubt_only_past_the_end(
    verb, expected, after, autojump_clock
):
    async with post(Script(**{verb: SILENT})) as (transport, _):
        [handed] = await transport.send(letters("m1"))
        assert said(handed) == expected
        assert trio.current_time() == after


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("BANNER", ("retry", "banner", 0, "")),
        ("EHLO", ("retry", "ehlo", 0, "")),
        ("MAIL", ("retry", "mail", 0, "")),
        ("RCPT", ("retry", "rcpt", 0, "")),
        ("DATA", ("retry", "data", 0, "")),
        ("DOT", ("in_doubt", "dot", 0, "")),
    ],
)
async def test_a_lost_connection_is_in_doubt_only_past_the_end(verb, expected):
    async with post(Script(**{verb: CLOSE})) as (transport, _):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == expected


@pytest.mark.parametrize(
    "answer", ["250-2.0.0 taken\r\n550 5.7.1 not taken", "taken", "250 " + "x" * 5_000, "354 go on"]
)
async def test_an_answer_to_the_end_that_nobody_can_read_is_in_doubt(answer):
    async with post(Script(DOT=answer)) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == ("in_doubt", "dot", 0, "")
    assert "QUIT" not in server.heard


@pytest.mark.parametrize("answer", ["250-ok\r\n550 no", "ok", "250 " + "x" * 5_000, "354 go on"])
async def test_an_answer_before_the_end_that_nobody_can_read_sends_nothing(answer):
    async with post(Script(RCPT=answer)) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == ("retry", "rcpt", 0, "")
    assert server.texts == []


async def test_answers_in_utf8_and_with_bare_line_feeds_are_read():
    async with post(Script(EHLO="250-mx\n250 PIPELINING", RCPT="550 5.1.1 boîte inconnue")) as (
        transport,
        _,
    ):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == ("refused", "rcpt", 550, "5.1.1")
    assert handed.response == "rcpt: 550 5.1.1 boîte inconnue"


async def test_a_server_that_says_more_than_it_was_asked_is_left():
    async with post(Script(DOT=f"{TAKEN}\r\n250 2.0.0 and again"), Script()) as (transport, server):
        first, second = await transport.send(letters("m1", "m2"))
    assert (first.verdict, second.verdict) == ("accepted", "accepted")
    assert [len(peer.texts) for peer in server.peers] == [1, 1]
    assert server.heard.count("MAIL") == 2


async def test_a_late_second_answer_is_never_taken_for_the_answer_to_another_mail():
    """It comes when the connection is kept already: everything after it is out of step."""

    async def twice(peer):
        await peer.say(TAKEN)
        await trio.testing.wait_all_tasks_blocked()
        return "250 2.0.0 and again"

    scripts = Script(DOT=twice), Script(DOT="554 5.7.1 spam")
    async with post(*scripts) as (transport, server):
        [first] = await transport.send(letters("m1"))
        await trio.testing.wait_all_tasks_blocked()
        [second] = await transport.send(letters("m2"))
    assert first.verdict == "accepted"
    assert said(second) == ("refused", "dot", 554, "5.7.1")
    assert [len(peer.texts) for peer in server.peers] == [1, 1]


@pytest.mark.parametrize(
    ("body", "arrives"),
    [
        (b"no end", b"no end\r\n"),
        (b".\r\n..\r\n.dots\r\n", b".\r\n..\r\n.dots\r\n"),
        (
            b"a\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n",
            b"a\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n",
        ),
        (b"x" * 76 + b"\r\n" * 100_000, b"x" * 76 + b"\r\n" * 100_000),
    ],
    ids=["no end", "dots", "smuggled", "long"],
)
async def test_a_text_arrives_as_it_was_written(body, arrives):
    async with post() as (transport, server):
        [handed] = await transport.send(letters("m1", body=body))
    assert handed.verdict == "accepted"
    assert server.texts == [arrives]


@pytest.mark.parametrize(
    ("letter", "stage"),
    [
        (letters("m1", to="ana@customers.example\r\nRCPT TO:<eve@evil.example>")[0], "address"),
        (letters("m1", to="ana@customers.example> NOTIFY=NEVER")[0], "address"),
        (Letter(a_mail("m1"), BODY, sender="b@shop.example\r\nDATA"), "address"),
        (letters("m1", body=b"a\n.\nMAIL FROM:<eve@evil.example>\n")[0], "message"),
        (letters("m1", body="é\r\n".encode())[0], "message"),
    ],
)
async def test_what_could_bend_the_conversation_never_reaches_a_server(letter, stage):
    async with post() as (transport, server):
        [handed] = await transport.send([letter])
    assert said(handed) == ("refused", stage, 0, "")
    assert server.dialled == 0


async def test_a_go_ahead_without_a_recipient_is_answered_with_nothing():
    script = Script(
        EAGER=True, RCPT=["550 5.1.1 nobody", "250 ok"], DOT=["554 5.5.1 for whom?", TAKEN]
    )
    async with post(script) as (transport, server):
        first, second = await transport.send(letters("m1", "m2"))
    assert said(first) == ("refused", "rcpt", 550, "5.1.1")
    assert second.verdict == "accepted"
    assert server.texts == [b"", BODY]
    assert server.dialled == 1


async def test_a_mail_called_back_before_its_end_was_not_sent(autojump_clock):
    async with post(Script(RCPT=SILENT)) as (transport, server):
        with trio.move_on_after(10) as scope:
            [handed] = await transport.send(letters("m1"))
            assert said(handed) == ("retry", "", 0, "")
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert trio.current_time() == 10
        await trio.testing.wait_all_tasks_blocked()
    assert server.texts == []


async def test_a_mail_called_back_just_before_its_end_was_not_sent():
    async def goes_ahead(peer):
        await trio.testing.wait_all_tasks_blocked()
        await peer.say("354 go ahead")
        scope.cancel()
        return TAKEN

    scope = trio.CancelScope()
    async with post(Script(DATA=goes_ahead)) as (transport, server):
        with scope:
            [handed] = await transport.send(letters("m1"))
    assert said(handed) == ("retry", "", 0, "")
    assert server.texts == []


async def test_a_mail_called_back_in_the_middle_of_its_text_was_not_sent(autojump_clock):
    async def listens_no_more(peer):
        await peer.say("354 go ahead")
        await trio.sleep(20)
        return "250 never heard"

    body = b"x\r\n" * 100_000
    async with post(Script(lockstep_stream_pair, DATA=listens_no_more)) as (transport, server):
        with trio.move_on_after(10):
            [handed] = await transport.send(letters("m1", body=body))
            assert said(handed) == ("retry", "", 0, "")
    assert server.texts == []


async def test_a_mail_past_its_end_is_not_called_back(autojump_clock):
    async def slowly(_peer):
        await trio.sleep(20)
        return TAKEN

    async with post(Script(DOT=slowly)) as (transport, server):
        with trio.move_on_after(10) as scope:
            handed = await transport.send(letters("m1", "m2"))
            assert [one.verdict for one in handed] == ["accepted", "retry"]
            assert trio.current_time() == 20
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
    assert server.texts == [BODY]


async def test_a_server_that_stops_listening_has_not_got_the_mail(autojump_clock):
    async def listens_no_more(peer):
        await peer.say("354 go ahead")
        await trio.sleep_forever()

    async with post(Script(lockstep_stream_pair, DATA=listens_no_more)) as (transport, _):
        [handed] = await transport.send(letters("m1"))
        assert said(handed) == ("retry", "data", 0, "")
        assert trio.current_time() == 180


async def test_a_server_that_hangs_up_in_the_middle_of_a_text_is_heard_out():
    async def enough(peer):
        await peer.say("354 go ahead")
        await peer.stream.receive_some(1)
        await peer.say("552 5.3.4 enough")
        await peer.stream.aclose()
        raise trio.BrokenResourceError

    async with post(Script(DATA=enough)) as (transport, _):
        [handed] = await transport.send(letters("m1", body=b"x\r\n" * 100_000))
    assert said(handed) == ("refused", "data", 552, "5.3.4")


async def test_a_server_without_ehlo_is_greeted_the_old_way():
    async with post(Script(EHLO="502 5.5.1 what?", HELO="250 mx.example")) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert handed.verdict == "accepted"
    assert server.heard == ["EHLO", "HELO", "MAIL", "RCPT", "DATA", "QUIT"]
    assert server.peers[0].heard[2] == "MAIL FROM:<b+1@shop.example>"


async def test_a_mail_that_is_too_big_for_the_server_is_not_begun():
    async with post(Script(EHLO="250-mx\r\n250 SIZE 20")) as (transport, server):
        first, second = await transport.send(letters("m1") + letters("m2", body=b"a\r\n"))
    assert said(first) == ("refused", "mail", 552, "5.3.4")
    assert second.verdict == "accepted"
    assert server.texts == [b"a\r\n"]
    assert server.dialled == 1


@pytest.mark.parametrize(
    ("ehlo", "expected"),
    [("250-mx\r\n250 SMTPUTF8", "accepted"), ("250 mx", "refused")],
)
async def test_utf8_is_asked_for_where_an_address_needs_it(ehlo, expected):
    async with post(Script(EHLO=ehlo)) as (transport, server):
        [zoe] = await transport.send(letters("m1", to="zoé@café.example"))
        [ana] = await transport.send(letters("m2"))
    assert (zoe.verdict, ana.verdict) == (expected, "accepted")
    asked = [line for line in server.peers[0].heard if line.startswith("MAIL")]
    assert [line.endswith(" SMTPUTF8") for line in asked] == [True, False][expected == "refused" :]


async def test_a_letter_without_a_return_path_takes_the_servers_and_else_none():
    nobody = Letter(a_mail("m1"), BODY)
    async with post() as (transport, server):
        await transport.send([nobody])
    assert server.peers[0].heard[1].startswith("MAIL FROM:<> ")
    async with post(return_path="bounces@shop.example") as (transport, server):
        await transport.send([nobody])
    assert server.peers[0].heard[1].startswith("MAIL FROM:<bounces@shop.example> ")


async def test_encryption_comes_before_everything_that_is_said(authority, trusting):
    script = tls_script(authority, ENCRYPTED="250-mx\r\n250 AUTH PLAIN", AUTH="235 welcome")
    asked = {"tls": "required", "username": "ana", "password": "secret"} | trusting
    async with post(script, **asked) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert handed.verdict == "accepted"
    assert server.heard == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


async def test_what_was_offered_before_encryption_is_forgotten(authority, trusting):
    before = "250-mx\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SMTPUTF8"
    script = tls_script(authority, EHLO=before, ENCRYPTED="250 mx")
    asked = {"tls": "required", "username": "ana", "password": "secret"} | trusting
    async with post(script, **asked) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == ("retry", "auth", 0, "5.7.4")
    assert server.heard == ["EHLO", "STARTTLS", "EHLO"]


async def test_encryption_from_the_first_byte(authority, trusting):
    script = tls_script(
        authority, EHLO="250-mx\r\n250 AUTH LOGIN", IMPLICIT=True, AUTH="334 VXNlcm5hbWU6"
    )
    asked = {"tls": "implicit", "username": "ana", "password": "secret"} | trusting
    async with post(script, **asked) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert handed.verdict == "accepted"
    assert server.peers[0].heard[1:4] == ["AUTH LOGIN", "YW5h", "c2VjcmV0"]


@pytest.mark.parametrize("tls", ["required", "opportunistic", "none"])
async def test_no_password_is_said_where_encryption_was_taken_away(tls, trusting):
    """Somebody on the way removes the offer of STARTTLS, and would like to know the password."""
    script = Script(EHLO="250-mx\r\n250 AUTH PLAIN LOGIN", AUTH="235 thank you")
    asked = {"tls": tls, "username": "ana", "password": "secret"} | trusting
    async with post(script, **asked) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    expected = ("starttls", "5.7.4") if tls == "required" else ("auth", "5.7.11")
    assert (handed.verdict, handed.stage, handed.enhanced) == ("retry", *expected)
    assert server.heard == ["EHLO"]


async def test_a_password_goes_out_in_the_clear_where_that_was_asked_for():
    script = Script(EHLO="250-mx\r\n250 AUTH PLAIN", AUTH="235 welcome")
    asked = {"username": "ana", "password": "secret", "clear_credentials": True}
    async with post(script, **asked) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert handed.verdict == "accepted"
    assert "AUTH" in server.heard


async def test_nothing_goes_out_in_the_clear_where_encryption_is_required(trusting):
    async with post(tls="required", **trusting) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == ("retry", "starttls", 0, "5.7.4")
    assert server.heard == ["EHLO"]


@pytest.mark.parametrize("extra", ["250 mx.example", "250-AUTH", "x"])
async def test_words_put_in_before_encryption_are_not_read_as_if_they_came_after(
    authority, trusting, extra
):
    script = tls_script(authority, STARTTLS=f"220 go ahead\r\n{extra}")
    asked = {"tls": "required", "username": "ana", "password": "secret"} | trusting
    async with post(script, **asked) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == ("retry", "starttls", 0, "5.7.0")
    assert server.heard == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("454 4.7.0 not now", ("retry", "starttls", 454, "4.7.0")),
        ("502 5.5.1 not here", ("retry", "starttls", 502, "5.5.1")),
        ("421 4.3.2 bye", ("retry", "starttls", 421, "4.3.2")),
        (CLOSE, ("retry", "starttls", 0, "")),
    ],
)
async def test_a_refused_encryption_says_nothing_more(authority, trusting, answer, expected):
    script = tls_script(authority, STARTTLS=answer)
    async with post(script, tls="required", **trusting) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == expected
    assert server.heard == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("535 5.7.8 wrong", ("retry", "auth", 535, "5.7.8")),
        ("454 4.7.0 not now", ("retry", "auth", 454, "4.7.0")),
        ("334 and now?", ("retry", "auth", 0, "")),
        (CLOSE, ("retry", "auth", 0, "")),
    ],
)
async def test_a_refused_password_kills_no_mail(authority, trusting, answer, expected):
    script = tls_script(authority, ENCRYPTED="250-mx\r\n250 AUTH PLAIN", AUTH=answer)
    asked = {"tls": "required", "username": "ana", "password": "secret"} | trusting
    async with post(script, **asked) as (transport, server):
        handed = await transport.send(letters("m1", "m2"))
    assert [said(one) for one in handed] == [expected] * 2
    assert server.dialled == 1
    assert "secret" not in repr(handed)


@pytest.mark.parametrize("tls", ["required", "implicit", "opportunistic"])
async def test_a_server_with_another_certificate_hears_nothing(authority, trusting, tls):
    script = tls_script(authority, "other.example", IMPLICIT=tls == "implicit")
    asked = {"tls": tls, "username": "ana", "password": "secret"} | trusting
    async with post(script, **asked) as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert (handed.verdict, handed.stage) == ("retry", "tls")
    assert "mx.example" in handed.response
    assert server.heard == [] if tls == "implicit" else server.heard == ["EHLO", "STARTTLS"]


async def test_without_credentials_any_encryption_is_better_than_none(authority):
    """Its certificate is nobody's; anyone who could forge it could take STARTTLS away as well."""
    script = tls_script(authority, "other.example", ENCRYPTED=EHLO)
    async with post(script, tls="opportunistic") as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert handed.verdict == "accepted"
    assert server.heard[:3] == ["EHLO", "STARTTLS", "EHLO"]
    async with post(Script(), tls="opportunistic") as (transport, server):
        [handed] = await transport.send(letters("m1"))
    assert handed.verdict == "accepted"
    assert "STARTTLS" not in server.heard


async def test_a_handshake_has_its_limit(authority, trusting, autojump_clock):
    async def never(peer):
        await peer.say("220 go ahead")
        await trio.sleep_forever()

    script = tls_script(authority, STARTTLS=never)
    async with post(script, tls="required", **trusting) as (transport, _):
        [handed] = await transport.send(letters("m1"))
        assert said(handed) == ("retry", "tls", 0, "")
        assert trio.current_time() == 60


async def test_a_server_that_is_down_is_not_asked_for_every_mail():
    async with post(OSError("connection refused")) as (transport, server):
        handed = await transport.send(letters(*map(str, range(20))))
    assert [said(one) for one in handed] == [("retry", "connect", 0, "")] * 20
    assert handed[0].response == "connect: connection refused"
    assert server.dialled == 1


async def test_a_name_that_nothing_can_be_called_is_a_server_that_is_not_there():
    async with open_smtp(SmtpSettings("mx..example", tls="none")) as transport:
        [handed] = await transport.send(letters("m1"))
    assert said(handed) == ("retry", "connect", 0, "")


async def test_a_server_that_does_not_answer_the_door_is_down_after_half_a_minute(autojump_clock):
    async with post(SILENT) as (transport, server):
        handed = await transport.send(letters("m1", "m2"))
        assert [said(one) for one in handed] == [("retry", "connect", 0, "")] * 2
        assert trio.current_time() == 30
    assert server.dialled == 1


async def test_one_connection_too_many_keeps_no_mail_from_going():
    crowded = Script(BANNER="421 4.7.0 too many connections")
    async with post(Script(), crowded, connections=3) as (transport, server):
        handed = await all_at_once(transport, 3, 5)
    assert {one.verdict for one in handed} == {"accepted"}
    assert sorted(len(peer.texts) for peer in server.peers) == [0, 0, 15]


async def test_a_server_that_took_one_connection_and_no_other_is_asked_again_later(autojump_clock):
    crowded = Script(BANNER="421 4.7.0 too many connections")
    async with post(Script(), crowded, Script(), connections=2) as (transport, server):
        await all_at_once(transport, 2, 5)
        await trio.sleep(20)
        await all_at_once(transport, 2, 5)
        assert server.dialled == 2
        await trio.sleep(60)
        await all_at_once(transport, 2, 5)
        assert server.dialled == 4
    assert len(server.texts) == 30


async def test_a_server_that_goes_down_while_others_wait_for_it_is_down_for_them_too():
    async def goes_down(_peer):
        await trio.testing.wait_all_tasks_blocked()
        return CLOSE

    scripts = Script(MAIL=goes_down), OSError("connection refused")
    async with post(*scripts, connections=2) as (transport, server):
        handed = await all_at_once(transport, 2, 2)
    assert {one.verdict for one in handed} == {"retry"}
    assert {one.stage for one in handed} == {"mail", "connect"}
    assert server.texts == []


async def test_a_server_that_breaks_on_one_mail_takes_the_others():
    scripts = [Script(DATA=CLOSE), Script()]
    async with post(*scripts) as (transport, server):
        handed = await transport.send(letters("m1", "m2", "m3"))
    assert [one.verdict for one in handed] == ["retry", "accepted", "accepted"]
    assert len(server.texts) == 2


async def test_after_two_mails_without_an_answer_the_others_stay_at_home(autojump_clock):
    async with post(Script(DOT=SILENT)) as (transport, server):
        handed = await transport.send(letters("m1", "m2", "m3", "m4"))
        assert trio.current_time() == 1_200
    assert [one.verdict for one in handed] == ["in_doubt", "in_doubt", "retry", "retry"]
    assert [one.stage for one in handed] == ["dot", "dot", "connect", "connect"]
    assert server.texts == [BODY, BODY]


@pytest.mark.parametrize("ending", [CLOSE, "421 4.4.2 idle for too long"])
async def test_a_kept_connection_that_has_ended_costs_nothing(ending):
    scripts = Script(MAIL=["250 ok", ending]), Script()
    async with post(*scripts) as (transport, server):
        [first] = await transport.send(letters("m1"))
        [second] = await transport.send(letters("m2"))
    assert (first.verdict, second.verdict) == ("accepted", "accepted")
    assert [len(peer.texts) for peer in server.peers] == [1, 1]


async def test_past_its_end_no_mail_is_sent_again_on_another_connection():
    scripts = Script(DOT=[TAKEN, CLOSE]), Script()
    async with post(*scripts) as (transport, server):
        [first] = await transport.send(letters("m1"))
        [second] = await transport.send(letters("m2"))
    assert (first.verdict, second.verdict) == ("accepted", "in_doubt")
    assert len(server.texts) == 2
    assert server.dialled == 1


async def test_a_connection_carries_a_hundred_mails():
    async with post() as (transport, server):
        handed = await transport.send(letters(*map(str, range(101))))
    assert {one.verdict for one in handed} == {"accepted"}
    assert [len(peer.texts) for peer in server.peers] == [100, 1]
    assert [peer.heard[-1] for peer in server.peers] == ["QUIT"] * 2


async def test_a_connection_that_nobody_uses_is_closed_after_half_a_minute(autojump_clock):
    async with post() as (transport, server):
        await transport.send(letters("m1"))
        await trio.sleep(29)
        await transport.send(letters("m2"))
        await trio.sleep(100)
        assert (server.peers[0].heard[-1], server.peers[0].ended_at) == ("QUIT", 59)
        await transport.send(letters("m3"))
    assert [len(peer.texts) for peer in server.peers] == [2, 1]


async def test_no_connection_lives_longer_than_five_minutes(autojump_clock):
    async with post() as (transport, server):
        for number in range(16):
            await transport.send(letters(str(number)))
            await trio.sleep(20)
        assert server.peers[0].ended_at == 300
    assert [len(peer.texts) for peer in server.peers] == [15, 1]


async def test_a_connection_that_is_never_idle_lives_no_longer(autojump_clock):
    async def slowly(_peer):
        await trio.sleep(20)
        return TAKEN

    async with post(Script(DOT=slowly)) as (transport, server):
        await transport.send(letters(*map(str, range(16))))
    assert [len(peer.texts) for peer in server.peers] == [15, 1]


async def test_there_are_never_more_connections_than_allowed():
    busy, most = 0, 0

    async def slowly(_peer):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await trio.testing.wait_all_tasks_blocked()
        busy -= 1
        return TAKEN

    async with post(Script(DOT=slowly), connections=2) as (transport, server):
        await all_at_once(transport, 3, 5)
    assert len(server.texts) == 15
    assert most == server.dialled == 2


async def test_every_letter_gets_its_own_answer_in_the_order_they_were_given():
    async with post(Script(RCPT=["250 ok", "550 5.1.1 nobody"] * 8), connections=4) as (
        transport,
        _,
    ):
        handed = await transport.send(letters(*map(str, range(8))))
    assert [one.mail_id for one in handed] == list(map(str, range(8)))
    assert sorted(one.verdict for one in handed) == ["accepted"] * 4 + ["refused"] * 4


async def test_nothing_to_send_is_no_reason_to_call():
    async with post() as (transport, server):
        assert await transport.send([]) == []
    assert server.dialled == 0


async def test_nobody_can_tell_what_a_mail_server_took():
    async with post() as (transport, _):
        assert await transport.took(a_mail("m1")) is None


async def test_patience_can_be_set(autojump_clock):
    async with post(Script(RCPT=SILENT), patience=Patience(rcpt=7)) as (transport, _):
        await transport.send(letters("m1"))
        assert trio.current_time() == 7


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"helo": "my shop"}, "smtp helo"),
        ({"ca_file": "/no/such.pem"}, "/no/such.pem"),
        ({"connections": 0}, "one connection"),
        ({"port": 65_536}, "no port"),
    ],
)
async def test_settings_that_cannot_work_are_told_at_once(settings, said):
    with pytest.raises(Misconfigured, match=said):
        async with open_smtp(SmtpSettings(HOST, **settings)):
            pass


def test_the_password_is_not_shown():
    settings = SmtpSettings("mx.example", username="ana", password="secret")
    assert "secret" not in repr(settings) + str([settings])
