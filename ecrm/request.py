"""Requests: a mail that is wanted and may go becomes rows for the queue.

What speaks against a mail once its own condition holds is asked here too (`refusal`), in one order:
too late, said by a later one, no legal basis, nobody to write to, nobody who may be written to,
nothing to show, nothing left to give away. A coupon is made with the mail that promises it, unless
one of the same programme still lives: then that one is shown again (never two). A secret stands in
the mail for the queue and nowhere else.
"""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from ecrm import (
    catalogue,
    consent,
    facts,
    lateness,
    mail,
    mailboxes,
    matters,
    offers,
    programme,
    tracking,
    values,
)
from ecrm.acceptance.said import invitee_of
from ecrm.around import Around
from ecrm.delivery import addresses
from ecrm.errors import Rejected
from ecrm.matters import AnyMatter
from ecrm.moment import NEVER, Instant, format_instant, minutes
from ecrm.programme import MailStep
from ecrm.rules import Rules
from ecrm.state import Enrolment, Offered, State

# What was decided on may wait for its rate and for a few tries, however close its deadline: of
# 15 190 mails of a year replayed, nine had expired a second after they were decided on. It ends a
# delay that is a matter of taste; a code or a coupon that is over is over.
TIME_TO_GO: Final = minutes(15)

FORGOTTEN: Final = "what it was to say is kept nowhere: it has to be asked for again"


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A mail that a due step wants sent now. `deadline` is the last instant that makes sense to
    decide on it, `ends` the last at which it can be of any use.
    """

    key: str
    step: MailStep
    kind: str
    template: str
    deadline: Instant
    seen: dict[str, str | int | bool]
    ends: Instant = NEVER


class Desk(msgspec.Struct, frozen=True):
    """What a request is made from: the rules, the shop around, the customer now. `secret` is the
    matter of this very turn's event, in clear, where it has a secret.
    """

    rules: Rules
    around: Around
    state: State
    now: Instant
    zone: ZoneInfo
    secret: AnyMatter | None


class Requested(msgspec.Struct, frozen=True):
    """The facts of a request; `sealed` are its mails in clear where the facts may not tell all."""

    facts: tuple[facts.AnyFact, ...]
    sealed: tuple[mail.Mail, ...] = ()


def refusal(desk: Desk, candidate: Candidate) -> tuple[facts.Reason, str] | None:
    """Why this mail is not sent, or None."""
    untimely = _untimely(desk, candidate)
    if untimely is not None:
        return untimely
    stay = desk.state.enrolments[candidate.key]
    objection = consent.objection(desk.state, candidate.step.basis)
    if objection:
        return "consent", objection
    unreachable = _unreachable(desk, candidate, stay)
    if unreachable is not None:
        return unreachable
    if stay.matter is not None and matters.is_secret(stay.matter) and desk.secret is None:
        return "missing_data", FORGOTTEN
    proposes = candidate.step.proposes
    if proposes is not None and len(_proposals(desk, candidate)) < proposes.least:
        return "missing_data", "there is no product to propose"
    return _overspent(desk, candidate)


def _untimely(desk: Desk, candidate: Candidate) -> tuple[facts.Reason, str] | None:
    """Is it too late for this mail, or is a later one due that says it too?"""
    stay = desk.state.enrolments[candidate.key]
    if candidate.deadline < desk.now:
        after = candidate.step.late.after
        ended = f"was due {format_instant(stay.due)}, {programme.Late(after)}"
        if after is None:
            ended = f"made sense until {format_instant(candidate.deadline)}"
        return "deadline", ended
    one = desk.rules.programmes[stay.programme]
    if later := lateness.successor(one, candidate.step, stay, desk.state, desk.now, desk.zone):
        return "merged", f"{later} is due too and says it"
    return None


def address_fault(state: State, candidate: Candidate) -> str:
    """Why nobody can be written to; empty where somebody can."""
    stay = state.enrolments[candidate.key]
    wanted = _addresses(state, candidate.step, stay)
    if not wanted:
        return "there is no address to write to"
    faults = [fault_of(address) for address in wanted]
    return "" if "" in faults else faults[0]


def fault_of(address: str) -> str:
    """Why an address cannot be written to; empty where it can."""
    if not address:
        return "there is no address to write to"
    try:
        addresses.parse_address(address)
    except Rejected as error:
        return str(error)
    return ""


def _addresses(state: State, step: MailStep, stay: Enrolment) -> tuple[str, ...]:
    named = stay.matter.addresses if stay.matter is not None else ()
    own = state.person.email
    match step.to:
        case "customer":
            return (own,) if own else ()
        case "both":
            found = named or (own,)
        case "parties":
            found = (own, *named)
        case "invitee":
            found = named
    # The same mailbox written in capitals is still the same mailbox.
    distinct: dict[str, str] = {}
    for address in found:
        distinct.setdefault(address.casefold(), address)
    return tuple(address for address in distinct.values() if address)


def _unreachable(
    desk: Desk, candidate: Candidate, stay: Enrolment
) -> tuple[facts.Reason, str] | None:
    fault = address_fault(desk.state, candidate)
    if fault:
        return "missing_data", fault
    found = _addresses(desk.state, candidate.step, stay)
    whys = [_objection(desk, candidate, one) for one in found if not fault_of(one)]
    return None if "" in whys else ("suppression", whys[0])


def _objection(desk: Desk, candidate: Candidate, address: str) -> str:
    step = candidate.step
    return mailboxes.objection(
        desk.state, address, step.mail_class, desk.now, stranger=step.to == "invitee"
    )


def _overspent(desk: Desk, candidate: Candidate) -> tuple[facts.Reason, str] | None:
    """Has the programme given away what it may this month?"""
    name = desk.state.enrolments[candidate.key].programme
    budget, spent = desk.rules.programmes[name].budget, desk.around.spent.get(name, 0)
    if candidate.step.offer is None or budget is None or spent < budget:
        return None
    if live(desk.state, name, desk.now) is not None:
        return None
    return "budget", f"the coupons of {name} have cost {spent} this month, at most {budget}"


def live(state: State, name: str, now: Instant) -> Offered | None:
    """The coupon of a programme that can still be used."""
    return next((one for one in state.offers if one.programme == name and one.until >= now), None)


def _proposals(desk: Desk, candidate: Candidate) -> tuple[mail.Proposal, ...]:
    proposes = candidate.step.proposes
    if proposes is None:
        return ()
    # Products inside a mail that is owed are promotion (mission §9.8).
    if candidate.step.mail_class != "marketing" and not consent.may_promote(desk.state):
        return ()
    stay = desk.state.enrolments[candidate.key]
    taste = values.taste(desk.state, stay.refs)
    shelf = desk.around.shelves.get(candidate.key, desk.around.shelf)
    return catalogue.chosen(shelf, proposes.relations, taste, proposes.most)


def made(desk: Desk, candidate: Candidate) -> Requested:
    """The facts that send a candidate's mail, to everybody that its step writes to."""
    stay, step = desk.state.enrolments[candidate.key], candidate.step
    mail_id = _mail_id(desk.state, candidate, stay)
    offer, issued = _offer(desk, candidate, mail_id)
    person = desk.state.person
    wanted = mail.Mail(
        mail_id=mail_id,
        customer_id=desk.state.customer_id,
        kind=candidate.kind,
        programme=stay.programme,
        step=step.name,
        template=candidate.template,
        mail_class=step.mail_class,
        lane=step.lane,
        at=desk.now,
        not_after=_not_after(desk, candidate, offer),
        to=person.email,
        locale=person.locale or desk.rules.shop.locale,
        zone=desk.zone.key,
        values=_values(desk, candidate, offer),
        stranger=step.to == "invitee",
        fresh_until=None if step.late.fresh is None else Instant(desk.now + step.late.fresh),
    )
    sent = [_addressed(desk, candidate, wanted, to) for to in _written_to(desk, candidate, stay)]
    requests = [facts.MailRequested(candidate.key, one, stay.refs, candidate.seen) for one in sent]
    return Requested((*issued, *requests, *_kept(stay, step)), _clear(desk, stay, sent))


