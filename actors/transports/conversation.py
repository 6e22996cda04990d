"""One conversation with a mail server, on a stream: what `ecrm.delivery.smtp` says, said and heard.

- Every wait has its limit (`Patience`), and ends in a reply or in `Ended`, which tells the stage.
- Until the end of a text is written, a mail can be called back; from there on it cannot: the reply
  is waited for, whoever has lost patience, and its absence is a refusal at `dot` without a code.
- After anything but an orderly answer a conversation is not `sound`, and takes no other mail.
"""

from __future__ import annotations

import ssl
from collections import deque
from typing import Final

import msgspec
import trio

from ecrm.delivery import smtp
from ecrm.delivery.smtp import Abilities, Envelope, Refusal, Reply, refused
from ecrm.delivery.verdict import Stage
from ecrm.errors import Undelivered

BLOCK: Final = 65_536
# How long a server that hung up is listened to for its reason, and how long a goodbye may take.
LAST_WORDS: Final = 1.0


class Patience(msgspec.Struct, frozen=True, gc=False):
    """How many seconds each stage may take (RFC 5321 §4.5.3.2). `greeting` is for every answer up
    to the first mail, `block` for each 64 KiB of a text, `dot` for the answer to its end.
    """

    connect: float = 30.0
    greeting: float = 60.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    dot: float = 600.0

    def of(self, stage: Stage) -> float:
        limits = {"mail": self.mail, "rcpt": self.rcpt, "data": self.data, "dot": self.dot}
        return limits.get(stage, self.greeting)


