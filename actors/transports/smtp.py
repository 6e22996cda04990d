"""The SMTP transport: mails to one server (a smarthost), over a few connections that are kept.

- Nothing is said about who we are without encryption, unless that was asked for (`Tls`).
- A cancelled `send` still returns: what stood before its end was not sent, what was past it has its
  answer. The caller's next wait hears the cancellation.
- A server that is down is nobody's refusal: where no connection is to be had, it is not tried again
  for every mail, they all go back with what it said.
- A kept connection that turns out to be dead costs nothing: the mail takes a new one, as long as
  its end was not written.
"""

from __future__ import annotations

import ipaddress
import math
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal

import msgspec
import trio

from actors.transports.conversation import Conversation, Ended, Patience
from actors.transports.port import Handed, Letter, Verdict
from ecrm.delivery import smtp, verdict
from ecrm.delivery.smtp import Envelope, Refusal, Reply
from ecrm.delivery.verdict import Stage
from ecrm.errors import Misconfigured, Rejected
from ecrm.mail import Mail
from ecrm.moment import Duration

# `required`: STARTTLS or nothing. `implicit`: TLS from the first byte (port 465). `opportunistic`:
# STARTTLS where it is offered, and without credentials any certificate will do, since no encryption
# at all would. `none`: in the clear; credentials then go to a loopback address only.
Tls = Literal["required", "implicit", "opportunistic", "none"]
Dial = Callable[[str, int], Awaitable[trio.abc.Stream]]

PER_CONNECTION: Final = 100  # mails: where servers have a limit, it is hardly ever lower
IDLE: Final = 30.0
LIFE: Final = 300.0
# So long no further connection is tried after the server took some and refused one.
CROWDED: Final = 60.0

_STOPPED: Final = Refusal("", text="stopped before it was sent")
_MUTE: Final = Refusal("connect", text="it took the last mails without an answer")


class SmtpSettings(msgspec.Struct, frozen=True, gc=False):
    """The server, and how to speak to it.

    `helo`: the name to introduce oneself by; empty: the own address. `return_path`: where bounces
    go of a letter that does not say. `ca_file`: certificates to trust instead of the system's.
    `clear_credentials`: with `tls = "none"`, send the password to other machines as well.
    """

    host: str
    port: int = 587
    tls: Tls = "required"
    username: str = ""
    password: str = ""
    connections: int = 4
    helo: str = ""
    return_path: str = ""
    ca_file: str = ""
    clear_credentials: bool = False
    patience: Patience = Patience()

    def __repr__(self) -> str:
        """Without the password."""
        return f"SmtpSettings({self.host}:{self.port}, tls={self.tls}, username={self.username!r})"


@asynccontextmanager
async def open_smtp(
    settings: SmtpSettings, dial: Dial = trio.open_tcp_stream
) -> AsyncIterator[Smtp]:
    """Keep connections to that server while inside. Raises `Misconfigured`."""
    transport = Smtp(settings, dial)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.reap)
        try:
            yield transport
        finally:
            nursery.cancel_scope.cancel()
            await transport.close()


