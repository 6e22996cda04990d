"""Amazon SES by way of SNS: notifications and published events, one for each recipient they name.

The SNS message holds the SES one as text. That the message came from SNS, and from a topic of ours,
is proved by `proof.sns` and the actors; a message about the subscription itself says nothing about
a mail and is read by `subscription`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm import moment
from ecrm.delivery.bounces.verdict import Finding
from ecrm.delivery.webhooks import event, proof
from ecrm.delivery.webhooks.event import MAIL_ID, RESPONSE, Event

# https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types
_SUBTYPES: Final[dict[str, Finding]] = {
    "NoEmail": Finding("hard", "no_such_mailbox"),
    "Suppressed": Finding("hard", "suppressed_by_provider"),
    "OnAccountSuppressionList": Finding("hard", "suppressed_by_provider"),
    "UnsubscribedRecipient": Finding("unsubscribed", "opt_out"),
    "MailboxFull": Finding("soft", "mailbox_full"),
    "MessageTooLarge": Finding("block", "message_size"),
    "ContentRejected": Finding("block", "content"),
    "AttachmentRejected": Finding("block", "content"),
    "CustomTimeoutExceeded": Finding("soft", "expired"),
}
_TYPES: Final[dict[str, Finding]] = {
    "Permanent": Finding("hard", "no_such_mailbox"),
    "Transient": Finding("soft", "unavailable"),
}
_UNEXPLAINED: Final = Finding("unknown", "unexplained")


class _Recipient(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    email_address: str = ""
    status: str | None = None
    diagnostic_code: str | None = None


class _Bounce(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    timestamp: str
    bounce_type: str = ""
    bounce_sub_type: str = ""
    bounced_recipients: list[_Recipient] = []


class _Complaint(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    timestamp: str
    complained_recipients: list[_Recipient] = []
    complaint_sub_type: str | None = None
    complaint_feedback_type: str | None = None


class _Delivery(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    timestamp: str
    recipients: list[str] = []
    smtp_response: str = ""


class _Delay(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    timestamp: str
    delayed_recipients: list[_Recipient] = []


class _Header(msgspec.Struct, frozen=True, gc=False):
    name: str
    value: str


class _Mail(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    message_id: str = ""
    headers: list[_Header] = []
    tags: dict[str, list[str]] = {}


class _Told(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    mail: _Mail = _Mail()
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _Delivery | None = None
    delivery_delay: _Delay | None = None


class Subscription(msgspec.Struct, frozen=True, gc=False):
    """A topic that wants to send here; visiting `url` says yes."""

    topic: str
    url: str


_decoder = msgspec.json.Decoder(_Told)


def by_type(kind: str, subtype: str) -> Finding:
    """What a bounce's type and subtype mean; the subtype says more."""
    return _SUBTYPES.get(subtype) or _TYPES.get(kind, _UNEXPLAINED)


def subscription(envelope: proof.SnsMessage) -> Subscription | None:
    """Who asks to send here, where that is what the message says."""
    if envelope.kind != "SubscriptionConfirmation":
        return None
    return Subscription(envelope.topic, envelope.subscribe_url or "")


def read(item: bytes) -> list[Event]:
    """Raises msgspec.MsgspecError or ValueError on what is no notification."""
    envelope = proof.sns_message(item)
    if envelope.kind != "Notification":
        return []
    told = _decoder.decode(envelope.message.encode())
    headers = {header.name.lower(): header.value for header in told.mail.headers}
    carried = told.mail.tags.get(MAIL_ID, [""])
    mail_id = event.mail_id_in(*carried, headers.get("message-id"))
    return [
        Event(
            event_id=event.digest(envelope.message_id, who.email_address),
            verdict=finding.verdict,
            reason=finding.reason,
            at=moment.parse_instant(at),
            address=who.email_address,
            mail_id=mail_id,
            provider_id=told.mail.message_id,
            response=(who.diagnostic_code or "")[:RESPONSE],
        )
        for finding, at, who in _told(told)
    ]


def _told(told: _Told) -> list[tuple[Finding, str, _Recipient]]:
    if told.bounce is not None:
        bounce = told.bounce
        return [(_bounced(bounce, who), bounce.timestamp, who) for who in bounce.bounced_recipients]
    if told.complaint is not None:
        finding = _complained(told.complaint)
        return [
            (finding, told.complaint.timestamp, who) for who in told.complaint.complained_recipients
        ]
    if told.delivery is not None:
        delivery = told.delivery
        return [
            (
                Finding("delivered", "delivered"),
                delivery.timestamp,
                _Recipient(email_address=address, diagnostic_code=delivery.smtp_response),
            )
            for address in delivery.recipients
        ]
    if told.delivery_delay is not None:
        delayed, at = told.delivery_delay.delayed_recipients, told.delivery_delay.timestamp
        return [(Finding("deferred", "delayed"), at, who) for who in delayed]
    return []


def _bounced(bounce: _Bounce, who: _Recipient) -> Finding:
    told = by_type(bounce.bounce_type, bounce.bounce_sub_type)
    return event.weighed(told, who.diagnostic_code or "", who.status or "")


def _complained(complaint: _Complaint) -> Finding:
    """`not-spam` takes a complaint back; the subtype is there when SES did not even send."""
    if complaint.complaint_feedback_type == "not-spam":
        return Finding("unknown", "report_not_spam")
    return Finding("complaint", complaint.complaint_feedback_type or "abuse")
