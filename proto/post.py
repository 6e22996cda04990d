"""One HTTP body of wire §2: the messages in it, and what of it is refused, message by message.

Reads with the codec of JSON and decides with `proto/reception.py`, as a frame of the websocket is
read and decided: the same message is taken, or refused with the same reason, by whichever door it
comes. A body is one message, of a kind that the address may say instead of it, or a batch.

Segment's own limits are 500 kB a batch and 32 kB a message; these are wider, so that whatever its
libraries send fits.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from proto import identity, reception
from proto.codec import JSON, MAX_FRAME_BYTES, whole
from proto.envelope import Message
from proto.frames import Batch, Reject
from proto.session import Grant

MAX_BODY_BYTES: Final = 1024 * 1024
# What 500 kB of the smallest events come to.
MAX_BATCH: Final = 2_500
# By the other door a message has a frame, at most.
MAX_MESSAGE_BYTES: Final = MAX_FRAME_BYTES

Kind = Literal["track", "identify", "page", "alias", "batch"]


class Item(msgspec.Struct, frozen=True):
    """A message and where in its body it stands (`$`, `$.batch[3]`)."""

    path: str
    read: Message | Reject

    def rejected(self, reject: Reject) -> Reject:
        """The same refusal, with its path from the root of the body."""
        return replace(reject, path=self.path + reject.path.removeprefix("$"))


class _Keyed(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    write_key: object = None


_keyed: Final = msgspec.json.Decoder(_Keyed).decode


class TooMany(Exception):
    """A batch has more messages than one answer is worth waiting for."""


def key_in(body: bytes) -> str | None:
    """The key as Segment's libraries write it into the body, for who cannot send a header."""
    try:
        key = _keyed(whole(body)).write_key
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return key if isinstance(key, str) else None


def read(
    body: bytes,
    kind: Kind,
    received_at: int,
    grant: Grant,
    prove: identity.Prove = identity.unproved,
) -> list[Item]:
    """The messages of a body, in order. `received_at` is UTC milliseconds; `prove` judges a
    userHash.

    Raises Fault where the body as a whole cannot be read, TooMany.
    """
    body = whole(body)
    if kind != "batch":
        return [Item("$", _read(body, received_at, grant, prove, kind=kind))]
    batch = JSON.batch(body)
    if len(batch.batch) > MAX_BATCH:
        raise TooMany(f"the batch has {len(batch.batch)} messages; the limit is {MAX_BATCH}")
    return [
        Item(f"$.batch[{place}]", _read(raw, received_at, grant, prove, batch=batch))
        for place, raw in enumerate(batch.batch)
    ]


def _read(
    data: bytes | msgspec.Raw,
    received_at: int,
    grant: Grant,
    prove: identity.Prove,
    *,
    kind: str = "",
    batch: Batch | None = None,
) -> Message | Reject:
    size = len(memoryview(data))
    if size > MAX_MESSAGE_BYTES:
        reason = f"the message has {size} bytes; the limit is {MAX_MESSAGE_BYTES}"
        return Reject(JSON.id_of(data), "too_large", "$", reason)
    sent_at = None if batch is None else batch.sent_at
    return reception.receive(
        JSON, data, received_at, grant.kind, sent_at=sent_at, kind=kind, prove=prove
    )