class Smtp:
    """Opened by `open_smtp`. One `send` takes one connection at a time."""

    name = "smtp"
    # What a crash leaves in the middle, against two commits for so many mails.
    lot = 16
    # SMTP knows no key by which a mail could be told from its repetition.
    repeatable = Duration(0)

    def __init__(self, settings: SmtpSettings, dial: Dial) -> None:
        self.settings = settings
        self.lines = settings.connections
        self._dial = dial
        self._context = _context_of(settings)
        self._room = trio.Semaphore(settings.connections)
        self._idle: list[Conversation] = []
        # Conversations that a `send` has or is about to have.
        self._engaged = 0
        self._freed = trio.Event()
        self._crowded_until = -math.inf

    async def send(self, letters: list[Letter]) -> list[Handed]:
        handed: dict[str, Handed] = {}
        missing = _STOPPED
        try:
            async with self._room:
                missing = await self._work(deque(letters), handed)
        except trio.Cancelled:
            # Not lost: the caller is cancelled still, and hears of it at its next wait. But it must
            # learn first what became of the letters, or those that went would go again.
            pass
        return [handed.get(letter.mail.mail_id) or _unsent(letter, missing) for letter in letters]

    async def took(self, mail: Mail) -> bool | None:  # noqa: ARG002 - a mail server is not asked
        """Nobody can tell: SMTP has no question for it."""
        await trio.lowlevel.checkpoint()
        return None

    async def reap(self) -> None:
        """Close what nobody has used for a while, for ever."""
        while True:
            while self._idle:
                await trio.sleep_until(min(map(_expiry, self._idle)))
                now = trio.current_time()
                expired = [one for one in self._idle if _expiry(one) <= now]
                self._idle = [one for one in self._idle if _expiry(one) > now]
                for conversation in expired:
                    await conversation.close()
            await self._freed.wait()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _work(self, waiting: deque[Letter], handed: dict[str, Handed]) -> Refusal:
        """Hand letters over, one after the other; what is to be said of those that are left.

        One mail may be what a server breaks on; after two in a row it is the server.
        """
        unanswered = 0
        while waiting and unanswered < 2:
            letter = waiting.popleft()
            try:
                handed[letter.mail.mail_id] = answer = await self._hand_over(letter)
            except Ended as ended:
                return ended.refusal
            unanswered = unanswered + 1 if _is_unanswered(answer) else 0
        return _MUTE

    async def _hand_over(self, letter: Letter) -> Handed:
        """Raises `Ended` where there is no connection to be had."""
        try:
            envelope, text = self._prepare(letter)
        except Rejected as error:
            stage: Stage = "message" if error.code == "bad_body" else "address"
            return _unsent(letter, Refusal(stage, text=str(error)))
        while True:
            conversation = await self._borrow()
            fresh = not conversation.used
            try:
                answer = await conversation.hand_over(envelope, text)
            finally:
                await self._give_back(conversation)
            if isinstance(answer, Reply):
                return _taken(letter, answer)
            if fresh or not _is_stale(answer):
                return _unsent(letter, answer)

    def _prepare(self, letter: Letter) -> tuple[Envelope, bytes]:
        """All that can be found wrong without a server. Raises `Rejected`."""
        sender = letter.sender or self.settings.return_path
        envelope = Envelope(
            smtp.envelope_address(sender) if sender else "",
            smtp.envelope_address(letter.mail.to),
            len(letter.body),
        )
        return envelope, smtp.wire_form(letter.body)

    async def _borrow(self) -> Conversation:
        """A kept conversation, or a new one; from a server that takes no more of them, one that
        another `send` gives back. Raises `Ended`.
        """
        while True:
            if self._idle:
                self._engaged += 1
                return self._idle.pop()
            if self._engaged and trio.current_time() < self._crowded_until:
                await self._freed.wait()
                continue
            self._engaged += 1
            try:
                return await self._open()
            except BaseException as error:
                self._free()
                if not isinstance(error, Ended) or not (self._engaged or self._idle):
                    raise
                self._crowded_until = trio.current_time() + CROWDED

    async def _give_back(self, conversation: Conversation) -> None:
        now = conversation.idle_since = trio.current_time()
        spent = conversation.used >= PER_CONNECTION or _expiry(conversation) <= now
        if conversation.sound and not spent:
            self._idle.append(conversation)
        else:
            await conversation.close()
        self._free()

    def _free(self) -> None:
        self._engaged -= 1
        self._freed.set()
        self._freed = trio.Event()

    async def _open(self) -> Conversation:
        """A conversation that can take mails. Raises `Ended`."""
        conversation = Conversation(await self._connect(), self.settings.patience)
        try:
            await self._introduce(conversation)
        except BaseException:
            await trio.aclose_forcefully(conversation.stream)
            raise
        return conversation

    async def _connect(self) -> trio.abc.Stream:
        with trio.move_on_after(self.settings.patience.connect):
            try:
                return await self._dial(self.settings.host, self.settings.port)
            except (OSError, UnicodeError) as error:
                raise Ended(Refusal("connect", text=str(error))) from error
        raise Ended(Refusal("connect", text="no answer in time"))

    async def _introduce(self, conversation: Conversation) -> None:
        """Say who we are, and to nobody who could not be told apart from an eavesdropper."""
        settings = self.settings
        encrypted = settings.tls == "implicit"
        name = settings.helo or _own_address(conversation.stream)
        in_clear = settings.tls == "none" and (
            settings.clear_credentials or _is_loopback(conversation.stream)
        )
        if encrypted:
            await conversation.encrypt(self._context, settings.host)
        await conversation.greet(name)
        if settings.tls in ("required", "opportunistic") and conversation.abilities.starttls:
            await conversation.start_tls(self._context, settings.host, name)
            encrypted = True
        if settings.tls == "required" and not encrypted:
            raise Ended(Refusal("starttls", 0, "5.7.4", "encryption is required, none is offered"))
        if settings.username:
            if not encrypted and not in_clear:
                raise Ended(Refusal("auth", 0, "5.7.11", "no password goes out in the clear"))
            await conversation.log_in(settings.username, settings.password)


