"""Effects: what a fact asks of the world outside.

Two kinds. `Send`, `Cancel` and `Tell` are durable: rows of the very transaction that holds the
fact. `Notify` is fleeting: told to subscribers after the commit, and lost with the process. Waking
up is no effect: the alarm row is the earliest timer of the state (law 5).
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecrm import facts, mail, messages
from ecrm.moment import CustomerId, Instant
from proto import notices


class Send(msgspec.Struct, frozen=True, gc=False):
    """A mail goes to the outbox."""

    mail: mail.Mail


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """A mail that still waits in the outbox is not sent."""

    mail_id: str
    why: str


class Tell(msgspec.Struct, frozen=True, gc=False):
    """Another customer is told something, surely and once."""

    customer_id: CustomerId
    message: messages.Inward


class Notify(msgspec.Struct, frozen=True, gc=False):
    """Subscribed back ends hear of it."""

    notice: notices.Notice


Effect = Send | Cancel | Tell | Notify


# Most facts ask for nothing; they are passed over at once, because this runs for every one.
_ASKING: Final = frozenset(
    (
        facts.MailRequested,
        facts.MailRetracted,
        facts.Recognised,
        facts.Bound,
        facts.Heard,
        facts.MailWithheld,
        facts.OfferMade,
    )
)


def effects_of(customer_id: CustomerId, fact: facts.AnyFact, now: Instant) -> tuple[Effect, ...]:
    """What a fact of this customer, made at `now`, asks of the world."""
    if type(fact) not in _ASKING:
        return ()
    match fact:
        case facts.MailRequested(mail=wanted):
            return (Send(wanted),)
        case facts.MailRetracted(mail_id=mail_id, because=because):
            return (Cancel(mail_id, because),)
        case facts.Recognised(visitor=visitor):
            return (Tell(visitor, messages.Bind(customer_id)),)
        case facts.Bound(to=to, cart=cart, consents=consents, orders=orders, stays=stays):
            return (Tell(to, messages.Inherit(customer_id, cart, consents, orders, stays)),)
        case _:
            notice = _notice_of(customer_id, fact, now)
            return () if notice is None else (Notify(notice),)


# How the terminal states of the queue are told to others; the rest is told as withheld.
_SENT: Final = frozenset(("accepted", "accepted_unknown"))


def _notice_of(customer_id: CustomerId, fact: facts.AnyFact, now: Instant) -> notices.Notice | None:
    match fact:
        case facts.Heard(mail_id=mail_id, outcome=outcome, response=response, kind=kind, key=key):
            programme = key.partition("/")[0]
            if outcome in _SENT:
                return notices.EmailSent(
                    customer_id=customer_id, at=now, mail_id=mail_id, kind=kind, programme=programme
                )
            if outcome == "dead":
                return notices.EmailFailed(
                    customer_id=customer_id,
                    at=now,
                    mail_id=mail_id,
                    kind=kind,
                    programme=programme,
                    response=response,
                )
            return notices.EmailWithheld(
                customer_id=customer_id,
                at=now,
                reason=outcome,
                mail_id=mail_id,
                kind=kind,
                programme=programme,
            )
        case facts.MailWithheld(key=key, step=step, kind=kind, reason=reason):
            return notices.EmailWithheld(
                customer_id=customer_id,
                at=now,
                reason=reason,
                kind=kind,
                programme=key.partition("/")[0],
                step=step,
            )
        case facts.OfferMade(code=code, percent=percent, until=until, programme=programme):
            return notices.CouponIssued(
                customer_id=customer_id,
                at=now,
                code=code,
                percent=percent,
                until=until,
                programme=programme,
            )
        case _:
            return None
