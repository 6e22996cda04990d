"""The record of a message: what journal and quarantine keep of it, and how it is read again.

What is kept is the message as it came (`Message.original`, with its unknown properties and without
its secrets), who was allowed to say it, and when it happened by our clock. Read again, it goes
through the very reception it went through before, but for the question whether its key may say it:
that was answered when it was accepted. A message that never was on a wire, such as one
of the demo's, is kept field by field.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from proto import reception
from proto.codec import JSON, MSGPACK
from proto.envelope import Kind, Message, Source
from proto.events import redacted
from proto.frames import Reject


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    kind: Kind
    source: Source
    timestamp: int
    original: bytes


_encode = msgspec.msgpack.Encoder().encode
_record = msgspec.msgpack.Decoder(Record).decode
_whole = msgspec.msgpack.Decoder(Message).decode


def written(message: Message) -> bytes:
    """The message as it may lie on a disk: without its secrets (mission §9.11)."""
    if not message.original:
        return _encode(replace(message, event=redacted(message.event)))
    return _encode(Record(message.kind, message.source, message.timestamp, message.original))


def read(data: bytes) -> Message:
    """What `written` has written. Raises msgspec.DecodeError on anything else."""
    # A record is an array of four, a whole message a map.
    if data[:1] != b"\x94":
        return _whole(data)
    record = _record(data)
    form = JSON if record.original[:1].isspace() or record.original[:1] == b"{" else MSGPACK
    message = reception.receive(
        form, record.original, record.timestamp, record.source, kind=record.kind, prove=None
    )
    if isinstance(message, Reject):
        raise msgspec.DecodeError(f"the record is not acceptable any more: {message.reason}")
    return replace(message, timestamp=record.timestamp)


def plain(data: bytes) -> object:
    """What was said, in plain values, also where it would not be accepted any more. Raises
    msgspec.DecodeError on what is no record.
    """
    value: object = msgspec.msgpack.decode(data)
    if data[:1] != b"\x94":
        return value
    original = _record(data).original
    if original[:1].isspace() or original[:1] == b"{":
        return msgspec.json.decode(original)
    return msgspec.msgpack.decode(original)