def _expiry(conversation: Conversation) -> float:
    return min(conversation.idle_since + IDLE, conversation.opened + LIFE)


def _is_stale(refusal: Refusal) -> bool:
    """May a kept connection have ended before it was asked? Past the end nothing is repeated."""
    return refusal.code in (0, 421) and refusal.stage in ("mail", "rcpt", "data")


def _is_unanswered(handed: Handed) -> bool:
    return handed.code in (0, 421) and handed.stage in ("mail", "rcpt", "data", "dot")


def _taken(letter: Letter, reply: Reply) -> Handed:
    response = " ".join(f"{reply.code} {reply.enhanced} {reply.text}".split())
    mail_id, code, enhanced = letter.mail.mail_id, reply.code, reply.enhanced
    return Handed(mail_id, "accepted", response, stage="dot", code=code, enhanced=enhanced)


def _unsent(letter: Letter, refusal: Refusal) -> Handed:
    """By the table: only what is `dead` was refused; our own wrong password kills no mail."""
    stage, code, enhanced = refusal.stage, refusal.code, refusal.enhanced
    match verdict.decide(stage, code, enhanced, refusal.text, letter.mail.lane).action:
        case "in_doubt":
            means: Verdict = "in_doubt"
        case "dead":
            means = "refused"
        case _:
            means = "retry"
    mail_id = letter.mail.mail_id
    return Handed(mail_id, means, str(refusal), stage=stage, code=code, enhanced=enhanced)


def _context_of(settings: SmtpSettings) -> ssl.SSLContext:
    """How to encrypt. Raises `Misconfigured`, whatever it is in the settings that cannot work."""
    if settings.connections < 1:
        raise Misconfigured("smtp connections: there must be one connection or more")
    if not 0 < settings.port < 65_536:
        raise Misconfigured(f"smtp port: {settings.port} is no port")
    try:
        smtp.hello("EHLO", settings.helo or "localhost")
        if settings.tls in ("required", "implicit") or (
            settings.tls == "opportunistic" and settings.username
        ):
            return ssl.create_default_context(cafile=settings.ca_file or None)
    except Rejected as error:
        raise Misconfigured(f"smtp helo: {error}") from None
    except OSError as error:
        raise Misconfigured(f"smtp ca_file {settings.ca_file}: {error}") from None
    any_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    any_certificate.check_hostname = False
    any_certificate.verify_mode = ssl.CERT_NONE
    return any_certificate


def _own_address(stream: trio.abc.Stream) -> str:
    """An address literal (RFC 5321 §4.1.3), for a machine that was given no name."""
    if not isinstance(stream, trio.SocketStream):
        return "localhost"
    own = ipaddress.ip_address(str(stream.socket.getsockname()[0]).partition("%")[0])
    return f"[IPv6:{own}]" if own.version == 6 else f"[{own}]"


def _is_loopback(stream: trio.abc.Stream) -> bool:
    if not isinstance(stream, trio.SocketStream):
        return False
    peer = str(stream.socket.getpeername()[0]).partition("%")[0]
    return ipaddress.ip_address(peer).is_loopback
