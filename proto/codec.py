"""Bytes to structs and back: JSON in text frames and HTTP bodies, MessagePack in binary frames.

Rules:

- Two stages, for speed: the envelope first, with the properties left as raw bytes; then those, with
  the decoder of their event. Only another vocabulary (`proto/aliases.py`) and unlisted events pass
  through a dict.
- Whatever is wrong with the bytes is a `Fault` with a path relative to the message
  (`$.properties.products[0].price`) and a reason; no other exception leaves this module.
- Plain values only: numbers are finite and fit 64 bits, keys are text, and nothing that is read is
  nested deeper than `DEPTH`. Of a key said twice the last counts (RFC 8259 §4 leaves it open), here
  and wherever the stored bytes are read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, TypeVar, get_args

import msgspec

from proto import aliases
from proto.envelope import PageView, Traits
from proto.events import HIDDEN, SECRETS, TRACKED, At, Event, Unlisted
from proto.frames import Alias, Batch, Identify, Inbound, Page, Said, Track

MAX_FRAME_BYTES: Final = 262_144
MAX_BATCH: Final = 500
# A shop's own event is a few levels of objects; what goes deeper is an attack on somebody's stack.
DEPTH: Final = 32

# All that msgspec raises on hostile bytes; measured by the fuzz tests.
_BROKEN: Final = (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError)
_LOCATED: Final = re.compile(r"(?P<reason>.*?) - at (?:`key` in )?`\$(?P<path>.*)`", re.DOTALL)

# The name of the sender's key in a message of Segment's libraries.
_KEY: Final = b"writeKey"

# An offset can carry the ends of the calendar past them, and nothing could store that instant.
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_TIMED: Final[tuple[type[msgspec.Struct], ...]] = (*TRACKED.values(), Traits)
_TIMES: Final[dict[type, tuple[msgspec.structs.FieldInfo, ...]]] = {
    kind: times
    for kind in _TIMED
    if (
        times := tuple(
            field
            for field in msgspec.structs.fields(kind)
            if field.type == At or At in get_args(field.type)
        )
    )
}

# One escape of a JSON text; the two halves of a character are taken together.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

T = TypeVar("T")
E = TypeVar("E", bound=msgspec.Struct)
Decode = Callable[[bytes | msgspec.Raw], T]


class Fault(Exception):
    """The bytes do not say anything we know. `path` says where, `reason` why."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


