"""A call: a conversation with the console of a running service, kept open (wire §4).

A connection that is lost while nothing is asked is dialled again with the next request. One that is
lost before an answer came is not: what was asked may have been done, and is not asked twice.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

import msgspec
import trio
import trio_websocket

from actors.asked import Plain
from actors.gateway import CONSOLE_PATH
from ecrm.errors import EcrmError

# A mail with all its parts, a long life: more than that is no answer.
LARGEST: Final = 32 * 1024 * 1024
CLOSE_WITHIN: Final = 1.0


class Unanswered(EcrmError):
    """The service did not answer."""


class Lost(Unanswered):
    """The connection ended before an answer came."""


class Call:
    """`nursery` holds the connection; who leaves it ends the call with `close`."""

    def __init__(self, nursery: trio.Nursery, host: str, port: int, key: str) -> None:
        self.url = f"ws://{host}:{port}{CONSOLE_PATH}"
        self._nursery = nursery
        self._key = key
        self._socket: trio_websocket.WebSocketConnection | None = None
        self._numbers = count(1)

    @property
    def is_up(self) -> bool:
        return self._socket is not None and self._socket.closed is None

    async def dial(self) -> None:
        """Connect, and say who asks. Raises `Unanswered`, in one line that says what to do."""
        await self.close()
        try:
            self._socket = socket = await trio_websocket.connect_websocket_url(
                self._nursery, self.url, max_message_size=LARGEST
            )
            await socket.send_message(_encode({"type": "hello", "key": self._key}))
            welcome = _decode(await socket.get_message())
        except (OSError, trio_websocket.HandshakeError):
            raise Unanswered(
                f"no service answers at {self.url}: start one with run.py serve, or name "
                "another --config"
            ) from None
        except trio_websocket.ConnectionClosed:
            raise Lost("the service closed the connection before it had answered") from None
        if welcome.get("type") != "welcome":
            await self.close()
            raise Unanswered(
                "the service does not take this operator key: give the one that the first "
                "start printed with --key or ECRM_OPERATOR_KEY"
            )

    async def ask(self, request: Plain) -> Plain:
        """Put a request, and return its result. Raises `Unanswered`, and `Lost`."""
        return _result(await self._hear(await self._say(request)))

    async def follow(
        self, request: Plain, show: Callable[[Plain], None], ending: trio.Event
    ) -> Plain:
        """Put a request that is answered by a stream, and `show` what comes until `ending` is set.
        Returns what the service says of it at the end.
        """
        number = await self._say(request)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end, number, ending)
            while "event" in (answer := await self._hear(number)):
                show(msgspec.convert(answer["event"], Plain))
            nursery.cancel_scope.cancel()
        return _result(answer)

    async def _end(self, number: int, ending: trio.Event) -> None:
        await ending.wait()
        await self._send({"id": number, "op": "cancel"})

    async def _say(self, request: Plain) -> int:
        if not self.is_up:
            await self.dial()
        number = next(self._numbers)
        await self._send({"id": number, **request})
        return number

    async def _send(self, frame: Plain) -> None:
        if self._socket is None:
            raise Lost
        try:
            await self._socket.send_message(_encode(frame))
        except trio_websocket.ConnectionClosed:
            raise Lost(_LOST) from None

    async def _hear(self, number: int) -> Plain:
        """The next answer to this request; what comes to one that was given up is passed over."""
        if self._socket is None:
            raise Lost
        try:
            while True:
                answer = _decode(await self._socket.get_message())
                if answer.get("id") in (number, None):
                    return answer
        except trio_websocket.ConnectionClosed:
            raise Lost(_LOST) from None

    async def close(self) -> None:
        """Say goodbye, for as long as that is worth."""
        if self._socket is not None:
            with trio.move_on_after(CLOSE_WITHIN):
                await self._socket.aclose()
        self._socket = None


_LOST: Final = "the service closed the connection before it had answered"


async def ask(host: str, port: int, key: str, request: Plain) -> Plain:
    """Put one request to the running service and return its result.

    Raises `Unanswered`, in one line that says what to do.
    """
    failed: Unanswered | None = None
    result: Plain = {}
    async with trio.open_nursery() as nursery:
        call = Call(nursery, host, port, key)
        try:
            result = await call.ask(request)
        except Unanswered as error:
            failed = error
        await call.close()
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return result


def _result(answer: Plain) -> Plain:
    if answer.get("ok"):
        return msgspec.convert(answer["result"], Plain)
    error = msgspec.convert(answer["error"], dict[str, str])
    raise Unanswered(error["reason"])


def _encode(value: Plain) -> str:
    return msgspec.json.encode(value).decode()


def _decode(frame: str | bytes) -> Plain:
    return msgspec.json.decode(frame, type=Plain)
