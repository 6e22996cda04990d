"""What comes back to a return path, read: bounces, complaints, automatic answers.

`read` takes any bytes and never raises. The mail it is about is known from the return path it came
to (`ecrm.delivery.returns`), even where nothing here can be read: the token beats the parsing, and
parsing only says what happened.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ecrm.delivery.bounces import autoreply, feedback, notification, parts
from ecrm.delivery.bounces.parts import Parts
from ecrm.delivery.bounces.verdict import Finding, Verdict

__all__ = ["Returned", "Verdict", "read"]

# What mail servers write when they hand a message over, and then what its sender wrote.
_SENT_TO: Final = ("x-original-to", "delivered-to", "envelope-to", "to")
_ADDRESS: Final = re.compile(r"[^\s<>,;:\"]{1,64}@[^\s<>,;:\"]{1,255}")
UNREADABLE = Finding("unknown", "unreadable")
NO_REPORT = Finding("unknown", "no_report")


class Returned(msgspec.Struct, frozen=True, gc=False):
    """What a returned message says. All but `verdict` and `reason` may be empty, and none of it is
    proved: `address` is whom it names, `status` and `text` what the server said, `message_id` the
    Message-ID of our mail, `envelope` the return path that a complaint repeats, `sent_to` where the
    message itself says that it was sent.
    """

    verdict: Verdict
    reason: str
    address: str = ""
    status: str = ""
    text: str = ""
    message_id: str = ""
    envelope: str = ""
    sent_to: tuple[str, ...] = ()


def read(raw: bytes) -> Returned:
    """What a message to a return path says. Total: never raises, whatever the bytes."""
    taken = parts.take_apart(raw)
    if not taken.readable:
        return Returned(UNREADABLE.verdict, UNREADABLE.reason)
    headers = taken.headers
    notice = _notice(taken)
    return Returned(
        verdict=notice.finding.verdict,
        reason=notice.finding.reason,
        address=notice.address,
        status=notice.status,
        text=notice.text,
        message_id=taken.original.get("message-id", ""),
        envelope=feedback.envelope_of(taken) or taken.original.get("return-path", "").strip("<> "),
        sent_to=tuple(one for name in _SENT_TO for one in _ADDRESS.findall(headers.get(name, ""))),
    )


def _notice(taken: Parts) -> notification.Notice:
    complaint = feedback.find(taken)
    if complaint is not None:
        return notification.Notice(complaint, feedback.recipient_of(taken))
    notice = notification.from_status(taken)
    if notice is not None:
        return notice
    # Postfix and Exim call their bounces auto-replied too, so a report is asked for first.
    if notification.is_report(taken) and not autoreply.is_absence(taken):
        return notification.from_words(taken)
    answer = autoreply.find(taken)
    return notification.Notice(answer or NO_REPORT)
