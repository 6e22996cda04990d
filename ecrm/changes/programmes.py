"""What changes the stays in programmes, the mails on their way and the coupons."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ecrm import facts
from ecrm.changes.bounds import Changes
from ecrm.moment import DAY, Instant
from ecrm.state import Enrolment, Offered, Pressed, State, Waiting

# The widest window a cap can look at: a customer may ask for one mail a month.
PRESSURE_KEPT: Final = 31 * DAY


def enrolled(state: State, fact: facts.Enrolled) -> Changes:
    enrolment = Enrolment(
        programme=fact.programme,
        began_at=fact.since,
        because=fact.because,
        refs=fact.refs,
        clocks={fact.because: fact.since},
        nth=fact.nth,
        matter=fact.matter,
        round=fact.round,
    )
    return {
        "enrolments": {**state.enrolments, fact.key: enrolment},
        "stays": {**state.stays, fact.programme: state.stays.get(fact.programme, 0) + 1},
    }


def clock_set(state: State, fact: facts.ClockSet) -> Changes:
    enrolment = state.enrolments.get(fact.key)
    if enrolment is None:
        return {}
    clocks = {**enrolment.clocks, fact.clock: fact.since}
    return {"enrolments": {**state.enrolments, fact.key: replace(enrolment, clocks=clocks)}}


def awaits(state: State, fact: facts.Awaits) -> Changes:
    enrolment = state.enrolments.get(fact.key)
    if enrolment is None:
        return {}
    moved = replace(enrolment, step=fact.step, due=fact.due)
    if fact.step != enrolment.step:
        moved = replace(moved, again=0)
    return {
        "enrolments": {**state.enrolments, fact.key: moved},
        "timers": {**state.timers, fact.key: fact.due},
    }


def ended(state: State, fact: facts.Left | facts.Finished) -> Changes:
    enrolment = state.enrolments.get(fact.key)
    if enrolment is None:
        return {}
    return {
        "enrolments": {k: e for k, e in state.enrolments.items() if k != fact.key},
        "timers": {k: due for k, due in state.timers.items() if k != fact.key},
        "ended": {**state.ended, enrolment.programme: state.now},
    }


def marked(state: State, fact: facts.Marked) -> Changes:
    return {"marks": {**state.marks, fact.mark: state.now}}


def requested(state: State, fact: facts.MailRequested) -> Changes:
    mail = fact.mail
    waiting = Waiting(
        key=fact.key,
        step=mail.step,
        kind=mail.kind,
        mail_class=mail.mail_class,
        refs=fact.refs,
        to=mail.to,
        stay=state.enrolments.get(fact.key) if mail.fresh_until is not None else None,
        digest=mail.values.digest,
    )
    changes: Changes = {"waiting": {**state.waiting, mail.mail_id: waiting}}
    if mail.mail_class == "marketing":
        horizon = Instant(mail.at - PRESSURE_KEPT)
        kept = tuple(p for p in state.pressed if p.at > horizon)
        changes["pressed"] = (*kept, Pressed(mail_id=mail.mail_id, at=mail.at))
    return changes


def reconsidered(state: State, fact: facts.Reconsidered) -> Changes:
    return {
        "enrolments": {**state.enrolments, fact.key: fact.stay},
        "timers": {**state.timers, fact.key: state.now},
    }


def retracted(state: State, fact: facts.MailRetracted) -> Changes:
    """What became pointless is not decided again."""
    waiting = state.waiting.get(fact.mail_id)
    if waiting is None or waiting.stay is None:
        return {}
    return {"waiting": {**state.waiting, fact.mail_id: replace(waiting, stay=None)}}


def deferred(state: State, fact: facts.MailDeferred) -> Changes:
    if fact.key not in state.enrolments:
        return {}
    return {"timers": {**state.timers, fact.key: fact.until}}


def offered(state: State, fact: facts.OfferMade) -> Changes:
    live = tuple(offer for offer in state.offers if offer.until >= state.now)
    made = Offered(
        code=fact.code,
        percent=fact.percent,
        until=fact.until,
        programme=fact.programme,
        amount=fact.amount,
        minimum=fact.minimum,
        currency=fact.currency,
    )
    return {"offers": (*live, made)}


def used(state: State, fact: facts.OfferUsed) -> Changes:
    return {"offers": tuple(offer for offer in state.offers if offer.code != fact.code)}
