"""Effects: what a fact asks of the world outside.

Two kinds. `Send`, `Cancel`, `Tell`, `Erase`, `Suppress` and `Free` are durable: rows of the very
transaction that holds the fact. `Notify` is fleeting: told to subscribers after the commit, and
lost with the process. Waking up is no effect: the alarm row is the earliest timer of the state
(law 5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ecrm import facts, messages
from ecrm.delivery.suppression import Scope
from ecrm.mail import Mail
from ecrm.moment import NEVER, CustomerId, Instant
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


class Suppress(msgspec.Struct, frozen=True, gc=False):
    """An address goes on the suppression list, whoever writes to it."""

    address: str
    scope: Scope
    reason: str
    until: Instant = NEVER


class Free(msgspec.Struct, frozen=True, gc=False):
    """An address leaves the suppression list, whatever it was there for."""

    address: str


class Notify(msgspec.Struct, frozen=True, gc=False):
    """Subscribed back ends hear of it."""

    notice: notices.Notice


Effect = Send | Cancel | Tell | Erase | Suppress | Free | Notify


# How the terminal states of the queue are told to others; the rest is told as withheld.
_SENT: Final = frozenset(("accepted", "accepted_unknown"))


def _heard(who: CustomerId, fact: facts.Heard, now: Instant) -> notices.Notice | None:
    if fact.outcome == "stale":
        # It is decided again in this very turn, and what comes of that is told.
        return None
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


def _returned(who: CustomerId, fact: facts.Returned, now: Instant) -> notices.Notice | None:
    mail_id, kind, programme = fact.mail_id, fact.kind, fact.programme
    match fact.verdict:
        case "hard" | "soft" | "block" if fact.proved:
            return notices.EmailBounced(
                customer_id=who,
                at=now,
                mail_id=mail_id,
                kind=kind,
                programme=programme,
                permanent=fact.verdict == "hard",
                response=fact.response,
            )
        case "complaint" if fact.proved:
            return notices.EmailMarkedAsSpam(
                customer_id=who, at=now, mail_id=mail_id, kind=kind, programme=programme
            )
        case _:
            return None


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
    facts.Returned: _returned,
    facts.MailWithheld: _withheld,
    facts.OfferMade: _issued,
    facts.OfferUsed: _redeemed,
    facts.Assessed: _moved,
    facts.Scored: _scored,
}


def _bound(who: CustomerId, fact: facts.Bound) -> Tell:
    legacy = fact.legacy or _legacy(who, fact)
    return Tell(fact.to, messages.Inherit(legacy.customer_id, legacy=legacy))


def _legacy(customer_id: CustomerId, fact: facts.Bound) -> State:
    """What was handed on before lives were handed on whole."""
    return State(
        customer_id,
        cart=fact.cart,
        consents=fact.consents,
        orders=fact.orders,
        enrolments=fact.stays,
    )


_DURABLE: Final[dict[type, Callable[[CustomerId, Any], Effect]]] = {
    facts.MailRequested: lambda _, fact: Send(fact.mail),
    facts.MailRetracted: lambda _, fact: Cancel(fact.mail_id, fact.because),
    facts.Recognised: lambda who, fact: Tell(fact.visitor, messages.Bind(who)),
    facts.Joined: lambda who, fact: Tell(fact.former, messages.Bind(who)),
    facts.Bound: _bound,
    facts.AddressSuppressed: lambda _, fact: Suppress(
        fact.address, fact.scope, fact.reason, fact.until
    ),
    facts.AddressFreed: lambda _, fact: Free(fact.address),
}


def effects_of(customer_id: CustomerId, fact: facts.AnyFact, now: Instant) -> tuple[Effect, ...]:
    """What a fact of this customer, made at `now`, asks of the world."""
    durable = _DURABLE.get(type(fact))
    if durable is not None:
        return (durable(customer_id, fact),)
    fleeting = _NOTICES.get(type(fact))
    notice = None if fleeting is None else fleeting(customer_id, fact, now)
    return () if notice is None else (Notify(notice),)
