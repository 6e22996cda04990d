"""The LMTP listener, spoken to by the standard library's client, by bytes, and by Postfix's."""

from __future__ import annotations

import itertools
import shutil
import smtplib
import socket
import subprocess
from contextlib import asynccontextmanager, closing

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from actors import lmtp
from actors.lmtp import Conversation, Message, Reply
from ecrm.errors import Misconfigured

BOX = "b+token@bounces.shop.example"
OTHER = "fbl@shop.example"
SMTP_SOURCE = shutil.which("smtp-source") or shutil.which("/usr/sbin/smtp-source")


def knows(address):
    return address in (BOX, OTHER)


class Taker:
    """Takes messages, as it was told to answer."""

    def __init__(self, *answers, error=None):
        self.answers = list(answers)
        self.error = error
        self.messages = []

    async def __call__(self, message):
        if self.error:
            raise self.error
        self.messages.append(message)
        return self.answers or ["taken"] * len(message.recipients)


@asynccontextmanager
async def listening(take, **more):
    async with trio.open_nursery() as nursery:
        port = await nursery.start(lambda **status: lmtp.listen(0, knows, take, **more, **status))
        yield port
        nursery.cancel_scope.cancel()


def deliver(port, recipients, body=b"Subject: x\r\n\r\nhello\r\n"):
    """What the standard library's client has to say of it: the refused recipients."""
    with smtplib.LMTP("127.0.0.1", port) as client:
        client.ehlo()
        return client.sendmail("", recipients, body)


async def in_thread(fn, *args):
    return await trio.to_thread.run_sync(fn, *args)


def talk(*lines, size=lmtp.SIZE, answers=("taken",)):
    """A conversation in one breath: what was sent back, and the messages."""
    conversation = Conversation(knows, size=size, name="here")
    conversation.feed(b"".join(lines))
    return hear(conversation, answers)


def hear(conversation, answers=("taken",)):
    said, messages = [], []
    while (step := conversation.next()) is not None:
        if isinstance(step, Message):
            messages.append(step)
            step = conversation.answer([*answers] * len(step.recipients))
        said += step.data.splitlines()
        if step.last:
            break
    return said, messages


def codes(said):
    return [line[:3].decode() for line in said if line[3:4] != b"-"]


HELLO = b"LHLO mx.example.org\r\n"
FROM = b"MAIL FROM:<>\r\n"
TO = f"RCPT TO:<{BOX}>\r\n".encode()
FBL = f"RCPT TO:<{OTHER}>\r\n".encode()
DATA = b"DATA\r\n"
END = b".\r\n"


async def test_a_message_is_taken_as_it_was_sent():
    take = Taker()
    body = b"Subject: x\r\n\r\n.a dot\r\n..\r\nend\r\n"
    async with listening(take) as port:
        assert await in_thread(deliver, port, [BOX], body) == {}
    assert take.messages == [Message("", (BOX,), body)]


async def test_each_recipient_has_its_own_answer():
    take = Taker("taken", "later")
    async with listening(take) as port:
        said = await in_thread(raw_codes, port, [HELLO, FROM, TO, FBL, DATA, b"x\r\n", END])
    assert said[-2:] == ["250", "451"]
    assert [message.recipients for message in take.messages] == [(BOX, OTHER)]


async def test_a_stranger_is_refused_before_the_message_comes():
    take = Taker()
    async with listening(take) as port:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            await in_thread(deliver, port, ["nobody@shop.example"])
    assert refused.value.recipients["nobody@shop.example"][0] == 550
    assert take.messages == []


async def test_what_could_not_be_stored_stays_with_the_mail_server():
    async with listening(Taker(error=OSError("disk full"))) as port:
        with capture_logs() as logs:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                await in_thread(deliver_one, port)
            assert refused.value.smtp_code == 451
        assert [one["event"] for one in logs] == ["lmtp_message_not_taken"]
        assert await in_thread(greeted, port)


async def test_an_answer_too_few_is_no_answer():
    async with listening(Taker("taken")) as port:
        with capture_logs() as logs:
            refused = await in_thread(raw_codes, port, [HELLO, FROM, TO, FBL, DATA, b"x\r\n", END])
    assert refused[-2:] == ["451", "451"]
    assert [one["event"] for one in logs] == ["lmtp_answers_missing"]


def deliver_one(port):
    with smtplib.LMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("")
        client.rcpt(BOX)
        code, text = client.data(b"x\r\n")
        if code != 250:
            raise smtplib.SMTPDataError(code, text)


def greeted(port):
    with smtplib.LMTP("127.0.0.1", port) as client:
        return client.noop()[0] == 250