def _not_after(desk: Desk, candidate: Candidate, offer: mail.ShownOffer | None) -> Instant:
    """Until when the mail may wait in the queue."""
    patience = Instant(desk.now + programme.LANE_AGE[candidate.step.lane])
    # What was decided at its very deadline was decided in time.
    latest = max(candidate.deadline, Instant(desk.now + TIME_TO_GO))
    return min(patience, latest, candidate.ends, NEVER if offer is None else offer.until)


def _values(desk: Desk, candidate: Candidate, offer: mail.ShownOffer | None) -> mail.Values:
    step = candidate.step
    found = values.shown(
        desk.state,
        desk.state.enrolments[candidate.key],
        step.shows,
        currency=desk.rules.shop.currency,
        offer=offer,
        proposals=_proposals(desk, candidate),
    )
    if found.digest is None:
        return found
    digest = lateness.merged(desk.state, candidate.key, step, found.digest)
    return replace(found, digest=digest)


def _written_to(desk: Desk, candidate: Candidate, stay: Enrolment) -> list[str]:
    found = _addresses(desk.state, candidate.step, stay)
    return [one for one in found if not fault_of(one) and not _objection(desk, candidate, one)]


def _mail_id(state: State, candidate: Candidate, stay: Enrolment) -> str:
    who = f"{state.customer_id}\0{candidate.key}"
    if candidate.step.to == "invitee":
        # One mail ever from this person to that address, however often it is asked for (R67).
        return mail.mail_id_for(who, Instant(0))
    cause = f"{who}\0{stay.began_at}\0{stay.nth}\0{candidate.step.name}"
    if stay.again:
        cause = f"{cause}\0{stay.again}"
    return mail.mail_id_for(cause, stay.began_at)


