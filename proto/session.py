"""The conversation of wire §1 as a state machine: frames in, actions out, no socket, no clock.

States: AWAITING_HELLO until a key is known, OPEN, CLOSED; `Session._RULES` says for each state what
each kind of frame does. Rules:

- Every message read is answered once: at once where the session itself can tell, else when the
  turn loop comes back with `acked`, `rejected`, `busy` or `unknown`.
- An answer comes in the notation of its question, JSON or MessagePack.
- At most `window` messages wait for an answer; what exceeds it is `busy`.
- An id that waits already is not delivered again; it is answered with the first. The same id said
  of somebody else is `busy`, because one answer could not speak for both.
- What exceeds the rate of its key or address is `busy` as a whole frame, unread.
- After a `Close` nothing more is said or heard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from typing import ClassVar, Final

import msgspec

from proto import identity, notices, permissions, reception
from proto.codec import JSON, MAX_BATCH, MAX_FRAME_BYTES, MSGPACK, Fault, Format, whole
from proto.envelope import Message, Source
from proto.frames import (
    Ack,
    Alias,
    Batch,
    BusyFrame,
    ErrorCode,
    ErrorFrame,
    Hello,
    Identify,
    Inbound,
    Outbound,
    Page,
    Reject,
    RejectCode,
    Said,
    Subscribe,
    Track,
    Unknown,
    Welcome,
    noticed,
    written_time,
)

WINDOW: Final = 1_024
# Long enough for a commit or two to have made room.
RETRY_AFTER_MS: Final = 250

_CLOSE_CODES: Final[dict[ErrorCode, int]] = {
    "unauthorized": 4401,
    "too_large": 1009,
    "invalid_frame": 1007,
    "goodbye": 1001,
    "limited": 4429,
}
# RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code.
_CLOSE_REASON_BYTES: Final = 123

_NOT_PROVED: Final = (
    "userHash does not prove userId: it is hex HMAC-SHA256(identity secret, userId), made by the "
    "shop's back end"
)
_HELLO_FIRST: Final = 'say hello first: {"type":"hello","key":"..."}'


class State(Enum):
    AWAITING_HELLO = auto()
    OPEN = auto()
    CLOSED = auto()


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A key that may come in, from pages of these origins (`permissions.origin_refusal`)."""

    key_id: str
    kind: Source
    origins: tuple[str, ...] = ()


class Turned(msgspec.Struct, frozen=True, gc=False):
    """A key that may not come in, and why."""

    reason: str
    code: ErrorCode = "unauthorized"


# The key said in hello → who it is, or why not; None: there is no such key.
Authenticate = Callable[[str], Grant | Turned | None]
# How many messages → milliseconds to wait before sending them again; 0 where they may come in.
Allow = Callable[[int], int]


def unlimited(_count: int) -> int:
    """For where no rate is kept."""
    return 0


class Reply(msgspec.Struct, frozen=True, gc=False):
    data: str | bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    code: int
    reason: str


class Deliver(msgspec.Struct, frozen=True):
    """Messages to be decided on; each wants one of the session's four answers."""

    messages: tuple[Message, ...]


class Subscribed(msgspec.Struct, frozen=True, gc=False):
    topics: tuple[notices.Topic, ...]


Action = Reply | Close | Deliver | Subscribed


class _Waiting(msgspec.Struct):
    """Who an id was said of, and how often it was asked in each notation."""

    who: tuple[str | None, str | None]
    asked: list[Format]


class _Answers:
    """What one frame is answered at once, gathered."""

    def __init__(self) -> None:
        self.rejects: list[Reject] = []
        self.busy: list[str] = []
        self.deliver: list[Message] = []


