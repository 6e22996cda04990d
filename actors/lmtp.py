"""The door for what comes back: an LMTP listener (RFC 2033) for a mail server on this machine.

LMTP, because it answers for every recipient once the message has been taken, so that the mail
server keeps what we could not store and nothing is lost between the two.

- `Conversation` is the protocol without a socket: bytes in, `Reply` and `Message` out.
- Nothing is answered 250 before `take` has returned: it returns when the message is durable. What
  raises there is answered 451, and the mail server tries again.
- It listens on loopback only, has no TLS and no passwords, and takes a bounded number of bytes,
  recipients and connections. A line that ends without CR ends no message.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Literal, TypeAlias

import msgspec
import structlog
import trio

from ecrm import errors

log = structlog.get_logger()

# `taken`: durable. `later`: not now. `unknown`: nobody here has this address.
Answer = Literal["taken", "later", "unknown"]

SIZE: Final = 1024 * 1024  # a bounce quotes a mail of 90 kB; ten times that is none
RECIPIENTS: Final = 100
COMMAND: Final = 2_000  # with its line end; RFC 5321 §4.5.3.1.4 and the extensions ask for less
CONNECTIONS: Final = 20
PATIENCE: Final = 300.0  # seconds of silence, RFC 5321 §4.5.3.2.7
_END: Final = b"\r\n.\r\n"
_PATH: Final = re.compile(rb"(?i)(?:from|to):\s*<([^<>\x00-\x1f\x7f]{0,320})>(?:\s+(.*))?")
_SIZE: Final = re.compile(rb"(?i)(?:^|\s)size=(\d{1,20})(?:\s|$)")

_ANSWERS: Final[dict[Answer, bytes]] = {
    "taken": b"250 2.1.5 taken\r\n",
    "later": b"451 4.3.0 not now, try again\r\n",
    "unknown": b"550 5.1.1 nobody here has this address\r\n",
}
_PLAIN: Final = {
    b"RSET": b"250 2.0.0 forgotten\r\n",
    b"NOOP": b"250 2.0.0 as you wish\r\n",
    b"VRFY": b"252 2.5.0 send it and see\r\n",
    b"HELO": b"500 5.5.1 this is LMTP: say LHLO\r\n",
    b"EHLO": b"500 5.5.1 this is LMTP: say LHLO\r\n",
    b"QUIT": b"221 2.0.0 goodbye\r\n",
}
_TOO_LARGE: Final = b"552 5.3.4 too large\r\n"


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message as it came: the body with its dots undone, CRLF line ends."""

    sender: str
    recipients: tuple[str, ...]
    body: bytes


class Reply(msgspec.Struct, frozen=True, gc=False):
    """Bytes to send; the conversation is over after them if `last`."""

    data: bytes
    last: bool = False


Step: TypeAlias = "Reply | Message | None"
Take: TypeAlias = "Callable[[Message], Awaitable[list[Answer]]]"


