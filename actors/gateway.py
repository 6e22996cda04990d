"""The gateway: moves bytes between websockets and the conversation of `proto/session.py`.

Rules, from what was measured of trio-websocket (style §4.6):

- whatever a connection's handler raises ends that connection and no other;
- the reader never waits for the turn loop: what the intake does not take is answered `busy`, so
  pings are answered while the service is;
- one writer per connection, there only while there is something to write, which gathers the answers
  that came meanwhile into few frames; who does not read what it is told is closed with 1013, and
  cut off where it does not even read that;
- no frame beyond `HARD_LIMIT` is kept in memory, and none is compressed: what a small frame unfolds
  to is nobody's to choose;
- at a stop everybody is told goodbye (1001) before the intake drains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import Final

import structlog
import trio
import trio_websocket

from actors.clock import Clock
from actors.door import Door
from actors.intake import Answer
from actors.limits import GatewaySection, Visit, counted
from actors.line import CLOSE_WITHIN, Ear, Line, peer_of
from actors.proxies import Proxies
from actors.system import System
from ecrm import moment
from ecrm.errors import Busy
from proto import envelope, notices, session

log = structlog.get_logger()

HELLO_WITHIN: Final = 10.0
# The wire's own limit is answered in words; beyond this nobody is worth the memory.
HARD_LIMIT: Final = 512 * 1024
FRAMES_WAITING: Final = 4_096
# RFC 6455 §7.4.1: how trio-websocket closes what exceeds the hard limit.
TOO_LARGE: Final = 1009
# Seconds; a close that comes meanwhile is heard after it.
LONGEST_PAUSE: Final = 5.0

EVENTS_PATH: Final = "/v1/events"
CONSOLE_PATH: Final = "/v1/console"

# How often silent connections are looked for, in parts of the time they may be silent.
LOOKS: Final = 30

# Who is one too many is told so, unless even that would be too many at once.
REFUSED_AT_ONCE: Final = 100
REFUSED_WITHIN: Final = 1.0
FULL: Final = b"too many connections from here: try again in a moment\n"
TOO_MANY: Final = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 10\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(FULL), FULL)
)

Converse = Callable[[Line], Awaitable[None]]


class Gateway:
    def __init__(
        self,
        system: System,
        clock: Clock,
        door: Door,
        console: Converse,
        at: GatewaySection,
        proxies: Proxies,
    ) -> None:
        self.connections: set[Connection] = set()
        self.served = 0
        self.refusals: Counter[str] = Counter()
        self._lines: set[Line] = set()
        self._refusing = 0
        self._system = system
        self._clock = clock
        self._door = door
        self._proxies = proxies
        self._silence = moment.parse_duration(at.ping_after) / 1_000 if at.ping_after else 0.0
        self._paths: dict[str, Converse] = {EVENTS_PATH: self._events, CONSOLE_PATH: console}
        self._numbers = count(1)
        system.listeners.append(self._notice)
        door.keyring.revoked.append(self._revoked)

    async def keep(self) -> None:
        """Ask those who are silent for long whether they are still there."""
        if not self._silence:
            return
        while True:
            await trio.sleep(self._silence / LOOKS)
            now = trio.current_time()
            for line in self._lines:
                line.ask(self._silence, now)

    async def listen(
        self, listeners: Iterable[trio.SocketListener], connections: trio.Nursery
    ) -> None:
        """Take callers in; connections outlive their listener, in a nursery of their own."""
        patient = [self._door.strangers.before(one) for one in listeners]
        await trio.serve_listeners(self.serve_stream, patient, handler_nursery=connections)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Hold one conversation on a stream, TCP or memory. What goes wrong in it stays in it."""
        peer = peer_of(stream)
        # Whom a proxy speaks for is known once its request is read.
        visit = self._door.limits.enter(None if self._proxies.are(peer) else counted(peer))
        try:
            if visit is None:
                await self._refuse(stream)
                return
            async with trio.open_nursery() as nursery:
                await self._serve(nursery, stream, visit, peer)
                nursery.cancel_scope.cancel()
        except* (trio_websocket.HandshakeError, trio_websocket.ConnectionClosed):
            pass  # Gone, or no websocket: nothing to tell anybody.
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # The same, seen from the socket.
        except* trio.TooSlowError:
            pass  # Ten seconds are enough for a request.
        except* Exception as errors:  # noqa: BLE001 - one connection's fault is no other's business
            log.error("connection_failed", errors=[repr(error) for error in errors.exceptions])
        finally:
            if visit is not None:
                self._door.limits.leave(visit)
            with trio.move_on_after(CLOSE_WITHIN, shield=True):
                await trio.aclose_forcefully(stream)

    async def _refuse(self, stream: trio.abc.Stream) -> None:
        """Hear the request out, so that the answer is read, and answer it."""
        if self._refusing >= REFUSED_AT_ONCE:
            return
        self._refusing += 1
        try:
            with trio.move_on_after(REFUSED_WITHIN):
                heard = b""
                while b"\r\n\r\n" not in heard and len(heard) < 8_192:
                    part = await stream.receive_some(4_096)
                    if not part:
                        return
                    heard += part
                await stream.send_all(TOO_MANY)
        finally:
            self._refusing -= 1

    async def _serve(
        self, nursery: trio.Nursery, stream: trio.abc.Stream, visit: Visit, peer: str
    ) -> None:
        ear = Ear(stream, self._door.strangers)
        with trio.fail_after(HELLO_WITHIN):
            request = await trio_websocket.wrap_server_stream(
                nursery, ear, max_message_size=HARD_LIMIT
            )
            headers = {name: value.decode("latin-1") for name, value in request.headers}
            converse = self._paths.get(request.path.partition("?")[0])
            if converse is None:
                body = f"there is only {EVENTS_PATH} and {CONSOLE_PATH}\n".encode()
                await request.reject(404, body=body)
                return
            if self._proxies.are(peer):
                forwarded = headers.get(b"x-forwarded-for", "")
                address = self._proxies.visitor(peer, [forwarded] if forwarded else [])
                if not self._door.limits.locate(visit, counted(address)):
                    retry = [(b"Retry-After", b"10")]
                    await request.reject(429, extra_headers=retry, body=FULL)
                    return
            websocket = await request.accept()
        line = Line(self._door, visit, nursery, ear, websocket, headers.get(b"origin"))
        self._lines.add(line)
        try:
            await converse(line)
        finally:
            self._lines.discard(line)

    async def _events(self, line: Line) -> None:
        name = f"s{next(self._numbers)}"
        talk = session.Session(
            line.admit,
            session_id=name,
            prove=line.proves,
            allow=line.allow,
            refusals=self.refusals,
        )
        connection = Connection(line, talk, self._system, self._clock)
        self.connections.add(connection)
        self.served += 1
        try:
            await connection.run()
        finally:
            connection.gone = True
            self.connections.discard(connection)

    def _notice(self, notice: notices.Notice) -> None:
        for connection in self.connections:
            if connection.talk.topics:
                connection.notify(notice)

    def _revoked(self, key_id: str) -> None:
        """Whoever came in with this key goes, at once."""
        talking = set()
        for connection in tuple(self.connections):
            if connection.line.grant is not None and connection.line.grant.key_id == key_id:
                connection.perform(connection.talk.revoked())
            talking.add(connection.line)
        for line in self._lines - talking:
            if line.grant is not None and line.grant.key_id == key_id:
                line.put_out()

    def stop(self) -> None:
        """Tell everybody goodbye."""
        for connection in tuple(self.connections):
            connection.perform(connection.talk.stopping())


