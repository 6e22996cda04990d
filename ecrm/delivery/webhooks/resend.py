"""Resend's webhooks: one event in the envelope of Svix.

Bounces carry a type and a subtype, as SES has them; `message` is a text for people and speaks of
reputation even where there was none lost, so only `diagnosticCode`, the server's own words, is
weighed. An event may name several recipients; we send to one.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm import moment
from ecrm.delivery.bounces.verdict import Finding
from ecrm.delivery.webhooks import event, ses
from ecrm.delivery.webhooks.event import MAIL_ID, RESPONSE, Event

_EVENTS: Final[dict[str, Finding]] = {
    "email.delivered": Finding("delivered", "delivered"),
    "email.delivery_delayed": Finding("deferred", "delayed"),
    "email.complained": Finding("complaint", "abuse"),
    "email.suppressed": Finding("hard", "suppressed_by_provider"),
    "email.failed": Finding("block", "provider_error"),
}


class _Bounce(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    message: str | None = None
    type: str | None = None
    sub_type: str | None = None
    # A list of them in what was seen; not documented.
    diagnostic_code: list[str] | str | None = None


class _Data(msgspec.Struct, frozen=True, gc=False):
    email_id: str | None = None
    to: list[str] | None = None
    bounce: _Bounce | None = None
    message_id: str | None = None
    # A mapping in what Resend sends, a list of names and values in what it is sent.
    tags: object = None


class _Told(msgspec.Struct, frozen=True, gc=False):
    type: str
    created_at: str
    data: _Data


_decoder = msgspec.json.Decoder(_Told)


def read(item: bytes) -> list[Event]:
    """Raises msgspec.MsgspecError or ValueError on what is no event."""
    told = _decoder.decode(item)
    data = told.data
    bounce = data.bounce or _Bounce()
    finding = _EVENTS.get(told.type)
    if told.type == "email.bounced":
        told_so = ses.by_type(bounce.type or "Permanent", bounce.sub_type or "")
        finding = event.weighed(told_so, _said(bounce))
    if finding is None:
        return []
    found = Event(
        event_id=event.digest(item),
        verdict=finding.verdict,
        reason=finding.reason,
        at=moment.parse_instant(told.created_at),
        address=_address((data.to or [""])[0]),
        mail_id=event.mail_id_in(_tag(data.tags), data.message_id),
        provider_id=data.email_id or "",
        response=(_said(bounce) or bounce.message or "")[:RESPONSE],
    )
    return [found]


def _said(bounce: _Bounce) -> str:
    code = bounce.diagnostic_code or ""
    return code if isinstance(code, str) else " ".join(code)


def _address(to: str) -> str:
    return to.rpartition("<")[2].rstrip("> ")


def _tag(tags: object) -> object:
    if isinstance(tags, dict):
        return tags.get(MAIL_ID)
    pairs = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return next((tag.get("value") for tag in pairs if tag.get("name") == MAIL_ID), None)
