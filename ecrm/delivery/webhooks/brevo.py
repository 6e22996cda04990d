"""Brevo's transactional webhooks: one event, or a list of them, proved by a token in a header.

Brevo has no id for an event and several clocks; `ts_epoch` is the one in UTC. Its `blocked` means
that the address is on the sender's list there for whatever reason, an unsubscription as well as a
bounce; so it says nothing about the mailbox.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm.delivery.bounces.verdict import Finding
from ecrm.delivery.webhooks import event
from ecrm.delivery.webhooks.event import MAIL_ID, RESPONSE, Event
from ecrm.moment import Instant

_EVENTS: Final[dict[str, Finding]] = {
    "delivered": Finding("delivered", "delivered"),
    "deferred": Finding("deferred", "delayed"),
    "hard_bounce": Finding("hard", "no_such_mailbox"),
    "invalid_email": Finding("hard", "no_such_mailbox"),
    "soft_bounce": Finding("soft", "unavailable"),
    "blocked": Finding("block", "suppressed_by_provider"),
    "error": Finding("block", "provider_error"),
    "spam": Finding("complaint", "abuse"),
    "complaint": Finding("complaint", "abuse"),
    "unsubscribed": Finding("unsubscribed", "opt_out"),
    "unsubscribe": Finding("unsubscribed", "opt_out"),
}
_JUDGED: Final = frozenset(("hard_bounce", "soft_bounce"))


class _Told(msgspec.Struct, frozen=True, gc=False):
    event: str
    email: str | None = None
    message_id: str | None = msgspec.field(default=None, name="message-id")
    reason: str | None = None
    ts_epoch: int | None = None
    ts_event: int | None = None
    ts: int | None = None
    custom: str | None = msgspec.field(default=None, name="X-Mailin-custom")


_decoder = msgspec.json.Decoder(_Told)


def read(item: bytes) -> list[Event]:
    """Raises msgspec.MsgspecError or ValueError on what is no event."""
    told = _decoder.decode(item)
    finding = _EVENTS.get(told.event)
    if finding is None:
        return []
    if told.event in _JUDGED:
        finding = event.weighed(finding, told.reason or "")
    found = Event(
        event_id=event.digest(item),
        verdict=finding.verdict,
        reason=finding.reason,
        at=_at(told),
        address=told.email or "",
        mail_id=event.mail_id_in(_carried(told.custom or ""), told.message_id),
        provider_id=told.message_id or "",
        response=(told.reason or "")[:RESPONSE],
    )
    return [found]


def _at(told: _Told) -> Instant:
    if told.ts_epoch is not None:
        return event.at_seconds(told.ts_epoch / 1_000)
    return event.at_seconds(told.ts_event or told.ts or -1)


def _carried(custom: str) -> str:
    """The header we sent along: the id alone, or JSON with it."""
    if not custom.startswith("{"):
        return custom.removeprefix(f"{MAIL_ID}:").strip()
    values = msgspec.json.decode(custom.encode(), type=dict[str, object])
    found = values.get(MAIL_ID)
    return found if isinstance(found, str) else ""