def raw_codes(port, lines):
    with closing(socket.create_connection(("127.0.0.1", port))) as peer:
        peer.sendall(b"".join(lines) + b"QUIT\r\n")
        said = b""
        while data := peer.recv(4096):
            said += data
    return codes(said.splitlines())[1:-1]


async def test_nothing_is_answered_before_it_is_stored():
    stored, asked = trio.Event(), trio.Event()

    async def take(message):
        asked.set()
        await stored.wait()
        return ["taken"] * len(message.recipients)

    async with listening(take) as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(HELLO + FROM + TO + DATA + b"x\r\n" + END)
            await asked.wait()
            said = b""
            while not said.endswith(b"354 end with a dot on a line of its own\r\n"):
                said += await stream.receive_some()
            stored.set()
            assert await stream.receive_some() == b"250 2.1.5 taken\r\n"


async def test_a_client_too_many_is_sent_away():
    async with listening(Taker()) as port:
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(lmtp.CONNECTIONS)]
        for stream in streams:
            assert (await stream.receive_some()).startswith(b"220 ")
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            assert (await stream.receive_some()).startswith(b"421 4.3.2")
        for stream in streams:
            await stream.aclose()


async def test_a_client_that_goes_away_harms_nobody():
    take = Taker()
    async with listening(take) as port:
        for lines in (b"", HELLO, HELLO + FROM + TO + DATA + b"half a mess"):
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(lines)
        assert await in_thread(greeted, port)
    assert take.messages == []


async def test_a_client_that_says_nothing_is_left_after_five_minutes(autojump_clock):
    server, client = trio.testing.memory_stream_pair()
    places = trio.CapacityLimiter(1)
    more = {"size": lmtp.SIZE, "name": "here", "places": places}
    with capture_logs() as logs:
        await lmtp._connected(server, knows=knows, take=Taker(), **more)
    assert trio.current_time() == lmtp.PATIENCE
    assert [one["event"] for one in logs] == ["lmtp_connection_silent"]
    assert places.available_tokens == 1
    assert await client.receive_some() == b"220 here LMTP\r\n"


async def test_a_client_that_was_sent_away_and_does_not_listen_harms_nobody():
    server, client = trio.testing.memory_stream_pair()
    await client.aclose()
    places = trio.CapacityLimiter(0)
    more = {"size": lmtp.SIZE, "name": "here", "places": places}
    with capture_logs() as logs:
        await lmtp._connected(server, knows=knows, take=Taker(), **more)
    assert [one["event"] for one in logs] == ["lmtp_connection_lost"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])
async def test_it_listens_on_loopback_only(host):
    with pytest.raises(Misconfigured, match="from outside"):
        await lmtp.listen(0, knows, Taker(), host=host)


async def test_a_port_that_is_taken_is_told_in_one_line():
    async with listening(Taker()) as port:
        with pytest.raises(Misconfigured, match=f"cannot listen on 127.0.0.1:{port}"):
            await lmtp.listen(port, knows, Taker())


@pytest.mark.skipif(SMTP_SOURCE is None, reason="Postfix's smtp-source is not installed")
async def test_postfix_hands_over_what_it_has():
    take = Taker()

    def send(port):
        return subprocess.run(
            [SMTP_SOURCE, "-L", "-c", "-s", "4", "-m", "40", "-l", "3000", "-f", "", "-t", BOX,
             f"inet:127.0.0.1:{port}"],
            capture_output=True, check=False, timeout=20,
        )  # fmt: skip

    async with listening(take) as port:
        done = await in_thread(send, port)
    assert (done.returncode, len(take.messages)) == (0, 40)
    assert {len(message.body) >= 3_000 for message in take.messages} == {True}


def test_pipelined_commands_are_answered_in_order():
    said, [message] = talk(HELLO, FROM, TO, FBL, DATA, b"x\r\n", END, b"QUIT\r\n")
    assert codes(said) == ["250", "250", "250", "250", "354", "250", "250", "221"]
    assert message == Message("", (BOX, OTHER), b"x\r\n")


