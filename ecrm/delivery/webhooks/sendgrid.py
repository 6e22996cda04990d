"""SendGrid's event webhook: a list of events, signed with ECDSA (checked by the actors).

`bounce` has a `type`: `bounce`, or `blocked` where the server refused us and not the address.
`dropped` is a mail that SendGrid did not send because of what is on its own list. The arguments
that a mail was sent with stand among the event's own fields.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm.delivery.bounces.verdict import Finding
from ecrm.delivery.webhooks import event
from ecrm.delivery.webhooks.event import RESPONSE, Event

_EVENTS: Final[dict[str, Finding]] = {
    "delivered": Finding("delivered", "delivered"),
    "deferred": Finding("deferred", "delayed"),
    "spamreport": Finding("complaint", "abuse"),
    "unsubscribe": Finding("unsubscribed", "opt_out"),
    "group_unsubscribe": Finding("unsubscribed", "opt_out"),
}
_HARD: Final = Finding("hard", "no_such_mailbox")
_BLOCKED: Final = Finding("block", "refused")
# https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
_DROPPED: Final[dict[str, Finding]] = {
    "bounced address": Finding("hard", "suppressed_by_provider"),
    "invalid": _HARD,
    "spam reporting address": Finding("complaint", "abuse"),
    "unsubscribed address": Finding("unsubscribed", "opt_out"),
}


class _Told(msgspec.Struct, frozen=True, gc=False):
    event: str
    timestamp: float
    email: str | None = None
    sg_event_id: str | None = None
    sg_message_id: str | None = None
    smtp_id: str | None = msgspec.field(default=None, name="smtp-id")
    type: str | None = None
    reason: str | None = None
    response: str | None = None
    status: str | None = None
    mail_id: str | None = None


_decoder = msgspec.json.Decoder(_Told)


def read(item: bytes) -> list[Event]:
    """Raises msgspec.MsgspecError or ValueError on what is no event."""
    told = _decoder.decode(item)
    finding = _finding(told)
    if finding is None:
        return []
    found = Event(
        event_id=told.sg_event_id or event.digest(item),
        verdict=finding.verdict,
        reason=finding.reason,
        at=event.at_seconds(told.timestamp),
        address=told.email or "",
        mail_id=event.mail_id_in(told.mail_id, told.smtp_id),
        # What was answered at the hand-over is the part before the first point.
        provider_id=(told.sg_message_id or "").partition(".")[0],
        response=(told.reason or told.response or "")[:RESPONSE],
    )
    return [found]


def _finding(told: _Told) -> Finding | None:
    match told.event:
        case "bounce":
            first = _BLOCKED if told.type == "blocked" else _HARD
            return event.weighed(first, told.reason or "", told.status or "")
        case "dropped":
            reason = (told.reason or "").strip().lower()
            return _DROPPED.get(reason, Finding("block", "provider_error"))
        case name:
            return _EVENTS.get(name)