class Session:
    """One connection's side of the conversation. `authenticate` tells whose a key is, if any's;
    `prove` judges a userHash, `allow` keeps the rate, `refusals` counts the messages that are
    rejected, by code.
    """

    __slots__ = (
        "_allow", "_authenticate", "_form", "_max_frame_bytes", "_notice_form", "_prove",
        "_proved", "_refusals", "_session_id", "_source", "_waiting", "_window", "grant", "state",
        "topics", "unanswered",
    )  # fmt: skip

    def __init__(
        self,
        authenticate: Authenticate,
        session_id: str,
        window: int = WINDOW,
        max_frame_bytes: int = MAX_FRAME_BYTES,
        refusals: Counter[str] | None = None,
        *,
        prove: identity.Prove = identity.unproved,
        allow: Allow = unlimited,
    ) -> None:
        self.state = State.AWAITING_HELLO
        self.grant: Grant | None = None
        self.topics: tuple[notices.Topic, ...] = ()
        self.unanswered = 0
        self._authenticate = authenticate
        self._session_id = session_id
        self._window = window
        self._max_frame_bytes = max_frame_bytes
        self._prove = prove
        self._allow = allow
        self._proved: str | None = None
        self._refusals = Counter() if refusals is None else refusals
        self._waiting: dict[str, _Waiting] = {}
        # Of the last question; notices go in the notation of the subscription.
        self._form: Format = JSON
        self._notice_form: Format = JSON
        self._source: Source = "publishable"

    # What happens to the connection.

    def connected(self) -> list[Action]:
        """The server waits for hello and says nothing before it."""
        return []

    def hello_timed_out(self) -> list[Action]:
        """Ten seconds have passed; a session that has heard hello does not mind."""
        if self.state is not State.AWAITING_HELLO:
            return []
        return self._end("unauthorized", f"no hello within 10 s; {_HELLO_FIRST}")

    def revoked(self) -> list[Action]:
        """The key was taken away. What was taken in is still decided, and known when it is told
        again with another key.
        """
        if self.state is State.CLOSED:
            return []
        return self._end("unauthorized", "this key was revoked")

    def stopping(self) -> list[Action]:
        """The service stops. What was not answered is to be sent again, to whoever answers next."""
        if self.state is State.CLOSED:
            return []
        return self._end("goodbye", "the service is stopping: connect again in a moment")

    def receive(self, frame: str | bytes, received_at: int) -> list[Action]:
        """Hear one frame. `received_at` is UTC milliseconds. Never raises for what was said."""
        if self.state is State.CLOSED:
            return []
        self._form = JSON if isinstance(frame, str) else MSGPACK
        try:
            data = whole(frame.encode()) if isinstance(frame, str) else frame
        except UnicodeEncodeError:
            return self._end("invalid_frame", "the text is not valid UTF-8")
        if len(data) > self._max_frame_bytes:
            limit = f"{len(data)} bytes; the limit is {self._max_frame_bytes}"
            return self._end("too_large", f"the frame has {limit}: send smaller batches")
        try:
            heard = self._form.frame(data)
        except Fault as fault:
            return self._unread(fault, data)
        return self._RULES[self.state, type(heard)](self, heard, data, received_at)

    # What a frame does.

    def _welcome(self, heard: Inbound, _data: bytes, received_at: int) -> list[Action]:
        assert isinstance(heard, Hello), "_RULES says so"
        grant = self._authenticate(heard.key)
        if grant is None:
            return self._end(
                "unauthorized",
                "no such key: the first start printed them, or look at [[keys]] in ecrm.toml",
            )
        if isinstance(grant, Turned):
            return self._end(grant.code, grant.reason)
        if heard.user_hash is not None:
            if not self._prove(heard.user_id or "", heard.user_hash):
                return self._end("unauthorized", _NOT_PROVED)
            self._proved = heard.user_id
        self.state, self.grant, self._source = State.OPEN, grant, grant.kind
        welcome = Welcome(
            session=self._session_id,
            window=self._window,
            max_frame_bytes=self._max_frame_bytes,
            server_time=written_time(received_at),
        )
        return [self._reply(welcome)]

    def _not_hello(self, _heard: Inbound, _data: bytes, _received_at: int) -> list[Action]:
        return self._end("unauthorized", _HELLO_FIRST)

    def _hello_again(self, _heard: Inbound, _data: bytes, _received_at: int) -> list[Action]:
        return self._end("invalid_frame", "hello was said already: open another connection")

    def _subscribe(self, heard: Inbound, _data: bytes, _received_at: int) -> list[Action]:
        assert isinstance(heard, Subscribe), "_RULES says so"
        if self._source not in permissions.MAY_SUBSCRIBE:
            reason = f"a {self._source} key may not subscribe: use a secret key"
            return [self._reply(ErrorFrame("forbidden", reason))]
        self.topics, self._notice_form = heard.topics, self._form
        return [Subscribed(heard.topics)]

    def _message(self, heard: Inbound, data: bytes, received_at: int) -> list[Action]:
        assert isinstance(heard, Said), "_RULES says so"
        answers = _Answers()
        if wait := self._allow(1):
            return [self._reply(BusyFrame([heard.message_id], wait))]
        read = reception.admit(
            self._form, heard, data, received_at, self._source, prove=self._is_proved
        )
        self._take(read, answers)
        return self._said(answers)

    def _batch(self, heard: Inbound, data: bytes, received_at: int) -> list[Action]:
        assert isinstance(heard, Batch), "_RULES says so"
        if len(heard.batch) > MAX_BATCH:
            reason = f"the batch has {len(heard.batch)} messages; the limit is {MAX_BATCH}"
            return self._end("too_large", f"{reason}: send smaller batches")
        if not heard.batch:
            return [self._reply(Ack([]))]
        if wait := self._allow(len(heard.batch)):
            return self._unheard(data, heard.batch, wait)
        answers = _Answers()
        for raw in heard.batch:
            read = reception.receive(
                self._form,
                raw,
                received_at,
                self._source,
                sent_at=heard.sent_at,
                prove=self._is_proved,
            )
            self._take(read, answers)
        return self._said(answers)

    def _is_proved(self, user_id: str, user_hash: str) -> bool:
        return user_id == self._proved or self._prove(user_id, user_hash)

    def _unheard(self, data: bytes, batch: Sequence[msgspec.Raw], wait: int) -> list[Action]:
        """Come too fast: nothing but the ids is looked at. What has none cannot come again."""
        busy: list[str] = []
        actions: list[Action] = []
        for message_id in self._form.ids_of(data, batch):
            if message_id:
                busy.append(message_id)
            else:
                self._refusals["invalid"] += 1
                actions.append(self._reply(Reject("", "invalid", "$", "It has no messageId")))
        return [*actions, self._reply(BusyFrame(busy, wait))] if busy else actions

    def _unread(self, fault: Fault, data: bytes) -> list[Action]:
        """Not a frame we know. A message among them is rejected; anything else ends it."""
        try:
            kind, message_id = self._form.name_of(data)
        except Fault:
            return self._end("invalid_frame", f"{fault.path}: {fault.reason}")
        if self.state is State.AWAITING_HELLO:
            reason = f"{fault.path}: {fault.reason}" if kind == "hello" else _HELLO_FIRST
            return self._end("unauthorized", reason)
        control = kind in ("hello", "subscribe", "batch")
        if control or not (message_id or kind in ("track", "identify", "page", "alias")):
            return self._end("invalid_frame", f"{fault.path}: {fault.reason}")
        self._refusals["invalid"] += 1
        return [self._reply(Reject(message_id, "invalid", fault.path, fault.reason))]

    def _take(self, read: Message | Reject, answers: _Answers) -> None:
        if isinstance(read, Reject):
            self._refusals[read.code] += 1
            answers.rejects.append(read)
            return
        who = (read.user_id, read.anonymous_id)
        waiting = self._waiting.get(read.message_id)
        if self.unanswered >= self._window or (waiting is not None and waiting.who != who):
            answers.busy.append(read.message_id)
            return
        self.unanswered += 1
        if waiting is not None:
            waiting.asked.append(self._form)
            return
        self._waiting[read.message_id] = _Waiting(who, [self._form])
        answers.deliver.append(read)

    def _said(self, answers: _Answers) -> list[Action]:
        actions: list[Action] = [self._reply(reject) for reject in answers.rejects]
        if answers.busy:
            actions.append(self._reply(BusyFrame(answers.busy, RETRY_AFTER_MS)))
        if answers.deliver:
            actions.append(Deliver(tuple(answers.deliver)))
        return actions

    # What the turn loop comes back with: frames to send.

    def acked(self, ids: Iterable[str]) -> list[str | bytes]:
        """Durable and decided."""
        return [_written(form, Ack(asked)) for form, asked in self._answered(ids)]

    def rejected(
        self, message_id: str, code: RejectCode, path: str, reason: str
    ) -> list[str | bytes]:
        """Not acceptable after all, as for a customer on hold."""
        frame = Reject(message_id, code, path, reason)
        self._refusals[code] += 1
        return [
            _written(form, frame) for form, asked in self._answered((message_id,)) for _ in asked
        ]

    def busy(self, ids: Iterable[str], retry_after_ms: int) -> list[str | bytes]:
        """The intake is full."""
        return [
            _written(form, BusyFrame(asked, retry_after_ms)) for form, asked in self._answered(ids)
        ]

    def unknown(self, ids: Iterable[str]) -> list[str | bytes]:
        """The disk failed."""
        return [_written(form, Unknown(asked)) for form, asked in self._answered(ids)]

    def notice(self, notice: notices.Notice) -> list[str | bytes]:
        """Something a subscriber may hear of; nothing where it did not ask for that topic."""
        topic = notices.topic_of(notice)
        if self.state is not State.OPEN or topic not in self.topics:
            return []
        return [_written(self._notice_form, noticed(notice))]

    def _answered(self, ids: Iterable[str]) -> list[tuple[Format, list[str]]]:
        """Whatever of these was waiting, by the notation it was asked in."""
        asked: dict[Format, list[str]] = {}
        for message_id in ids:
            waiting = self._waiting.pop(message_id, None)
            for form in waiting.asked if waiting else ():
                asked.setdefault(form, []).append(message_id)
                self.unanswered -= 1
        return list(asked.items())

    # Saying.

    def _reply(self, frame: Outbound) -> Reply:
        return Reply(_written(self._form, frame))

    def _end(self, code: ErrorCode, reason: str) -> list[Action]:
        self.state, self.unanswered, self.topics = State.CLOSED, 0, ()
        self._waiting.clear()
        short = reason.encode()[:_CLOSE_REASON_BYTES].decode(errors="ignore")
        return [self._reply(ErrorFrame(code, reason)), Close(_CLOSE_CODES[code], short)]

    _RULES: ClassVar[
        dict[tuple[State, type], Callable[[Session, Inbound, bytes, int], list[Action]]]
    ] = {
        (State.AWAITING_HELLO, Hello): _welcome,
        (State.AWAITING_HELLO, Subscribe): _not_hello,
        (State.AWAITING_HELLO, Batch): _not_hello,
        (State.AWAITING_HELLO, Track): _not_hello,
        (State.AWAITING_HELLO, Identify): _not_hello,
        (State.AWAITING_HELLO, Page): _not_hello,
        (State.AWAITING_HELLO, Alias): _not_hello,
        (State.OPEN, Hello): _hello_again,
        (State.OPEN, Subscribe): _subscribe,
        (State.OPEN, Batch): _batch,
        (State.OPEN, Track): _message,
        (State.OPEN, Identify): _message,
        (State.OPEN, Page): _message,
        (State.OPEN, Alias): _message,
    }


def _written(form: Format, frame: object) -> str | bytes:
    data = form.encode(frame)
    return data.decode() if form.is_text else data