def test_what_it_offers_is_what_rfc_2033_asks_for():
    said, _ = talk(HELLO)
    assert said == [
        b"250-here", b"250-PIPELINING", b"250-ENHANCEDSTATUSCODES", b"250-8BITMIME",
        b"250 SIZE 1048576",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([b"EHLO x\r\n"], "500"),
        ([b"HELO x\r\n"], "500"),
        ([b"\r\n"], "500"),
        ([b"GET / HTTP/1.1\r\n"], "500"),
        ([FROM], "503"),
        ([HELLO, TO], "503"),
        ([HELLO, FROM, FROM], "503"),
        ([HELLO, FROM, DATA], "503"),
        ([HELLO, b"MAIL FROM:a@b\r\n"], "501"),
        ([HELLO, b"MAIL TO:<a@b>\r\n"], "501"),
        ([HELLO, FROM, b"RCPT FROM:<a@b>\r\n"], "501"),
        ([HELLO, FROM, b"RCPT TO:<a\x00b@c>\r\n"], "501"),
        ([HELLO, FROM, b"RCPT TO:<nobody@shop.example>\r\n"], "550"),
        ([HELLO, b"MAIL FROM:<> BODY=8BITMIME SIZE=2000000\r\n"], "552"),
        ([HELLO, b"mail from: <> SIZE=2000\r\n"], "250"),
        ([HELLO, FROM, TO, b"RSET\r\n", DATA], "503"),
        ([HELLO, FROM, TO, HELLO, DATA], "503"),
        ([b"NOOP\r\n"], "250"),
        ([b"VRFY x\r\n"], "252"),
        ([b"NOOP\n"], "250"),
        ([HELLO, FROM, TO * lmtp.RECIPIENTS, TO], "452"),
    ],
)
def test_a_command_has_the_answer_that_rfc_5321_gives_it(lines, code):
    said, messages = talk(*lines)
    assert (codes(said)[-1], messages) == (code, [])


def test_a_message_that_is_too_large_is_refused_for_everybody_and_the_next_is_taken():
    large = b"x" * 70 + b"\r\n"
    lines = [HELLO, FROM, TO, FBL, DATA, large * 20, END, FROM, TO, DATA, b"small\r\n", END]
    said, [message] = talk(*lines, size=1_000)
    assert codes(said)[5:7] == ["552", "552"]
    assert message.body == b"small\r\n"


def test_a_message_that_never_ends_takes_no_room():
    conversation = Conversation(knows, size=1_000, name="here")
    conversation.feed(HELLO + FROM + TO + DATA)
    hear(conversation)
    for _ in range(1_000):
        conversation.feed(b"x" * 1_000)
        assert conversation.next() is None
        assert len(conversation._buffer) < 2_010
    conversation.feed(b"\r\n.\r\n")
    assert conversation.next() == Reply(b"552 5.3.4 too large\r\n")


def test_a_line_that_never_ends_ends_the_conversation():
    said, _ = talk(HELLO, b"x" * lmtp.COMMAND)
    assert codes(said) == ["250", "500"]
    assert talk(HELLO, b"x" * (lmtp.COMMAND - 1))[0][-1] == b"250 SIZE 1048576"


@pytest.mark.parametrize("end", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n..\r\n"])
def test_only_a_dot_between_whole_line_ends_ends_a_message(end):
    """Or a second message could be smuggled in (CVE-2023-51764)."""
    said, messages = talk(HELLO, FROM, TO, DATA, b"x", end, FROM)
    assert (codes(said)[-1], messages) == ("354", [])


@pytest.mark.parametrize(
    "body", [b"", b"\r\n", b".\r\n", b"..\r\n.\r\n", b"a\r\n.b\r\n", b"\x00\xff\n.\n\r\n"]
)
def test_dots_are_undone_whatever_the_body(body):
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
    _, [message] = talk(HELLO, FROM, TO, DATA, stuffed, END)
    assert message.body == body


def test_a_message_needs_an_answer_for_each_recipient():
    conversation = Conversation(knows, name="here")
    conversation.feed(HELLO + FROM + TO + FBL + DATA + END)
    while not isinstance(conversation.next(), Message):
        pass
    with pytest.raises(ValueError, match="1 answers for 2"):
        conversation.answer(["taken"])


WHOLE = b"".join(
    [HELLO, FROM, TO, DATA, b"a\r\n..b\r\nc\r\n", END, FROM, FBL, DATA, END, b"QUIT\r\n"]
)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_it_makes_no_difference_where_the_bytes_are_cut(cuts):
    conversation, said, messages = Conversation(knows, name="here"), [], []
    edges = [0, *sorted(cuts), len(WHOLE)]
    for start, end in itertools.pairwise(edges):
        conversation.feed(WHOLE[start:end])
        more, got = hear(conversation)
        said, messages = said + more, messages + got
    assert (said, messages) == talk(WHOLE)
    assert [message.body for message in messages] == [b"a\r\n.b\r\nc\r\n", b""]


@given(
    st.lists(
        st.sampled_from([HELLO, FROM, TO, DATA, END, b"x\r\n", b"RSET\r\n", b"\r\n"])
        | st.binary(max_size=20),
        max_size=20,
    )
)
def test_any_bytes_can_be_said(lines):
    said, _ = talk(*lines)
    assert all(line[:3].isdigit() for line in said)