class Connection:
    """One shop on one socket: reads, hands on, and writes what comes back."""

    __slots__ = (
        "_acked", "_clock", "_closing", "_frames", "_sending", "_system", "_websocket",
        "_writing", "_written", "gone", "line", "talk",
    )  # fmt: skip

    def __init__(self, line: Line, talk: session.Session, system: System, clock: Clock) -> None:
        self.line = line
        self.talk = talk
        self.gone = False
        self._websocket = line.websocket
        self._system = system
        self._clock = clock
        # What waits to be written, and how much of it the writer has in hand.
        self._frames: list[str | bytes] = []
        self._sending = 0
        self._acked: list[str] = []
        self._closing: session.Close | None = None
        self._writing = False
        self._written: trio.Event | None = None

    async def run(self) -> None:
        """Hear what is said until there is an end to it."""
        try:
            with trio.move_on_after(HELLO_WITHIN) as waiting:
                await self._hear()
            if waiting.cancelled_caught:
                self.perform(self.talk.hello_timed_out())
            while self._closing is None:
                await self._hear()
                if self._waiting > FRAMES_WAITING:
                    await self._caught_up()
                if self.line.pause:
                    # Who is told to wait and does not is not even read: reading costs the others.
                    await trio.sleep(min(self.line.pause, LONGEST_PAUSE))
        except trio_websocket.ConnectionClosed as closed:
            if self._closing is None:
                if closed.reason is not None and closed.reason.code == TOO_LARGE:
                    await self.line.hear_out()
                raise
        # The writer says the last words, and ends the line.
        await trio.sleep_forever()

    @property
    def _waiting(self) -> int:
        return len(self._frames) + self._sending

    async def _hear(self) -> None:
        frame = await self._websocket.get_message()
        self.perform(self.talk.receive(frame, self._clock.now()))

    async def _caught_up(self) -> None:
        """Hear no more of whoever does not read the answers, and end it where that lasts."""
        with trio.move_on_after(CLOSE_WITHIN) as waiting:
            while self._waiting > FRAMES_WAITING:
                self._written = trio.Event()
                await self._written.wait()
        if waiting.cancelled_caught:
            self._end(session.Close(1013, "you do not read the answers: connect again"))

    def perform(self, actions: list[session.Action]) -> None:
        """Do what the conversation says."""
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
        self._wake()

    def _end(self, closing: session.Close) -> None:
        """Who does not take the close either is not waited for."""
        self._closing = self._closing or closing
        self.line.close_by(CLOSE_WITHIN)
        self._wake()

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
            self._wake()

        try:
            self._system.offer(message, answered)
        except Busy as busy:
            self._frames += self.talk.busy([message_id], busy.retry_after)

    def notify(self, notice: notices.Notice) -> None:
        """Pass a notice on, if it was asked for. Notices are fleeting: a slow reader is closed."""
        if self._waiting > FRAMES_WAITING:
            self._end(session.Close(1013, "you read too slowly; subscribe again"))
        else:
            self._frames += self.talk.notice(notice)
        self._wake()

    def _wake(self) -> None:
        """Have a writer where there is something to write. Answers may come after the end."""
        if not (self._writing or self.gone):
            self._writing = True
            self.line.nursery.start_soon(self._write)

    async def _write(self) -> None:
        while self._frames or self._acked:
            if self._acked:
                acked, self._acked = self._acked, []
                self._frames += self.talk.acked(acked)
            frames, self._frames = self._frames, []
            self._sending = len(frames)
            for frame in frames:
                await self._websocket.send_message(frame)
                self._sending -= 1
                if self._written is not None:
                    self._written.set()
        self._writing = False
        if self._closing is not None:
            await self._websocket.aclose(self._closing.code, self._closing.reason)
            self.line.nursery.cancel_scope.cancel()
