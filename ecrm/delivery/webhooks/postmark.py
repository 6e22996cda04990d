"""Postmark's webhooks: bounces, complaints, deliveries, changes of its own suppression list.

Proved by basic authentication. `Details` is what the receiving server said. The record types that
are not here (Open, Click) are none of our business: we measure ourselves, by consent.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm import moment
from ecrm.delivery.bounces.verdict import Finding
from ecrm.delivery.webhooks import event
from ecrm.delivery.webhooks.event import MAIL_ID, RESPONSE, Event

_REFUSED: Final = Finding("block", "provider_error")
_ANSWER: Final = Finding("auto_reply", "automatic")

# https://postmarkapp.com/developer/api/bounce-api#bounce-types
_TYPES: Final[dict[str, Finding]] = {
    "HardBounce": Finding("hard", "no_such_mailbox"),
    "BadEmailAddress": Finding("hard", "no_such_mailbox"),
    "SoftBounce": Finding("soft", "unavailable"),
    "DnsError": Finding("soft", "name_service"),
    "Transient": Finding("deferred", "delayed"),
    "SpamNotification": Finding("block", "spam"),
    "VirusNotification": Finding("block", "content"),
    "Blocked": Finding("block", "refused"),
    "DMARCPolicy": Finding("block", "authentication"),
    "SMTPApiError": _REFUSED,
    "TemplateRenderingFailed": _REFUSED,
    "AutoResponder": _ANSWER,
    "AddressChange": _ANSWER,
    "ChallengeVerification": Finding("auto_reply", "challenge"),
    "SpamComplaint": Finding("complaint", "abuse"),
    "Unsubscribe": Finding("unsubscribed", "opt_out"),
}
_SUPPRESSED: Final[dict[str, Finding]] = {
    "HardBounce": Finding("hard", "suppressed_by_provider"),
    "SpamComplaint": Finding("complaint", "abuse"),
    "ManualSuppression": Finding("unsubscribed", "opt_out"),
}


class _Record(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    record_type: str
    ID: int | None = msgspec.field(default=None, name="ID")
    message_id: str | None = msgspec.field(default=None, name="MessageID")
    type: str | None = None
    email: str | None = None
    recipient: str | None = None
    details: str | None = None
    bounced_at: str | None = None
    delivered_at: str | None = None
    changed_at: str | None = None
    suppress_sending: bool = False
    suppression_reason: str | None = None
    metadata: dict[str, object] | None = None


_decoder = msgspec.json.Decoder(_Record)


def read(item: bytes) -> list[Event]:
    """Raises msgspec.MsgspecError or ValueError on what is no record."""
    record = _decoder.decode(item)
    finding = _finding(record)
    if finding is None:
        return []
    at = record.bounced_at or record.delivered_at or record.changed_at
    found = Event(
        event_id=f"{record.record_type}/{record.ID}" if record.ID else event.digest(item),
        verdict=finding.verdict,
        reason=finding.reason,
        at=moment.parse_instant(at or ""),
        address=record.email or record.recipient or "",
        mail_id=event.mail_id_in((record.metadata or {}).get(MAIL_ID)),
        provider_id=record.message_id or "",
        response=(record.details or "")[:RESPONSE],
    )
    return [found]


def _finding(record: _Record) -> Finding | None:
    match record.record_type:
        case "Bounce":
            told = _TYPES.get(record.type or "", Finding("unknown", "unexplained"))
            return event.weighed(told, record.details or "")
        case "SpamComplaint":
            return _TYPES["SpamComplaint"]
        case "Delivery":
            return Finding("delivered", "delivered")
        case "SubscriptionChange" if record.suppress_sending:
            return _SUPPRESSED.get(record.suppression_reason or "")
        case _:
            return None
