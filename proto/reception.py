"""The reception: one message as it was written becomes a `Message`, or a `Reject` that says why.

The same for a frame, an item of a batch and an HTTP body. In this order: it can be read
(`invalid`), it is about somebody (`unidentified`), this key may say it (`forbidden`), and it is
younger than the window in which a repeat would be known (`stale`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from proto import envelope, events, identity, permissions
from proto.codec import Fault, Format
from proto.envelope import Message, Source, Told
from proto.frames import Alias, Identify, Page, Reject, Said, Track

# The dedupe rows are kept that long: a repeat of what is older could be applied twice (wire §1).
WINDOW: Final = 30 * 86_400_000


def receive(
    form: Format,
    data: bytes | msgspec.Raw,
    received_at: int,
    source: Source,
    *,
    sent_at: datetime | None = None,
    kind: str = "",
    prove: identity.Prove | None = identity.unproved,
) -> Message | Reject:
    """Read one message. `sent_at` is its batch's, `kind` for where the body does not say it;
    `prove` judges a userHash, and None asks nobody: what was accepted once is read again.

    Never raises for what the bytes say. `received_at` is UTC milliseconds.
    """
    try:
        said = form.said(data, kind)
    except Fault as fault:
        return Reject(form.id_of(data), "invalid", fault.path, fault.reason)
    return admit(form, said, data, received_at, source, sent_at=sent_at, prove=prove)


def admit(
    form: Format,
    said: Said,
    data: bytes | msgspec.Raw,
    received_at: int,
    source: Source,
    *,
    sent_at: datetime | None = None,
    prove: identity.Prove | None = identity.unproved,
) -> Message | Reject:
    """The second half of `receive`, for a message whose envelope is read already."""
    try:
        message = _message(form, said, bytes(data), received_at, source, sent_at)
    except Fault as fault:
        return Reject(said.message_id, "invalid", fault.path, fault.reason)
    if prove is None:
        return message
    proved = message.user_id is not None and prove(message.user_id, said.user_hash or "")
    return _reject(message, received_at, proved=proved) or message


def _message(
    form: Format,
    said: Said,
    data: bytes,
    received_at: int,
    source: Source,
    sent_at: datetime | None,
) -> Message:
    name, event = _told(form, said)
    return Message(
        kind=_KINDS[type(said)],
        message_id=said.message_id,
        event_name=name,
        event=event,
        timestamp=_when(said, received_at, sent_at),
        user_id=_free(said.user_id, "$.userId"),
        anonymous_id=said.anonymous_id or None,
        previous_id=_free(said.previous_id, "$.previousId") if isinstance(said, Alias) else None,
        source=source,
        original=form.redacted(data, event, proof=said.user_hash is not None),
    )


_KINDS: Final[dict[type, envelope.Kind]] = {
    Track: "track",
    Identify: "identify",
    Page: "page",
    Alias: "alias",
}


def _told(form: Format, said: Said) -> tuple[str, Told]:
    match said:
        case Track():
            return form.event(said.event, said.properties)
        case Identify():
            return envelope.IDENTIFIED, form.traits(said.traits)
        case Page():
            page = form.page(said.properties)
            name, category = said.name or page.name, said.category or page.category
            return envelope.PAGE_VIEWED, replace(page, name=name, category=category)
        case _ if not said.user_id:
            raise Fault("An alias needs the userId that previousId is", "$.userId")
        case _:
            return envelope.ALIASED, envelope.Aliased()


def _free(who: str | None, path: str) -> str | None:
    if who and who.startswith(envelope.RESERVED):
        reserved = " and ".join(repr(prefix) for prefix in envelope.RESERVED)
        raise Fault(f"{reserved} are reserved: say anonymousId for a visitor", path)
    return who or None


def _when(said: Said, received_at: int, sent_at: datetime | None) -> int:
    original = said.original_timestamp or said.timestamp
    return envelope.corrected(received_at, original, said.sent_at or sent_at)


def _reject(message: Message, received_at: int, *, proved: bool) -> Reject | None:
    nobody = message.user_id is None and message.anonymous_id is None
    if nobody and message.event_name not in events.BROADCAST:
        reason = "neither userId nor anonymousId: whose event is it?"
        return Reject(message.message_id, "unidentified", "$", reason)
    refusal = permissions.refusal(message.source, message, proved=proved)
    if refusal is not None:
        return Reject(message.message_id, "forbidden", "$", refusal)
    if message.timestamp < received_at - WINDOW:
        reason = "older than 30 days: import history instead of sending it"
        return Reject(message.message_id, "stale", "$.timestamp", reason)
    return None