def _addressed(desk: Desk, candidate: Candidate, wanted: mail.Mail, to: str) -> mail.Mail:
    if to == wanted.to or wanted.stranger:
        return _followed(desk, replace(wanted, to=to))
    since = desk.state.enrolments[candidate.key].began_at
    return replace(wanted, to=to, mail_id=mail.mail_id_for(f"{wanted.mail_id}\0{to}", since))


def _followed(desk: Desk, wanted: mail.Mail) -> mail.Mail:
    """Whether opens and clicks may be seen is decided with the mail itself (delivery §5.1)."""
    may = tracking.tracked(
        desk.state.consents, wanted.lane, wanted.mail_class, own=not wanted.stranger
    )
    return replace(wanted, track_opens=may.opens, track_clicks=may.clicks)


def _clear(desk: Desk, stay: Enrolment, sent: list[mail.Mail]) -> tuple[mail.Mail, ...]:
    if desk.secret is None or type(desk.secret) is not type(stay.matter):
        return ()
    name = matters.NAMES[type(desk.secret)]
    return tuple(replace(one, values=replace(one.values, **{name: desk.secret})) for one in sent)


def _kept(stay: Enrolment, step: MailStep) -> tuple[facts.AnyFact, ...]:
    """What is remembered of a mail beside that it was sent."""
    match stay.matter, stay.refs.get("cadence"):
        case matters.Invitation(email=address), _ if step.to == "invitee":
            return (facts.Invited(invitee_of(address)),)
        case _, "daily" | "weekly" | "monthly" as cadence:
            return (facts.DigestMade(cadence),)
        case _:
            return ()


def _offer(
    desk: Desk, candidate: Candidate, mail_id: str
) -> tuple[mail.ShownOffer | None, tuple[facts.OfferMade, ...]]:
    """The coupon a mail shows, and the fact that makes it where none of the programme lives."""
    name = desk.state.enrolments[candidate.key].programme
    offer, known = candidate.step.offer, live(desk.state, name, desk.now)
    if offer is None and "offer" not in candidate.step.shows:
        return None, ()
    if known is not None:
        return _shown(desk, known), ()
    if offer is None:
        return None, ()
    coupon = Offered(
        code=offers.code_for(mail_id),
        percent=offer.percent,
        until=offer.until(desk.now, desk.zone),
        programme=name,
        amount=offer.amount,
        minimum=offer.minimum,
        currency=desk.rules.shop.currency if offer.amount or offer.minimum else "",
    )
    # The shop must know the coupon before the customer does.
    return _shown(desk, coupon), (facts.OfferMade(**msgspec.structs.asdict(coupon)),)


def _shown(desk: Desk, coupon: Offered) -> mail.ShownOffer:
    tonight = offers.Offer().until(desk.now, desk.zone)
    return mail.ShownOffer(
        code=coupon.code,
        percent=coupon.percent,
        until=coupon.until,
        amount=coupon.amount,
        minimum=coupon.minimum,
        currency=coupon.currency,
        today=coupon.until <= tonight,
    )