class _Name(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """All that is looked at of a message that cannot be read."""

    type: object = None
    message_id: object = None


class _Id(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    message_id: str = ""


class _Ids(msgspec.Struct, frozen=True, gc=False):
    batch: list[_Id]


def whole(json: bytes) -> bytes:
    """The text with each half of a character, which scripts leave where they cut a text in the
    middle of an emoji, replaced (U+FFFD): valid JSON, but no text, and it would spoil its batch.
    """
    if b"\\ud" not in json and b"\\uD" not in json:
        return json
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found["half"] else found[0], json)


class Format:
    """One of the two notations, with its decoders."""

    def __init__(
        self,
        decoder: Callable[[Any], Callable[[Any], Any]],
        encode: Callable[[object], bytes],
        *,
        is_text: bool,
    ) -> None:
        self.encode = encode
        self.is_text = is_text
        self._nothing = msgspec.Raw(encode({}))
        self._null = msgspec.Raw(encode(None))
        self._hidden = msgspec.Raw(encode(HIDDEN))
        self._name: Decode[_Name] = decoder(_Name)
        self._ids: Decode[_Ids] = decoder(_Ids)
        self._frame: Decode[Inbound] = decoder(Inbound)
        self._batch: Decode[Batch] = decoder(Batch)
        self._said: dict[str, Decode[Said]] = {
            "": decoder(Said),
            "track": decoder(Track),
            "identify": decoder(Identify),
            "page": decoder(Page),
            "alias": decoder(Alias),
        }
        self._parts: Decode[dict[str, msgspec.Raw]] = decoder(dict[str, msgspec.Raw])
        self._properties: Decode[dict[str, object]] = decoder(dict[str, object])
        self._traits: Decode[Traits] = decoder(Traits)
        self._page: Decode[PageView] = decoder(PageView)
        self._tracked: dict[str, Decode[Event]] = {
            name: decoder(kind) for name, kind in TRACKED.items()
        }

    def frame(self, data: bytes) -> Inbound:
        """A whole frame. Raises Fault."""
        return _decoded(self._frame, data)

    def said(self, data: bytes | msgspec.Raw, kind: str = "") -> Said:
        """One message; `kind` is for where the address says it, not the body. Raises Fault."""
        return _decoded(self._said[kind], data)

    def batch(self, data: bytes) -> Batch:
        """A batch without a `type`, as over HTTP. Raises Fault."""
        return _decoded(self._batch, data)

    def name_of(self, data: bytes | msgspec.Raw) -> tuple[object, str]:
        """The `type` and the id of what cannot be read as a message; "" where it has none.

        Raises Fault where it is not even an object.
        """
        name = _decoded(self._name, data)
        return name.type, name.message_id if isinstance(name.message_id, str) else ""

    def ids_of(self, data: bytes, batch: Iterable[msgspec.Raw]) -> list[str]:
        """The ids in a frame whose `batch` was read, "" for what has none: all at one stroke, where
        nothing in it is odd, for who says too much shall not be costly too.
        """
        try:
            return [one.message_id for one in self._ids(data).batch]
        except _BROKEN:
            return [self.id_of(raw) for raw in batch]

    def id_of(self, data: bytes | msgspec.Raw) -> str:
        """The id of what cannot be read as a message; "" where it has none."""
        try:
            return self.name_of(data)[1]
        except Fault:
            return ""

    def event(self, name: str, properties: msgspec.Raw) -> tuple[str, Event | Unlisted]:
        """The event and our name of it. Raises Fault with a path under `$.properties`."""
        raw = self._told(properties)
        alias = aliases.ALIASES.get(name)
        if alias is not None:
            return alias.event, self._translated(name, alias, raw)
        decode = self._tracked.get(name)
        if decode is not None:
            return name, _timely(_decoded(decode, raw, "$.properties"), "$.properties")
        told = _decoded(self._properties, raw, "$.properties")
        _check_plain(told, "$.properties", DEPTH)
        return name, Unlisted(name, told)

    def traits(self, traits: msgspec.Raw) -> Traits:
        """Raises Fault with a path under `$.traits`."""
        return _timely(_decoded(self._traits, self._told(traits), "$.traits"), "$.traits")

    def page(self, properties: msgspec.Raw) -> PageView:
        """Raises Fault with a path under `$.properties`."""
        return _decoded(self._page, self._told(properties), "$.properties")

    def redacted(self, data: bytes, event: object, *, proof: bool = False) -> bytes:
        """The message's bytes as they may be stored (mission §9.11). Raises Fault.

        Segment's libraries write the sender's key into a message; it opens the door, and is no part
        of what was said. Nor is the `userHash`, where it has such a `proof`.
        """
        secret = SECRETS.get(type(event))
        if secret is None and not proof and _KEY not in data:
            return data
        message = _decoded(self._parts, data)
        message.pop(_KEY.decode(), None)
        message.pop("userHash", None)
        if secret is None:
            return self.encode(message)
        properties = _decoded(self._parts, message["properties"], "$.properties")
        hidden = {**properties, **dict.fromkeys(secret, self._hidden)}
        return self.encode({**message, "properties": hidden})

    def _told(self, raw: msgspec.Raw) -> msgspec.Raw:
        """Left out or null is nothing said."""
        return raw if raw and raw != self._null else self._nothing

    def _translated(self, name: str, alias: aliases.Alias, raw: msgspec.Raw) -> Event:
        told = _decoded(self._properties, raw, "$.properties")
        _check_plain(told, "$.properties", DEPTH)
        try:
            ours = aliases.translated(alias, told)
            return msgspec.convert(ours, TRACKED[alias.event])
        except aliases.SeveralProducts as error:
            raise Fault(str(error), ".".join(("$.properties", *alias.items))) from error
        except msgspec.ValidationError as error:
            fault = _fault(error, "$.properties")
            reason = f"{fault.reason} ({name} is read as {alias.event})"
            raise Fault(reason, fault.path) from error


def _decoded(decode: Decode[T], data: bytes | msgspec.Raw, root: str = "$") -> T:
    try:
        return decode(data)
    except _BROKEN as error:
        raise _fault(error, root) from error


def _timely(read: E, root: str) -> E:
    """Raises Fault where one of its instants is beyond any shop's life."""
    for field in _TIMES.get(type(read), ()):
        at: datetime | None = getattr(read, field.name)
        if at is not None and not _FIRST_YEAR <= at.year <= _LAST_YEAR:
            reason = f"Expected an instant between {_FIRST_YEAR} and {_LAST_YEAR}"
            raise Fault(reason, f"{root}.{field.encode_name}")
    return read


def _fault(error: Exception, root: str) -> Fault:
    if isinstance(error, RecursionError):
        return Fault("Nested too deeply", root)
    if isinstance(error, UnicodeError):
        return Fault("Text is not valid UTF-8", root)
    located = _LOCATED.fullmatch(str(error))
    if located is None:
        return Fault(str(error), root)
    return Fault(located["reason"], root + located["path"])


def _check_plain(value: object, path: str, depth: int) -> None:
    """Raises Fault at the first value that is not plain."""
    if depth < 0:
        raise Fault(f"Nested deeper than {DEPTH}", path)
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_plain(inner, f"{path}.{key}", depth - 1)
            if not isinstance(key, str):
                raise Fault("Expected keys of `str`", path)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_plain(inner, f"{path}[{index}]", depth - 1)
    elif (reason := _odd(value)) is not None:
        raise Fault(reason, path)


def _odd(value: object) -> str | None:
    """What is wrong with a value that holds no others."""
    if isinstance(value, float):
        return None if abs(value) < float("inf") else "Number is not finite"
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**64 else "Number does not fit 64 bits"
    # MessagePack has instants of its own.
    known = value is None or isinstance(value, str | datetime)
    return None if known else f"Expected a plain value, got `{type(value).__name__}`"


JSON: Final = Format(
    lambda kind: msgspec.json.Decoder(kind).decode, msgspec.json.Encoder().encode, is_text=True
)
MSGPACK: Final = Format(
    lambda kind: msgspec.msgpack.Decoder(kind).decode,
    msgspec.msgpack.Encoder().encode,
    is_text=False,
)
