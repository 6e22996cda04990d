"""Effects: what a fact asks of the world outside.

Two kinds. `Send`, `Cancel`, `Tell` and `Erase` are durable: rows of the very transaction that holds
the fact. `Notify` is fleeting: told to subscribers after the commit, and lost with the process.
Waking up is no effect: the alarm row is the earliest timer of the state (law 5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ecrm import facts, messages
from ecrm.mail import Mail
from ecrm.moment import CustomerId, Instant
from ecrm.state import State
from proto import notices


class Send(msgspec.Struct, frozen=True, gc=False):
    """A mail goes to the outbox; `kept` is what remains of one with a secret once it is settled."""

    mail: Mail
    kept: Mail | None = None


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """A mail that still waits in the outbox is not sent."""

    mail_id: str
    why: str


class Tell(msgspec.Struct, frozen=True, gc=False):
    """Another customer is told something, surely and once."""

    customer_id: CustomerId
    message: messages.Inward


class Erase(msgspec.Struct, frozen=True, gc=False):
    """All rows of this customer, and of those it was before, go."""

    customer_ids: tuple[CustomerId, ...]


class Notify(msgspec.Struct, frozen=True, gc=False):
    """Subscribed back ends hear of it."""

    notice: notices.Notice


Effect = Send | Cancel | Tell | Erase | Notify


# How the terminal states of the queue are told to others; the rest is told as withheld.
_SENT: Final = frozenset(("accepted", "accepted_unknown"))


def _heard(who: CustomerId, fact: facts.Heard, now: Instant) -> notices.Notice:
    mail_id, kind, programme = fact.mail_id, fact.kind, fact.key.partition("/")[0]
    if fact.outcome in _SENT:
        return notices.EmailSent(
            customer_id=who, at=now, mail_id=mail_id, kind=kind, programme=programme
        )
    if fact.outcome == "dead":
        return notices.EmailFailed(
            customer_id=who,
            at=now,
            mail_id=mail_id,
            kind=kind,
            programme=programme,
            response=fact.response,
        )
    return notices.EmailWithheld(
        customer_id=who,
        at=now,
        reason=fact.outcome,
        mail_id=mail_id,
        kind=kind,
        programme=programme,
    )


def _withheld(who: CustomerId, fact: facts.MailWithheld, now: Instant) -> notices.Notice:
    return notices.EmailWithheld(
        customer_id=who,
        at=now,
        reason=fact.reason,
        kind=fact.kind,
        programme=fact.key.partition("/")[0],
        step=fact.step,
    )


def _issued(who: CustomerId, fact: facts.OfferMade, now: Instant) -> notices.Notice:
    return notices.CouponIssued(
        customer_id=who,
        at=now,
        code=fact.code,
        percent=fact.percent,
        until=fact.until,
        programme=fact.programme,
        amount=fact.amount,
        minimum=fact.minimum,
        currency=fact.currency,
    )


def _redeemed(who: CustomerId, fact: facts.OfferUsed, now: Instant) -> notices.Notice:
    return notices.CouponRedeemed(
        customer_id=who,
        at=now,
        code=fact.code,
        order_id=fact.order_id,
        programme=fact.programme,
        cost=fact.cost,
        currency=fact.currency,
    )


def _moved(who: CustomerId, fact: facts.Assessed, now: Instant) -> notices.Notice | None:
    if fact.tier == fact.before:
        return None
    return notices.SegmentChanged(
        customer_id=who, at=now, axis="tier", before=fact.before, after=fact.tier
    )


def _scored(who: CustomerId, fact: facts.Scored, now: Instant) -> notices.Notice | None:
    if fact.segment == fact.before:
        return None
    return notices.SegmentChanged(
        customer_id=who, at=now, axis="rfm", before=fact.before, after=fact.segment
    )


_NOTICES: Final[dict[type, Callable[[CustomerId, Any, Instant], notices.Notice | None]]] = {
    facts.Heard: _heard,
    facts.MailWithheld: _withheld,
    facts.OfferMade: _issued,
    facts.OfferUsed: _redeemed,
    facts.Assessed: _moved,
    facts.Scored: _scored,
}

# Most facts ask for nothing; they are passed over at once, because this runs for every one.
_ASKING: Final = frozenset(
    (
        facts.MailRequested,
        facts.MailRetracted,
        facts.Recognised,
        facts.Joined,
        facts.Bound,
        *_NOTICES,
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
        case facts.Recognised(visitor=other) | facts.Joined(former=other):
            return (Tell(other, messages.Bind(customer_id)),)
        case facts.Bound():
            legacy = fact.legacy or _legacy(customer_id, fact)
            return (Tell(fact.to, messages.Inherit(legacy.customer_id, legacy=legacy)),)
        case _:
            notice = _NOTICES[type(fact)](customer_id, fact, now)
            return () if notice is None else (Notify(notice),)


def _legacy(customer_id: CustomerId, fact: facts.Bound) -> State:
    """What was handed on before lives were handed on whole."""
    return State(
        customer_id,
        cart=fact.cart,
        consents=fact.consents,
        orders=fact.orders,
        enrolments=fact.stays,
    )
