"""What others are told: frames to the back ends that subscribed (wire §1, §3).

Each notice belongs to a topic: `mail` (what became of a mail, in Segment's e-mail names), `coupon`
and `segment`. They are fleeting: lost with the connection, never repeated. `at` is UTC
milliseconds; ids are those the shop knows, and nothing here carries a secret or a body.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

Topic = Literal["mail", "coupon", "segment"]
TOPICS: Final[tuple[Topic, ...]] = ("mail", "coupon", "segment")

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def _wire_name(class_name: str) -> str:
    return (
        "Email Marked as Spam" if class_name == "EmailMarkedAsSpam" else _WORD.sub(" ", class_name)
    )


class _Notice(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    rename="camel",
    tag=_wire_name,
    tag_field="event",
):
    customer_id: str
    at: int


class _MailNotice(_Notice, frozen=True, kw_only=True):
    """`kind` is the number of mission §8 (`"k07"`)."""

    mail_id: str
    kind: str = ""
    programme: str = ""
    step: str = ""


class EmailSent(_MailNotice, frozen=True, kw_only=True):
    """The next server, or the Maildir, has taken it."""


class EmailWithheld(_Notice, frozen=True, kw_only=True):
    """A mail that was wanted and is not sent, and its one reason (law 9)."""

    reason: str
    mail_id: str = ""
    kind: str = ""
    programme: str = ""
    step: str = ""


class EmailDeferred(_MailNotice, frozen=True, kw_only=True):
    """Not taken yet; it is tried again."""

    response: str = ""


class EmailFailed(_MailNotice, frozen=True, kw_only=True):
    """Given up."""

    response: str = ""


class EmailDelivered(_MailNotice, frozen=True, kw_only=True):
    """It reached the mailbox, says the provider."""


class EmailOpened(_MailNotice, frozen=True, kw_only=True):
    """Only with consent to the tracking of opens."""


class EmailLinkClicked(_MailNotice, frozen=True, kw_only=True):
    link: str = ""


class EmailBounced(_MailNotice, frozen=True, kw_only=True):
    """It came back; `permanent` where the address is no good."""

    permanent: bool = False
    response: str = ""


class EmailMarkedAsSpam(_MailNotice, frozen=True, kw_only=True):
    """The recipient complained."""


class Unsubscribed(_Notice, frozen=True, kw_only=True):
    """The person wants no more of `scope`; `mail_id` is the mail it was said in, if any."""

    mail_id: str = ""
    scope: str = ""


class CouponIssued(_Notice, frozen=True, kw_only=True):
    """Create this coupon, for this person and one order: a mail is about to promise it. It is worth
    `percent`, or else `amount`, on orders of at least `minimum`, both in minor units of `currency`;
    `until` is UTC milliseconds.
    """

    code: str
    percent: int
    until: int
    amount: int = 0
    minimum: int = 0
    currency: str = ""
    programme: str = ""
    step: str = ""


class CouponRedeemed(_Notice, frozen=True, kw_only=True):
    """An order named it; it `cost` so much, in minor units of `currency`."""

    code: str
    order_id: str = ""
    programme: str = ""
    cost: int = 0
    currency: str = ""


class SegmentChanged(_Notice, frozen=True, kw_only=True):
    """The person moved on one axis: `stage`, `tier` or `rfm` (mission §9.10)."""

    axis: str
    before: str
    after: str


Notice = (
    EmailSent
    | EmailWithheld
    | EmailDeferred
    | EmailFailed
    | EmailDelivered
    | EmailOpened
    | EmailLinkClicked
    | EmailBounced
    | EmailMarkedAsSpam
    | Unsubscribed
    | CouponIssued
    | CouponRedeemed
    | SegmentChanged
)

_TOPIC_OF: Final[dict[type, Topic]] = {
    CouponIssued: "coupon",
    CouponRedeemed: "coupon",
    SegmentChanged: "segment",
}


def topic_of(notice: Notice) -> Topic:
    return _TOPIC_OF.get(type(notice), "mail")