class Ended(Undelivered):
    """The conversation ended here."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal), retry=True)
        self.refusal = refusal


class Conversation:
    """`used` counts the mails it was asked to take."""

    def __init__(self, stream: trio.abc.Stream, patience: Patience) -> None:
        self.stream = stream
        self.abilities = Abilities()
        self.used = 0
        self.opened = self.idle_since = trio.current_time()
        self._patience = patience
        self._replies = smtp.Replies()
        self._unread: deque[Reply] = deque()
        self._orderly = True

    @property
    def sound(self) -> bool:
        """Can it take another mail? A server that said more than it was asked cannot be trusted to
        answer the next question.
        """
        return self._orderly and not self._stray

    @property
    def _stray(self) -> bool:
        return bool(self._unread) or self._replies.pending

    async def greet(self, name: str) -> None:
        """Hear who it is, and say EHLO, or HELO to a server that does not know it."""
        _expect(await self._hear("banner"), 2, "banner")
        await self._hello(name)

    async def start_tls(self, context: ssl.SSLContext, host: str, name: str) -> None:
        """Encrypt from here on, and forget what was offered before (RFC 3207 §4.2)."""
        _expect(await self._ask(smtp.STARTTLS, "starttls"), 2, "starttls")
        if self._stray:
            # Somebody on the way wants this to be read as if it had come encrypted.
            raise Ended(Refusal("starttls", 0, "5.7.0", "more than an answer before encryption"))
        await self.encrypt(context, host)
        await self._hello(name)

    async def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        self.stream = wrapped = trio.SSLStream(
            self.stream, context, server_hostname=host, https_compatible=True
        )
        with trio.move_on_after(self._patience.greeting):
            try:
                await wrapped.do_handshake()
            except trio.BrokenResourceError as error:
                reason = str(error.__cause__ or "the connection was closed")
                raise Ended(Refusal("tls", text=reason)) from error
            return
        raise Ended(Refusal("tls", text="no handshake in time"))

    async def log_in(self, username: str, password: str) -> None:
        """The caller sees to it that nobody else can read this."""
        steps = smtp.auth_steps(self.abilities.auth, username, password)
        if not steps:
            raise Ended(Refusal("auth", 0, "5.7.4", "it offers neither AUTH PLAIN nor AUTH LOGIN"))
        for step in steps[:-1]:
            _expect(await self._ask(step, "auth"), 3, "auth")
        _expect(await self._ask(steps[-1], "auth"), 2, "auth")

    async def hand_over(self, envelope: Envelope, text: bytes) -> Reply | Refusal:
        """Hand over one mail, its text in `smtp.wire_form`: the reply that takes it, or why not."""
        self._orderly = False
        self.used += 1
        transaction = smtp.Transaction(envelope, self.abilities)
        try:
            await self._transact(transaction)
            if transaction.refusal is None:
                return await self._finish(text)
            await self._recover(transaction)
        except Ended as ended:
            # What was refused before it ended is refused.
            return transaction.refusal or ended.refusal
        return transaction.refusal

    async def close(self) -> None:
        """Say goodbye where there is somebody to hear it; the answer is of no use."""
        with trio.move_on_after(LAST_WORDS, shield=True):
            if self.sound:
                try:
                    await self.stream.send_all(smtp.QUIT)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self._orderly = False  # it left first
            await trio.aclose_forcefully(self.stream)

    async def _transact(self, transaction: smtp.Transaction) -> None:
        while stage := transaction.stage:
            if command := transaction.says():
                await self._say(command, stage)
            transaction.hears(await self._hear(stage))

    async def _recover(self, transaction: smtp.Transaction) -> None:
        """Make it ready for another mail after a refusal. Raises `Ended` where it cannot be."""
        self._orderly = not transaction.begun
        if transaction.unwanted:
            await self._ask(smtp.LONE_DOT, "data")
        if transaction.begun and transaction.sound and not self._stray:
            _expect(await self._ask(smtp.RSET, "data"), 2, "data")
            self._orderly = True

    async def _finish(self, text: bytes) -> Reply | Refusal:
        """Write the text, and wait for the answer to its end: from there nothing is called back.

        Where the last block could not be written whole, neither was the end: it was not sent.
        """
        last = (len(text) - 1) // BLOCK * BLOCK
        for start in range(0, last, BLOCK):
            await self._say(text[start : start + BLOCK], "data", self._patience.block)
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.CancelScope(shield=True):
            await self._say(text[last:], "data", self._patience.block)
            reply = await self._hear("dot")
        self._orderly = reply.kind != 3 and reply.code != 421
        return reply if reply.kind == 2 else refused("dot", reply)

    async def _hello(self, name: str) -> None:
        reply = await self._ask(smtp.hello("EHLO", name), "ehlo")
        self.abilities = smtp.abilities_of(reply)
        if reply.kind == 5:
            reply = await self._ask(smtp.hello("HELO", name), "ehlo")
            self.abilities = Abilities()
        _expect(reply, 2, "ehlo")

    async def _ask(self, command: bytes, stage: Stage) -> Reply:
        await self._say(command, stage)
        return await self._hear(stage)

    async def _hear(self, stage: Stage, limit: float | None = None) -> Reply:
        """The next reply. Raises `Ended` on silence, a closed connection, or what is no reply."""
        with trio.move_on_after(self._patience.of(stage) if limit is None else limit):
            while not self._unread:
                data = await self._receive()
                self._unread.extend(self._replies.feed(data))
                fault = self._replies.fault or ("" if data else "the connection was closed")
                if fault and not self._unread:
                    raise Ended(Refusal(stage, text=fault))
            return self._unread.popleft()
        raise Ended(Refusal(stage, text="no answer in time"))

    async def _receive(self) -> bytes:
        try:
            return bytes(await self.stream.receive_some())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _say(self, data: bytes, stage: Stage, limit: float | None = None) -> None:
        """Raises `Ended`: what was to be said has not all left."""
        with trio.move_on_after(self._patience.greeting if limit is None else limit):
            try:
                await self.stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                # A server that has had enough often says why before it hangs up.
                last = await self._hear(stage, LAST_WORDS)
                raise Ended(refused(stage, last)) from None
            return
        raise Ended(Refusal(stage, text="it stopped listening"))


def _expect(reply: Reply, kind: int, stage: Stage) -> None:
    if reply.kind != kind:
        raise Ended(refused(stage, reply))
