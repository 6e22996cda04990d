"""The decoded message: who says what of whom, since when.

A `Message` is what the rest of the house sees of a frame or of an HTTP body: aliases are resolved,
the sender's clock is corrected (`corrected`), empty ids are None. `event` holds the properties as
a struct, by kind of message: an `events.Event` or `events.Unlisted` for track, `Traits` for
identify, `PageView` for page, `Aliased` for alias.

`original` is for storing (`proto/record.py`): the bytes of the message as they came, unknown
properties included. It is free of secrets (mission §9.11); `event` is not.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, Union

import msgspec
from msgspec import Meta

from proto.events import TRACKED, At, Email, Event, Id, Link, Number, Text, Unlisted

Kind = Literal["track", "identify", "page", "alias"]
Source = Literal["publishable", "secret", "operator"]

# The event names of what is not tracked.
IDENTIFIED: Final = "Identified"
PAGE_VIEWED: Final = "Page Viewed"
ALIASED: Final = "Aliased"

# Lives of visitors, and of what concerns everybody, begin with these: no shop may say them.
RESERVED: Final = ("visitor:", "shop:")


class Address(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"
):
    city: Text | None = None
    country: Text | None = None
    postal_code: Text | None = None
    street: Text | None = None
    state: Text | None = None


class Traits(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    rename="camel",
    tag=IDENTIFIED,
    tag_field="$event",
):
    """What a person is known to be (wire §1). `birthday` begins with YYYY-MM-DD; `preferences`
    is what the person has declared to like or want (R44).
    """

    email: Email | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    phone: Text | None = None
    birthday: Annotated[str, Meta(max_length=40, pattern=r"^\d{4}-\d{2}-\d{2}")] | None = None
    created_at: At | None = None
    gender: Text | None = None
    locale: Text | None = None
    timezone: Text | None = None
    address: Address | None = None
    preferences: Annotated[
        dict[Text, Text | Number | bool | tuple[Text, ...] | None], Meta(max_length=100)
    ] = {}


class PageView(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    tag=PAGE_VIEWED,
    tag_field="$event",
):
    name: Text | None = None
    category: Text | None = None
    url: Link | None = None
    path: Link | None = None
    title: Text | None = None
    referrer: Link | None = None
    search: Link | None = None


class Aliased(msgspec.Struct, frozen=True, gc=False, tag=ALIASED, tag_field="$event"):
    """`Message.previous_id` and `Message.user_id` are one person."""


if TYPE_CHECKING:
    Told = Event | Unlisted | Traits | PageView | Aliased
else:
    # Readers meet the abstract Event; the decoder needs to know every class it can be.
    Told = Union[(*TRACKED.values(), Unlisted, Traits, PageView, Aliased)]


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message, decoded. `timestamp` is UTC milliseconds, corrected; never after its receipt.

    It takes part in garbage collection because an unlisted event's properties do.
    """

    kind: Kind
    message_id: Id
    event_name: str
    event: Told
    timestamp: int
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    source: Source = "secret"
    original: bytes = b""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def corrected(received_at: int, original: datetime | None, sent_at: datetime | None) -> int:
    """When it happened by our clock: receivedAt - (sentAt - original), never after receivedAt.

    Without `sent_at` the sender's clock is believed; without `original` it happened just now
    (wire §1). Milliseconds UTC; a time without an offset is UTC.
    """
    if original is None:
        return received_at
    happened = _millis(original)
    if sent_at is not None:
        happened += received_at - _millis(sent_at)
    return min(happened, received_at)


def _millis(at: datetime) -> int:
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
