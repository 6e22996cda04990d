"""A sender for Python back ends: events are told until they are acknowledged, whatever happens.

    async with sending(dialling("ws://127.0.0.1:8765/v1/events"), key) as sender:
        await sender.track("Order Paid", {...}, user_id="zoe")

Rules:

- What is taken from the caller is kept until the service has acknowledged it, or refused it for
  good (`refused` hears why). A lost connection is made again, and everything unanswered is told
  again with the same ids, so it is applied once.
- Memory is bounded: while `limit` messages wait for their answers, telling waits too.
- The caller is never told that something is done: `settled` waits for that.
- Leaving waits for the last answers, for a while; then `Unacknowledged` brings back what has none.
"""

from __future__ import annotations

import random
import ssl
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog
import trio
import trio_websocket
from trio_websocket import WebSocketConnection

from actors.client import BATCH, FRAMING, Answer, Client, Message, Refusal, Unwelcome, greet
from ecrm.errors import EcrmError

log = structlog.get_logger()

# Messages without an answer; the service's own window is as wide.
LIMIT: Final = 1_024
# Seconds: to connect and be welcomed, for an answer to something told, and at the end for all.
WELCOME_WITHIN: Final = 10.0
ANSWER_WITHIN: Final = 30.0
CLOSE_WITHIN: Final = 30.0
# Seconds to the second attempt, and at most between two.
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 30.0

# Why it is no use to connect again; "" where what is there is no service of ours. For any other
# reason (goodbye, too many connections) there is.
FINAL: Final = frozenset(("", "unauthorized", "forbidden", "invalid_frame", "too_large"))

Dial = Callable[[], AbstractAsyncContextManager[WebSocketConnection]]

# How a connection ends that is to be made again.
GONE: Final = (
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    trio_websocket.ConnectionClosed,
    trio_websocket.HandshakeError,
)


class Unacknowledged(EcrmError):
    """The service did not acknowledge everything in time. `messages` are to be told again, as they
    are: some of them may have arrived.
    """

    def __init__(self, messages: list[Message]) -> None:
        super().__init__(f"{len(messages)} messages were not acknowledged in time")
        self.messages = messages


def dialling(url: str) -> Dial:
    """Connections to a `ws://` or `wss://` address."""
    at = urlsplit(url)
    secure = at.scheme == "wss"
    host, port = at.hostname or "", at.port or (443 if secure else 80)

    @asynccontextmanager
    async def dial() -> AsyncIterator[WebSocketConnection]:
        # Our own stream: trio-websocket leaves its socket open where the other side dies.
        tcp = await trio.open_tcp_stream(host, port)
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = tcp
        if secure:
            stream = trio.SSLStream(tcp, ssl.create_default_context(), server_hostname=host)
        try:
            async with trio.open_nursery() as nursery:
                yield await trio_websocket.wrap_client_stream(nursery, stream, host, at.path)
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)

    return dial


@asynccontextmanager
async def sending(
    dial: Dial,
    key: str,
    *,
    limit: int = LIMIT,
    close_within: float = CLOSE_WITHIN,
    refused: Callable[[Refusal], None] | None = None,
    jitter: Callable[[], float] = random.random,
) -> AsyncIterator[Sender]:
    """A sender that works until the block is left, and for as long as the last answers take.

    Leaving raises `Unacknowledged` where not everything was answered within `close_within` seconds;
    where an error leaves the block, that is logged instead. `jitter` gives numbers from 0 to 1, so
    that many senders do not come back in the same moment.
    """
    sender = Sender(dial, key, limit, refused or _log_refusal, jitter)
    left: list[Message] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run)
        try:
            yield sender
        except BaseException:
            left = await sender.close(close_within)
            if left:
                log.error("messages_unacknowledged", ids=[str(one["messageId"]) for one in left])
            raise
        left = await sender.close(close_within)
    if left:
        raise Unacknowledged(left) from sender.failed


def _log_refusal(refusal: Refusal) -> None:
    log.warning(
        "message_refused",
        id=refusal.message_id,
        code=refusal.code,
        path=refusal.path,
        reason=refusal.reason,
    )


