"""A line: one websocket on its way through the door, whatever is said on it then.

It knows where it comes from and what it counts for, is asked now and then whether anybody is still
there, and ends where its key is revoked. Rules:

- Nothing is kept of what somebody without a key sends beyond `HELLO_BYTES`.
- Strangers and browsers are heard in turn (`actors/turnstile.py`); whoever has a key that is secret
  is heard at once.
- A line on which nothing was heard for long is pinged; who does not answer is gone: a connection
  that is half open dies.
- A line has no task of its own while nothing happens on it: thousands of pages stay open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio
import trio_websocket

from actors.door import Door
from actors.limits import Visit
from actors.turnstile import Turnstile
from proto import session

# A hello is a hundred bytes and the request before it a thousand; a client may send its first
# batch without waiting for the welcome.
HELLO_BYTES: Final = 65_536
# A request and a hello are longer. Who sends them in crumbs is heard less and less often: each time
# twice as many seconds later as the time before.
CRUMB: Final = 32
CRUMB_WAIT: Final = 0.1
PONG_WITHIN: Final = 10.0
CLOSE_WITHIN: Final = 5.0
PASSED_OVER: Final = 1024 * 1024


class Ear(trio.abc.Stream):
    """A stream that knows when something was last heard, and of strangers hears only so much.

    What is heard goes through the `turnstile`, unless that is None.
    """

    __slots__ = ("_crumbs", "_stream", "heard_at", "room", "turnstile")

    def __init__(self, stream: trio.abc.Stream, turnstile: Turnstile) -> None:
        self._stream = stream
        self.heard_at = trio.current_time()
        self.room: int | None = HELLO_BYTES
        self.turnstile: Turnstile | None = turnstile
        self._crumbs = 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self.heard_at = trio.current_time()
        if self.room is not None and 0 < len(data) < CRUMB:
            await trio.sleep(CRUMB_WAIT * 2**self._crumbs)
            self._crumbs += 1
        elif self.turnstile is not None:
            await self.turnstile.through()
        if self.room is not None:
            self.room -= len(data)
            if self.room < 0:
                raise trio.BrokenResourceError("too much before a hello")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


def peer_of(stream: trio.abc.Stream) -> str:
    """The address at the other end; "" where the stream is no socket, or it has gone already."""
    if not isinstance(stream, trio.SocketStream):
        return ""
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:
        return ""


class Line:
    """`nursery` is the line's own: it ends with it."""

    __slots__ = (
        "_door", "_origin", "_out", "_pinging", "_speaking", "ear", "grant", "nursery", "pause",
        "visit", "websocket",
    )  # fmt: skip

    def __init__(
        self,
        door: Door,
        visit: Visit,
        nursery: trio.Nursery,
        ear: Ear,
        websocket: trio_websocket.WebSocketConnection,
        origin: str | None,
    ) -> None:
        self.visit = visit
        self.nursery = nursery
        self.ear = ear
        self.websocket = websocket
        self.grant: session.Grant | None = None
        # Seconds for which nothing more is wanted from here.
        self.pause = 0.0
        self._door = door
        self._origin = origin
        self._pinging = self._speaking = self._out = False

    def admit(self, key: str) -> session.Grant | session.Turned | None:
        """Who this key is; from here on the line counts as that key's."""
        found = self._door.admit(key, self._origin, self.visit.address)
        if not isinstance(found, session.Grant):
            return found
        if not self._door.limits.welcome(self.visit, found):
            reason = "too many connections with this key or from this address: close some"
            return session.Turned(reason, "limited")
        self.grant = found
        self.ear.room = None
        self.ear.turnstile = self._door.browsers if found.kind == "publishable" else None
        return found

    def allow(self, count: int) -> int:
        """Milliseconds to wait before so many messages may come in; 0 where they may now."""
        assert self.grant is not None, "nothing is said before a hello"
        wait = self._door.limits.allow(self.grant, self.visit.address, count)
        self.pause = wait / 1_000
        return wait

    def proves(self, user_id: str, user_hash: str) -> bool:
        """Whether this proof is good (`proto/identity.py`)."""
        return self._door.keyring.proves(user_id, user_hash)

    def ask(self, silent_for: float, now: float) -> None:
        """Ping, if nothing was heard for so many seconds."""
        if now - self.ear.heard_at >= silent_for and not self._pinging:
            self._pinging = True
            self.nursery.start_soon(self._ping)

    async def _ping(self) -> None:
        with trio.move_on_after(PONG_WITHIN) as waiting:
            await self.websocket.ping(b"there?")
        if waiting.cancelled_caught:
            # It is not asked again while it ends.
            self.nursery.cancel_scope.cancel()
        else:
            self._pinging = False

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """While inside, what was asked is being answered: the line is not put out before."""
        self._speaking = True
        try:
            yield
        finally:
            self._speaking = False
            if self._out:
                self.put_out()

    def put_out(self) -> None:
        """The key was revoked."""
        self._out = True
        if not self._speaking:
            self.close_by(CLOSE_WITHIN)
            self.nursery.start_soon(self.websocket.aclose, 4401, "this key was revoked")

    async def hear_out(self) -> None:
        """Pass over the rest of what is too large, a part of it: a socket that is closed with
        something unread takes back what was said last, which is why it is closed.
        """
        passed = 0
        with trio.move_on_after(1.0):
            while passed < PASSED_OVER:
                try:
                    data = await self.ear.receive_some(65_536)
                except trio.BusyResourceError:
                    # The library hears a last piece itself.
                    await trio.sleep(0.01)
                    continue
                if not data:
                    return
                passed += len(data)

    def close_by(self, seconds: float) -> None:
        """Whatever is still going on here then is cut off."""
        scope = self.nursery.cancel_scope
        scope.deadline = min(scope.deadline, trio.current_time() + seconds)
