"""The gateway: moves bytes between websockets and the conversation of `proto/session.py`.

Rules, from what was measured of trio-websocket (style §4.6):

- whatever a connection's handler raises ends that connection and no other;
- the reader never waits for the turn loop: what the intake does not take is answered `busy`, so
  pings are answered while the service is;
- one writer per connection, which gathers the answers that came meanwhile into few frames; who
  does not read what it is told is closed with 1013, and cut off where it does not even read that;
- at a stop everybody is told goodbye (1001) before the intake drains.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

import structlog
import trio
import trio_websocket

from actors.clock import Clock
from actors.intake import Answer
from actors.system import System
from ecrm.errors import Busy
from proto import envelope, notices, session

log = structlog.get_logger()

HELLO_WITHIN: Final = 10.0
CLOSE_WITHIN: Final = 5.0
# The wire's own limit is answered in words; beyond this nobody is worth the memory.
HARD_LIMIT: Final = 4 * 1024 * 1024
FRAMES_WAITING: Final = 4_096

EVENTS_PATH: Final = "/v1/events"
CONSOLE_PATH: Final = "/v1/console"

Converse = Callable[[trio_websocket.WebSocketConnection], Awaitable[None]]


class Gateway:
    def __init__(
        self,
        system: System,
        clock: Clock,
        authenticate: Callable[[str], session.Grant | None],
        console: Converse,
    ) -> None:
        self.connections: set[Connection] = set()
        self.served = 0
        self._system = system
        self._clock = clock
        self._authenticate = authenticate
        self._paths: dict[str, Converse] = {EVENTS_PATH: self._events, CONSOLE_PATH: console}
        self._numbers = count(1)
        system.listeners.append(self._notice)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Hold one conversation on a stream, TCP or memory. What goes wrong in it stays in it."""
        try:
            async with trio.open_nursery() as nursery:
                await self._serve(nursery, stream)
                nursery.cancel_scope.cancel()
        except* (trio_websocket.HandshakeError, trio_websocket.ConnectionClosed):
            pass  # Gone, or no websocket: nothing to tell anybody.
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The same, seen from the socket.
        except* Exception as errors:  # noqa: BLE001 - one connection's fault is no other's business
            log.error("connection_failed", errors=[repr(error) for error in errors.exceptions])
        finally:
            with trio.move_on_after(CLOSE_WITHIN, shield=True):
                await trio.aclose_forcefully(stream)

    async def _serve(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> None:
        with trio.fail_after(HELLO_WITHIN):
            request = await trio_websocket.wrap_server_stream(
                nursery, stream, max_message_size=HARD_LIMIT
            )
            converse = self._paths.get(request.path.partition("?")[0])
            if converse is None:
                body = f"there is only {EVENTS_PATH} and {CONSOLE_PATH}\n".encode()
                await request.reject(404, body=body)
                return
            websocket = await request.accept()
        await converse(websocket)

    async def _events(self, websocket: trio_websocket.WebSocketConnection) -> None:
        name = f"s{next(self._numbers)}"
        talk = session.Session(self._authenticate, session_id=name)
        connection = Connection(websocket, talk, self._system, self._clock)
        self.connections.add(connection)
        self.served += 1
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)

    def _notice(self, notice: notices.Notice) -> None:
        for connection in self.connections:
            connection.notify(notice)

    def stop(self) -> None:
        """Tell everybody goodbye."""
        for connection in tuple(self.connections):
            connection.perform(connection.talk.stopping())


class Connection:
    """One shop on one socket: reads, hands on, and writes what comes back."""

    def __init__(
        self,
        websocket: trio_websocket.WebSocketConnection,
        talk: session.Session,
        system: System,
        clock: Clock,
    ) -> None:
        self.talk = talk
        self._websocket = websocket
        self._system = system
        self._clock = clock
        self._frames: deque[str | bytes] = deque()
        self._acked: list[str] = []
        self._closing: session.Close | None = None
        self._something = trio.Event()
        self._written = trio.Event()
        self._ending = trio.Event()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read)
            nursery.start_soon(self._cut_off, nursery.cancel_scope)
            await self._write()
            nursery.cancel_scope.cancel()

    async def _cut_off(self, everything: trio.CancelScope) -> None:
        """Who does not take the close either is not waited for."""
        await self._ending.wait()
        await trio.sleep(CLOSE_WITHIN)
        everything.cancel()

    async def _read(self) -> None:
        with trio.move_on_after(HELLO_WITHIN) as waiting:
            await self._hear()
        if waiting.cancelled_caught:
            self.perform(self.talk.hello_timed_out())
        while self._closing is None:
            await self._hear()
            await self._caught_up()

    async def _hear(self) -> None:
        frame = await self._websocket.get_message()
        self.perform(self.talk.receive(frame, self._clock.now()))

    async def _caught_up(self) -> None:
        """Hear no more of whoever does not read the answers, and end it where that lasts."""
        with trio.move_on_after(CLOSE_WITHIN) as waiting:
            while len(self._frames) > FRAMES_WAITING:
                self._written = trio.Event()
                await self._written.wait()
        if waiting.cancelled_caught:
            self._end(session.Close(1013, "you do not read the answers: connect again"))

    def perform(self, actions: list[session.Action]) -> None:
        for action in actions:
            match action:
                case session.Reply(data):
                    self._frames.append(data)
                case session.Close():
                    self._end(action)
                case session.Deliver(messages):
                    for message in messages:
                        self._offer(message)
                case session.Subscribed():
                    pass
        self._something.set()

    def _end(self, closing: session.Close) -> None:
        self._closing = self._closing or closing
        self._ending.set()
        self._something.set()

    def _offer(self, message: envelope.Message) -> None:
        message_id = message.message_id

        def answered(answer: Answer) -> None:
            match answer.outcome:
                case "taken" | "repeated" | "poisoned":
                    self._acked.append(message_id)
                case "held":
                    self._frames += self.talk.rejected(message_id, "held", "", answer.reason)
                case "invalid":
                    self._frames += self.talk.rejected(
                        message_id, "invalid", answer.path, answer.reason
                    )
                case "unknown":
                    self._frames += self.talk.unknown([message_id])
            self._something.set()

        try:
            self._system.offer(message, answered)
        except Busy as busy:
            self._frames += self.talk.busy([message_id], busy.retry_after)

    def notify(self, notice: notices.Notice) -> None:
        """Pass a notice on, if it was asked for. Notices are fleeting: a slow reader is closed."""
        if len(self._frames) > FRAMES_WAITING:
            self._end(session.Close(1013, "you read too slowly; subscribe again"))
        else:
            self._frames += self.talk.notice(notice)
        self._something.set()

    async def _write(self) -> None:
        while True:
            await self._something.wait()
            self._something = trio.Event()
            if self._acked:
                acked, self._acked = self._acked, []
                self._frames += self.talk.acked(acked)
            while self._frames:
                await self._websocket.send_message(self._frames.popleft())
                self._written.set()
            if self._closing is not None:
                await self._websocket.aclose(self._closing.code, self._closing.reason)
                return
