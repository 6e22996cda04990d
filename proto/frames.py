"""The frames of both directions (wire §1), and the envelope of a message as it is written.

`type` says which frame it is; field names are camelCase on the wire. The properties of a message
stay raw bytes here: `proto/reception.py` reads them once it knows the event.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proto.events import PRINTABLE, Id, Text
from proto.notices import Notice, Topic, topic_of

Who = Annotated[str, Meta(max_length=255, pattern=PRINTABLE)]
# HMAC-SHA256 in hex is 64 characters; what is longer proves nothing either.
Proof = Annotated[str, Meta(max_length=128)]

RejectCode = Literal["invalid", "forbidden", "stale", "too_large", "unidentified", "held"]
ErrorCode = Literal["unauthorized", "too_large", "invalid_frame", "goodbye", "forbidden", "limited"]


class _Frame(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename="camel",
    tag_field="type",
    tag=str.lower,
    repr_omit_defaults=True,
):
    """What all frames share: a `type`, and camelCase names."""


# From the client.


class Hello(_Frame, frozen=True):
    """With `user_hash`, a browser proves once for all it says that it speaks for `user_id`."""

    key: Annotated[str, Meta(min_length=1, max_length=255)]
    client: Text = ""
    user_id: Who | None = None
    user_hash: Proof | None = None


class Subscribe(_Frame, frozen=True):
    topics: Annotated[tuple[Topic, ...], Meta(max_length=10)]


class Batch(_Frame, frozen=True):
    """Messages that travel together; each is read, and answered, by itself."""

    batch: list[msgspec.Raw]
    sent_at: datetime | None = None


class _Said(_Frame, frozen=True, kw_only=True):
    """An empty id is none. `original_timestamp` is Segment's name of what its libraries also
    send as `timestamp`: the sender's clock when it happened.
    """

    message_id: Id
    user_id: Who | None = None
    user_hash: Proof | None = None
    anonymous_id: Who | None = None
    timestamp: datetime | None = None
    original_timestamp: datetime | None = None
    sent_at: datetime | None = None


class Track(_Said, frozen=True, kw_only=True):
    event: Id
    properties: msgspec.Raw = msgspec.Raw()


class Identify(_Said, frozen=True, kw_only=True):
    traits: msgspec.Raw = msgspec.Raw()


class Page(_Said, frozen=True, kw_only=True):
    name: Text | None = None
    category: Text | None = None
    properties: msgspec.Raw = msgspec.Raw()


class Alias(_Said, frozen=True, kw_only=True):
    previous_id: Id


Said = Track | Identify | Page | Alias
Inbound = Hello | Subscribe | Batch | Said


# From the server.


class Welcome(_Frame, frozen=True):
    session: str
    window: int
    max_frame_bytes: int
    server_time: str


class Ack(_Frame, frozen=True):
    """Durable and decided, or known already."""

    ids: list[str]


class Reject(_Frame, frozen=True):
    """Never acceptable as it is. `id` is "" where the message had none."""

    id: str
    code: RejectCode
    path: str
    reason: str


class BusyFrame(_Frame, frozen=True, tag="busy"):
    """Not taken: send again after `retry_after_ms` milliseconds."""

    ids: list[str]
    retry_after_ms: int


class Unknown(_Frame, frozen=True):
    """The outcome is not known: send again with the same ids."""

    ids: list[str]


class ErrorFrame(_Frame, frozen=True, tag="error"):
    code: ErrorCode
    reason: str


Outbound = Welcome | Ack | Reject | BusyFrame | Unknown | ErrorFrame


def written_time(at: int) -> str:
    """UTC milliseconds as the wire writes an instant: ISO 8601 with milliseconds and `Z`."""
    moment = datetime.fromtimestamp(at // 1_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1_000:03d}Z"


def noticed(notice: Notice) -> dict[str, object]:
    """A notice as its frame (wire §1): `type` and `topic` beside what it says."""
    told: dict[str, object] = msgspec.to_builtins(notice)
    times = {
        name: written_time(at) for name in ("at", "until") if isinstance(at := told.get(name), int)
    }
    return {"type": "notice", "topic": topic_of(notice), **told, **times}