class Sender:
    """What waits to be acknowledged, and the task (`run`) that sees to it."""

    def __init__(
        self,
        dial: Dial,
        key: str,
        limit: int,
        refused: Callable[[Refusal], None],
        jitter: Callable[[], float],
    ) -> None:
        self.failed: Unwelcome | None = None
        self._dial = dial
        self._key = key
        self._refused = refused
        self._jitter = jitter
        self._room = trio.Semaphore(limit)
        self._waiting: dict[str, msgspec.Raw] = {}
        self._untold: deque[str] = deque()
        self._failures = 0
        self._closed = False
        self._changed = trio.Event()
        # Cancelling whoever tells must not cut off what was told: only `close` ends it.
        self._work = trio.CancelScope(shield=True)

    @property
    def waiting(self) -> int:
        """How many messages have no answer yet."""
        return len(self._waiting)

    # For the caller.

    async def track(
        self, event: str, properties: Message | None = None, *, user_id: str, **more: object
    ) -> str:
        """Tell an event of somebody; `more` are fields of the message as the wire names them."""
        said = {"type": "track", "event": event, "properties": properties or {}}
        return await self.tell({**said, "userId": user_id, **more})

    async def identify(self, user_id: str, traits: Message | None = None, **more: object) -> str:
        """Say what is known of somebody."""
        return await self.tell(
            {"type": "identify", "userId": user_id, "traits": traits or {}, **more}
        )

    async def alias(self, previous_id: str, user_id: str, **more: object) -> str:
        """Say that two ids are one person."""
        return await self.tell(
            {"type": "alias", "previousId": previous_id, "userId": user_id, **more}
        )

    async def tell(self, message: Message) -> str:
        """Take a message of any kind, and return its id; waits while too many have no answer.

        A message that has no id or no timestamp is given them now. Raises `Unwelcome` where the
        service does not let this key in, trio.ClosedResourceError after `close`, TypeError where
        the message has a value that cannot be written.
        """
        message_id = str(message.get("messageId") or uuid.uuid4())
        dated = {"timestamp": _now(), **message, "messageId": message_id}
        written = msgspec.Raw(_encode(dated))
        self._check()
        await self._room.acquire()
        if self._closed or self.failed or message_id in self._waiting:
            self._room.release()
            self._check()
            return message_id
        self._waiting[message_id] = written
        self._untold.append(message_id)
        self._wake()
        return message_id

    async def settled(self) -> None:
        """Back when everything told so far has its answer. Raises `Unwelcome`."""
        while self._waiting and self.failed is None:
            await self._changed.wait()
        if self.failed is not None:
            raise self.failed

    async def close(self, within: float = CLOSE_WITHIN) -> list[Message]:
        """Take nothing more, wait so many seconds for the last answers, and end. Gives back what
        has none, to be told again as it is; some of it may have arrived.
        """
        self._closed = True
        self._let_in()
        with trio.move_on_after(within, shield=True):
            while self._waiting and self.failed is None:
                await self._changed.wait()
        self._work.cancel()
        left = [msgspec.msgpack.decode(written) for written in self._waiting.values()]
        self._waiting.clear()
        return left

    def _check(self) -> None:
        if self.failed is not None:
            raise self.failed
        if self._closed:
            raise trio.ClosedResourceError("this sender was closed")

    # The work.

    async def run(self) -> None:
        """Connect, tell and hear, again and again. Ends when the service does not want this key,
        or by `close`.
        """
        with self._work:
            while self.failed is None:
                await self._connect()
                if self.failed is None:
                    await trio.sleep(self._pause())

    async def _connect(self) -> None:
        try:
            with trio.CancelScope() as starting:
                starting.deadline = trio.current_time() + WELCOME_WITHIN
                async with self._dial() as websocket:
                    client = await greet(websocket, self._key)
                    starting.deadline = float("inf")
                    self._untold = deque(self._waiting)
                    await _Conversation(self, client).run()
        except* GONE as errors:
            log.warning("connection_lost", errors=[repr(error) for error in errors.exceptions])
        except* Unwelcome as errors:
            self._unwelcome(_first(errors))
        self._failures += 1

    def _unwelcome(self, error: Unwelcome) -> None:
        if error.code not in FINAL:
            return
        self.failed = error
        self._let_in()
        self._wake()

    def _pause(self) -> float:
        """Twice as long each time, between half of it and all of it."""
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 16))
        return longest * (1 + self._jitter()) / 2

    def _let_in(self) -> None:
        """Let those go on who wait for room, to hear that there is none any more."""
        for _ in range(self._room.statistics().tasks_waiting):
            self._room.release()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # For the conversation.

    async def something(self) -> None:
        """Back when something has changed."""
        await self._changed.wait()

    def take(self, count: int, room: int) -> dict[str, msgspec.Raw]:
        """What is to be told next: so many messages, so many bytes. What would never fit is
        refused.
        """
        batch: dict[str, msgspec.Raw] = {}
        left = room
        while self._untold and len(batch) < count:
            message_id = self._untold[0]
            written = self._waiting.get(message_id)
            size = 0 if written is None else len(memoryview(written))
            if size > room:
                self.refuse(Refusal(message_id, "too_large", f"{size} bytes; a frame has {room}"))
            elif size > left:
                break
            elif written is not None:
                batch[message_id] = written
                left -= size
            self._untold.popleft()
        return batch

    def again(self, ids: Iterable[str]) -> None:
        """These have no answer after all."""
        self._untold.extend(one for one in ids if one in self._waiting)
        self._wake()

    def done(self, ids: Iterable[str]) -> None:
        """These were acknowledged."""
        self._failures = 0
        for message_id in ids:
            if self._waiting.pop(message_id, None) is not None:
                self._room.release()
        self._wake()

    def refuse(self, refusal: Refusal) -> None:
        """One is refused for good."""
        if refusal.message_id in self._waiting:
            self._refused(refusal)
        self.done([refusal.message_id])


