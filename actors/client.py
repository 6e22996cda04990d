"""One conversation with the service: tells events and waits until they are durable (wire §1).

    async with connect("ws://127.0.0.1:8765/v1/events", key) as client:
        refused = await client.send(messages)

`send` returns when every message was acknowledged or refused for good. What the service is too busy
for is sent again after the time it asks; what it does not know the outcome of is sent again at
once, with the same id, so it is applied once. It keeps within the window and the frames the service
allows. It does not connect again: `actors/sender.py` does, for back ends that live long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import trio
import trio_websocket

from ecrm.errors import EcrmError

Message = dict[str, object]

# Written messages by their ids.
Batch = dict[str, msgspec.Raw]

BATCH: Final = 500
# What a batch needs beside its messages.
FRAMING: Final = 64


class Unwelcome(EcrmError):
    """The service did not let this client in. `code` is the wire's: `goodbye` where it stops."""

    def __init__(self, message: str = "", code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Refusal(msgspec.Struct, frozen=True):
    """A message that will never be accepted as it is."""

    message_id: str
    code: str
    reason: str
    path: str = ""


class Answer(msgspec.Struct, frozen=True):
    """Any frame of the service; each type fills its own fields."""

    type: str
    ids: tuple[str, ...] = ()
    id: str = ""
    code: str = ""
    reason: str = ""
    path: str = ""
    retryAfterMs: int = 0  # noqa: N815 - the wire's own name
    window: int = 0
    maxFrameBytes: int = 262_144  # noqa: N815 - the wire's own name


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Answer).decode


class Client:
    """One conversation. One `send` at a time."""

    def __init__(
        self, websocket: trio_websocket.WebSocketConnection, window: int, frame_bytes: int
    ) -> None:
        self._websocket = websocket
        self.window = window
        self.frame_bytes = frame_bytes

    async def send(self, messages: list[Message]) -> list[Refusal]:
        """Tell all of these; return those that were refused.

        Raises `trio_websocket.ConnectionClosed` when the service goes away before it has answered:
        send the same messages again on a new connection.
        """
        refused: list[Refusal] = []
        for batch in self._batches(messages):
            refused += await self._send(batch)
        return refused

    def _batches(self, messages: list[Message]) -> Iterator[Batch]:
        """As many messages at once as the service takes, written."""
        batch: Batch = {}
        room = self.frame_bytes - FRAMING
        for message in messages:
            written = _encode(message)
            if len(batch) == min(BATCH, self.window) or len(written) > room:
                if batch:
                    yield batch
                batch, room = {}, self.frame_bytes - FRAMING
            batch.setdefault(str(message["messageId"]), msgspec.Raw(written))
            room -= len(written)
        if batch:
            yield batch

    async def _send(self, batch: Batch) -> list[Refusal]:
        refused: list[Refusal] = []
        waiting = dict(batch)
        await self.tell(list(batch.values()))
        while waiting:
            answer = await self.hear()
            match answer.type:
                case "ack":
                    for message_id in answer.ids:
                        waiting.pop(message_id, None)
                case "reject":
                    waiting.pop(answer.id, None)
                    refused.append(Refusal(answer.id, answer.code, answer.reason, answer.path))
                case "busy" | "unknown":
                    await trio.sleep(answer.retryAfterMs / 1_000)
                    await self.tell([waiting[i] for i in answer.ids if i in waiting])
                case "error":
                    raise Unwelcome(answer.reason, answer.code)
                case _:
                    pass  # A notice: this client did not ask for any, and misses none.
        return refused

    async def tell(self, messages: list[msgspec.Raw], **more: object) -> None:
        """Write one batch; `more` goes beside it. Nobody is waited for."""
        await self._websocket.send_message(_encode({"type": "batch", "batch": messages, **more}))

    async def hear(self) -> Answer:
        """The next answer. May be cancelled: what comes meanwhile is there the next time."""
        return _decode(_binary(await self._websocket.get_message()))


def _binary(frame: str | bytes) -> bytes:
    """An answer comes in the kind of the question, and this client asks in MessagePack."""
    if isinstance(frame, str):
        raise Unwelcome(f"the service answered in text: {frame[:200]}")
    return frame


def _hello(key: str) -> bytes:
    return _encode({"type": "hello", "key": key, "client": "ecrm-trio/1"})


@asynccontextmanager
async def connect(url: str, key: str) -> AsyncIterator[Client]:
    """Connect and say hello. Raises `Unwelcome` where the key is not taken."""
    async with trio_websocket.open_websocket_url(url) as websocket:
        yield await greet(websocket, key)


async def greet(websocket: trio_websocket.WebSocketConnection, key: str) -> Client:
    """Say hello on a websocket that is there."""
    await websocket.send_message(_hello(key))
    answer = _decode(_binary(await websocket.get_message()))
    if answer.type != "welcome":
        raise Unwelcome(answer.reason, answer.code)
    return Client(websocket, answer.window, answer.maxFrameBytes)
