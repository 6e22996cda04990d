"""Mailgun's webhooks: one event beside its signature, in JSON.

`failed` is permanent or temporary by its `severity`; a temporary one is tried again by Mailgun.
Where the `reason` begins with `suppress-`, the mail never left: the address is on Mailgun's list.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm.delivery.bounces.verdict import Finding
from ecrm.delivery.webhooks import event
from ecrm.delivery.webhooks.event import MAIL_ID, RESPONSE, Event

_EVENTS: Final[dict[str, Finding]] = {
    "delivered": Finding("delivered", "delivered"),
    "complained": Finding("complaint", "abuse"),
    "unsubscribed": Finding("unsubscribed", "opt_out"),
    "rejected": Finding("block", "provider_error"),
}
_SUPPRESSED: Final[dict[str, Finding]] = {
    "suppress-bounce": Finding("hard", "suppressed_by_provider"),
    "suppress-complaint": Finding("complaint", "abuse"),
    "suppress-unsubscribe": Finding("unsubscribed", "opt_out"),
}


class _Headers(msgspec.Struct, frozen=True, gc=False):
    message_id: str | None = msgspec.field(default=None, name="message-id")


class _Message(msgspec.Struct, frozen=True, gc=False):
    headers: _Headers = _Headers()


class _Status(msgspec.Struct, frozen=True, gc=False):
    code: int | None = None
    message: str | None = None
    description: str | None = None
    enhanced: str | None = msgspec.field(default=None, name="enhanced-code")


class _Data(msgspec.Struct, frozen=True, gc=False):
    event: str
    timestamp: float
    id: str | None = None
    recipient: str | None = None
    severity: str | None = None
    reason: str | None = None
    status: _Status | None = msgspec.field(default=None, name="delivery-status")
    message: _Message | None = None
    # An empty list where there are none.
    variables: object = msgspec.field(default=None, name="user-variables")


class _Told(msgspec.Struct, frozen=True, gc=False):
    data: _Data = msgspec.field(name="event-data")


_decoder = msgspec.json.Decoder(_Told)


def read(item: bytes) -> list[Event]:
    """Raises msgspec.MsgspecError or ValueError on what is no event."""
    data = _decoder.decode(item).data
    response = _response(data.status)
    finding = _finding(data, response)
    if finding is None:
        return []
    headers = data.message.headers if data.message else _Headers()
    variables = data.variables if isinstance(data.variables, dict) else {}
    found = Event(
        event_id=data.id or event.digest(item),
        verdict=finding.verdict,
        reason=finding.reason,
        at=event.at_seconds(data.timestamp),
        address=data.recipient or "",
        mail_id=event.mail_id_in(variables.get(MAIL_ID), headers.message_id),
        provider_id=(headers.message_id or "").strip("<>"),
        response=response[:RESPONSE],
    )
    return [found]


def _response(status: _Status | None) -> str:
    if status is None:
        return ""
    said = status.message or status.description or ""
    return f"{status.code} {said}" if status.code and not said[:3].isdigit() else said


def _finding(data: _Data, response: str) -> Finding | None:
    if data.event != "failed":
        return _EVENTS.get(data.event)
    if data.reason in _SUPPRESSED:
        return _SUPPRESSED[data.reason]
    if data.severity == "temporary":
        return Finding("deferred", "delayed")
    enhanced = data.status.enhanced if data.status else None
    return event.weighed(Finding("hard", "no_such_mailbox"), response, enhanced or "")