class Conversation:
    """One client's commands, in order; pipelined ones wait in the buffer."""

    def __init__(self, knows: Callable[[str], bool], *, size: int = SIZE, name: str) -> None:
        self._knows = knows
        self._size = size
        self._name = name.encode("ascii", "replace")
        self._buffer = bytearray()
        self._greeted = False
        self._in_data = False
        self._too_large = False
        self._searched = 0
        self._sender: str | None = None
        self._recipients: list[str] = []

    def greeting(self) -> Reply:
        return Reply(b"220 " + self._name + b" LMTP\r\n")

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Step:
        """What to do now: send, store a message and then `answer` it, or None: more is needed."""
        return self._data() if self._in_data else self._command()

    def answer(self, answers: list[Answer]) -> Reply:
        """One reply for each recipient of the message that `next` gave, in their order."""
        if len(answers) != len(self._recipients):
            raise ValueError(f"{len(answers)} answers for {len(self._recipients)} recipients")
        self._forget()
        return Reply(b"".join(_ANSWERS[answer] for answer in answers))

    def _command(self) -> Step:
        end = self._buffer.find(b"\n", 0, COMMAND)
        if end < 0:
            too_long = len(self._buffer) >= COMMAND
            return Reply(b"500 5.5.2 line too long\r\n", True) if too_long else None
        line = bytes(self._buffer[:end]).rstrip(b"\r")
        del self._buffer[: end + 1]
        verb, _, rest = line.partition(b" ")
        return self._answered(verb.upper(), rest)

    def _answered(self, verb: bytes, rest: bytes) -> Reply:
        match verb:
            case b"LHLO":
                return self._hello()
            case b"MAIL":
                return self._mail(rest)
            case b"RCPT":
                return self._rcpt(rest)
            case b"DATA":
                return self._begin_data()
            case b"RSET":
                self._forget()
        return Reply(_PLAIN.get(verb, b"500 5.5.2 not understood\r\n"), verb == b"QUIT")

    def _hello(self) -> Reply:
        self._forget()
        self._greeted = True
        offers = (self._name, b"PIPELINING", b"ENHANCEDSTATUSCODES", b"8BITMIME")
        lines = [b"250-" + offer + b"\r\n" for offer in offers]
        return Reply(b"".join(lines) + b"250 SIZE %d\r\n" % self._size)

    def _mail(self, rest: bytes) -> Reply:
        path = _PATH.fullmatch(rest)
        if not self._greeted or self._sender is not None:
            return Reply(b"503 5.5.1 not now\r\n")
        if path is None or rest[:2].upper() != b"FR":
            return Reply(b"501 5.5.4 MAIL FROM:<address>\r\n")
        told = _SIZE.search(path[2] or b"")
        if told is not None and int(told[1]) > self._size:
            return Reply(_TOO_LARGE)
        self._sender = path[1].decode("utf-8", "replace")
        return Reply(b"250 2.1.0 go on\r\n")

    def _rcpt(self, rest: bytes) -> Reply:
        path = _PATH.fullmatch(rest)
        if self._sender is None:
            return Reply(b"503 5.5.1 MAIL first\r\n")
        if path is None or rest[:2].upper() != b"TO":
            return Reply(b"501 5.5.4 RCPT TO:<address>\r\n")
        if len(self._recipients) >= RECIPIENTS:
            return Reply(b"452 4.5.3 too many recipients\r\n")
        recipient = path[1].decode("utf-8", "replace")
        if not self._knows(recipient):
            return Reply(_ANSWERS["unknown"])
        self._recipients.append(recipient)
        return Reply(b"250 2.1.5 go on\r\n")

    def _begin_data(self) -> Reply:
        if not self._recipients:
            # RFC 2033 §4.2: with no recipient that is known there is nothing to send.
            return Reply(b"503 5.5.1 no recipients\r\n")
        self._in_data, self._too_large, self._searched = True, False, 0
        # A message without a line is a dot alone: the line end before it is the command's.
        self._buffer[:0] = b"\r\n"
        return Reply(b"354 end with a dot on a line of its own\r\n")

    def _data(self) -> Step:
        end = self._buffer.find(_END, max(0, self._searched - len(_END)))
        if end < 0:
            self._shed()
            self._searched = len(self._buffer)
            return None
        body = bytes(self._buffer[2 : end + 2])
        del self._buffer[: end + len(_END)]
        self._in_data = False
        if self._too_large or len(body) > self._size:
            replies = _TOO_LARGE * len(self._recipients)
            self._forget()
            return Reply(replies)
        undone = body[1:] if body.startswith(b".") else body
        undone = undone.replace(b"\r\n.", b"\r\n")
        return Message(self._sender or "", tuple(self._recipients), undone)

    def _shed(self) -> None:
        """Throw away what is too much already, but for what may be the beginning of the end."""
        if self._too_large or len(self._buffer) > self._size + len(_END):
            self._too_large = True
            del self._buffer[: -len(_END)]

    def _forget(self) -> None:
        self._sender = None
        self._recipients = []


async def listen(
    port: int,
    knows: Callable[[str], bool],
    take: Take,
    *,
    host: str = "127.0.0.1",
    size: int = SIZE,
    name: str = "localhost",
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Listen until cancelled; the status is the port (another one where `port` is 0). `knows` is
    asked about every recipient, `take` answers for each one of a message once it is durable.
    Raises Misconfigured on a host that is not loopback and on a port that cannot be had.
    """
    if not _is_loopback(host):
        raise errors.Misconfigured(f"lmtp: {host} can be reached from outside: use 127.0.0.1")
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise errors.Misconfigured(
            f"lmtp: cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    places = trio.CapacityLimiter(CONNECTIONS)
    talk = partial(_connected, knows=knows, take=take, size=size, name=name, places=places)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, talk, listeners)
        task_status.started(listeners[0].socket.getsockname()[1])


async def _connected(
    stream: trio.SocketStream,
    *,
    knows: Callable[[str], bool],
    take: Take,
    size: int,
    name: str,
    places: trio.CapacityLimiter,
) -> None:
    try:
        places.acquire_nowait()
    except trio.WouldBlock:
        await _refuse(stream)
        return
    try:
        await _converse(stream, Conversation(knows, size=size, name=name), take)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        log.info("lmtp_connection_lost")
    except trio.TooSlowError:
        log.info("lmtp_connection_silent")
    finally:
        places.release()


async def _refuse(stream: trio.SocketStream) -> None:
    with trio.move_on_after(PATIENCE):
        try:
            await stream.send_all(b"421 4.3.2 too many connections\r\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            log.info("lmtp_connection_lost")


async def _converse(stream: trio.SocketStream, talk: Conversation, take: Take) -> None:
    await _send(stream, talk.greeting())
    while True:
        match talk.next():
            case Reply() as reply:
                await _send(stream, reply)
                if reply.last:
                    return
            case Message() as message:
                await _send(stream, talk.answer(await _taken(message, take)))
            case None:
                with trio.fail_after(PATIENCE):
                    data = await stream.receive_some()
                if not data:
                    return
                talk.feed(data)


async def _send(stream: trio.SocketStream, reply: Reply) -> None:
    with trio.fail_after(PATIENCE):
        await stream.send_all(reply.data)


async def _taken(message: Message, take: Take) -> list[Answer]:
    later: list[Answer] = ["later"] * len(message.recipients)
    try:
        answers = await take(message)
    except Exception:
        # Not the mail server's fault: it keeps the message, and the operator learns of ours.
        log.exception("lmtp_message_not_taken", recipients=len(later))
        return later
    if len(answers) != len(later):
        log.error("lmtp_answers_missing", recipients=len(later), answers=len(answers))
        return later
    return answers


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