class _Conversation:
    """A sender on one connection: what was told on it, and what is heard."""

    def __init__(self, sender: Sender, client: Client) -> None:
        self._sender = sender
        self._client = client
        self._told: set[str] = set()
        # Since when the service owes an answer.
        self._owed_since = trio.current_time()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell)
            await self._hear(nursery)

    async def _tell(self) -> None:
        room = self._client.frame_bytes - FRAMING
        while True:
            count = min(BATCH, self._client.window - len(self._told))
            batch = self._sender.take(count, room)
            if not batch:
                await self._sender.something()
                continue
            if not self._told:
                self._owed_since = trio.current_time()
            self._told.update(batch)
            await self._client.tell(list(batch.values()), sentAt=_now())

    async def _hear(self, nursery: trio.Nursery) -> None:
        while True:
            with trio.move_on_after(ANSWER_WITHIN) as silence:
                self._heard(await self._client.hear(), nursery)
            waited = trio.current_time() - self._owed_since
            if silence.cancelled_caught and self._told and waited >= ANSWER_WITHIN:
                raise trio.TooSlowError(f"no answer within {ANSWER_WITHIN:.0f} s")

    def _heard(self, answer: Answer, nursery: trio.Nursery) -> None:
        self._owed_since = trio.current_time()
        self._told.difference_update((*answer.ids, answer.id))
        match answer.type:
            case "ack":
                self._sender.done(answer.ids)
            case "reject":
                self._sender.refuse(Refusal(answer.id, answer.code, answer.reason, answer.path))
            case "busy" | "unknown":
                nursery.start_soon(self._later, answer.retryAfterMs / 1_000, answer.ids)
            case "error":
                raise Unwelcome(answer.reason, answer.code)
            case _:
                pass  # A notice: this client did not ask for any.

    async def _later(self, after: float, ids: tuple[str, ...]) -> None:
        await trio.sleep(after)
        self._sender.again(ids)


def _first(errors: BaseExceptionGroup[Unwelcome]) -> Unwelcome:
    """The error in a group, however deep: nurseries wrap it once each."""
    inner = errors.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


_encode = msgspec.msgpack.Encoder().encode
