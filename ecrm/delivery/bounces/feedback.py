"""Complaints: abuse reports (ARF, RFC 5965) and what a few providers send in their place.

Who complained is usually blacked out; the mail is found by the return path that the report repeats
(`Original-Mail-From`), or by the Message-ID of the mail it encloses. Not every report is a
complaint: `not-spam` takes one back, `auth-failure` (RFC 6591) speaks of signatures and `virus` of
what a scanner thinks; none of them says that a person wants no more mail.
"""

from __future__ import annotations

from typing import Final

from ecrm.delivery.bounces.parts import Parts
from ecrm.delivery.bounces.verdict import Finding

COMPLAINT: Final = Finding("complaint", "abuse")
# RFC 5965 §7.3 and what was registered since; those left out are no complaints.
_COMPLAINTS: Final = {
    "abuse": COMPLAINT,
    "fraud": Finding("complaint", "fraud"),
    "opt-out": Finding("unsubscribed", "opt_out"),
    "opt-out-list": Finding("unsubscribed", "opt_out"),
    "other": COMPLAINT,
}
# Outlook.com's older reports are the mail itself with this header put in.
_OUTLOOK: Final = "x-hmxmroriginalrecipient"


def find(parts: Parts) -> Finding | None:
    """What a report says, or None where this is no report."""
    if parts.feedback or parts.report == "feedback-report":
        kind = parts.feedback.get("feedback-type", "abuse").partition(";")[0].strip().lower()
        return _COMPLAINTS.get(kind, Finding("unknown", f"report_{_word(kind)}"))
    if _OUTLOOK in parts.original:
        return COMPLAINT
    return None


def recipient_of(parts: Parts) -> str:
    """Whom the report names, where it does."""
    names = ("original-rcpt-to", "removal-recipient")
    told = next((parts.feedback[name] for name in names if name in parts.feedback), "")
    return (told or parts.original.get(_OUTLOOK, "")).strip("<> ")


def envelope_of(parts: Parts) -> str:
    """The return path that the report repeats."""
    return parts.feedback.get("original-mail-from", "").strip("<> ")


def _word(kind: str) -> str:
    return "".join(char if char.isascii() and char.isalnum() else "_" for char in kind[:20])
