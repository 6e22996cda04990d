"""What changes a person: who it is, what it says and agrees to, where it stands."""

from __future__ import annotations

from typing import Any, Final

from ecrm import consent as consents
from ecrm import engagement, facts
from ecrm.changes import mailboxes, orders
from ecrm.changes.bounds import Changes, newest, newest_clicks
from ecrm.matters import Carriage
from ecrm.state import (
    INVITED_KEPT,
    NOTICES_KEPT,
    OVER_KEPT,
    RATINGS_KEPT,
    Consent,
    Followed,
    State,
)

# What a mail may end as without having been read: it then weighs nothing on the person.
UNSENT: Final = frozenset({"cancelled", "expired", "suppressed", "dead", "stale"})

# The purpose under which opens may be seen one by one (delivery §2.4).
OPEN_TRACKING: Final = "open_tracking"


def at(state: State, fact: Any) -> Changes:
    return {"now": max(state.now, fact.at)}


def happened(state: State, fact: facts.Happened) -> Changes:
    changes = at(state, fact)
    if fact.life:
        changes["engagement"] = engagement.seen(state.engagement, fact.occurred)
    return changes


def heard(state: State, fact: facts.Heard) -> Changes:
    sent = state.waiting.get(fact.mail_id)
    waiting = {key: mail for key, mail in state.waiting.items() if key != fact.mail_id}
    changes = at(state, fact) | {"waiting": waiting}
    if fact.outcome in UNSENT:
        changes["pressed"] = tuple(p for p in state.pressed if p.mail_id != fact.mail_id)
    elif sent is not None:
        changes |= mailboxes.taken(state, sent.to, fact)
    if fact.outcome not in UNSENT and sent is not None and sent.mail_class == "marketing":
        seen = state.consents.get(OPEN_TRACKING)
        changes["engagement"] = engagement.accepted(
            state.engagement, fact.mail_id, fact.at, observed=seen is not None and seen.granted
        )
    return changes


def opened(state: State, fact: facts.Opened) -> Changes:
    opened = engagement.opened(state.engagement, fact.mail_id, fact.at, human=fact.human)
    return at(state, fact) | {"engagement": opened}


def clicked(state: State, fact: facts.Clicked) -> Changes:
    clicked = engagement.clicked(state.engagement, fact.mail_id, fact.at)
    changes = at(state, fact) | {"engagement": clicked}
    if fact.programme:
        last = Followed(fact.mail_id, fact.programme, fact.step, fact.decided_at, fact.at)
        changes["followed"] = newest_clicks((*state.followed, last))
    return changes


def person(_state: State, fact: facts.PersonChanged) -> Changes:
    return {"person": fact.person}


def remembered(state: State, fact: facts.Remembered) -> Changes:
    return at(state, fact) | {"remembered": fact.person or state.remembered}


def signed_up(_state: State, _fact: facts.SignedUp) -> Changes:
    return {"signed_up": True}


def registered(state: State, fact: facts.Registered) -> Changes:
    return {"registered_at": state.now if fact.occurred is None else fact.occurred}


def consent(state: State, fact: facts.ConsentChanged) -> Changes:
    said_at = state.now if fact.occurred is None else fact.occurred
    consent = Consent(granted=fact.granted, at=said_at, source=fact.source)
    return {"consents": {**state.consents, fact.purpose: consent}}


def wished(state: State, fact: facts.FrequencyWished) -> Changes:
    return {"wish": fact.wish, "engagement": engagement.answered(state.engagement, state.now)}


def topics(state: State, fact: facts.TopicsChosen) -> Changes:
    unwanted = {topic for topic, wanted in fact.topics.items() if not wanted}
    unwanted |= {topic for topic, cadence in fact.digests.items() if cadence == "off"}
    kept = {
        cadence: tuple(notice for notice in notices if notice.topic not in unwanted)
        for cadence, notices in state.kept.items()
    }
    return {
        "topics": {**state.topics, **fact.topics},
        # A topic that is wanted, and not in a digest by the same word, is wanted at once again.
        "digests": {
            topic: cadence
            for topic, cadence in {**state.digests, **fact.digests}.items()
            if not fact.topics.get(topic) or topic in fact.digests
        },
        # What was gathered before somebody said that it is not wanted is not wanted either.
        "kept": {cadence: notices for cadence, notices in kept.items() if notices},
        "engagement": engagement.answered(state.engagement, state.now),
    }


def closed(state: State, _fact: facts.AccountClosed) -> Changes:
    return {"closed_at": state.now}


def reviewed(state: State, fact: facts.ProductReviewed) -> Changes:
    # Of too many ratings the worst are kept: they hold something back (R36).
    ratings = newest({**state.ratings, fact.product_id: fact.rating}, RATINGS_KEPT, int.__neg__)
    return {
        "ratings": ratings,
        "engagement": engagement.answered(state.engagement, state.now),
    }


def site_rated(state: State, fact: facts.SiteRated) -> Changes:
    answered: Changes = {"engagement": engagement.answered(state.engagement, state.now)}
    if fact.order_id not in state.orders:
        return answered
    return answered | orders.changed(state, fact.order_id, rated_at=state.now)


def surveyed(state: State, fact: facts.SurveyTaken) -> Changes:
    changes: Changes = {"engagement": engagement.answered(state.engagement, state.now)}
    if fact.survey == "relevance":
        changes["relevance"] = fact.score
    return changes


def raised(state: State, fact: facts.Raised) -> Changes:
    changes: Changes = {}
    if isinstance(fact.matter, Carriage) and fact.matter.order_id in state.orders:
        order_id, status = fact.matter.order_id, fact.matter.status
        changes = orders.changed(state, order_id, carriage=status)
    if fact.over:
        at = max(state.over.get(fact.over, fact.occurred), fact.occurred)
        changes["over"] = newest({**state.over, fact.over: at}, OVER_KEPT, int)
    return changes


def kept(state: State, fact: facts.NoticeKept) -> Changes:
    waiting = (*state.kept.get(fact.cadence, ()), fact.notice)[-NOTICES_KEPT:]
    return {"kept": {**state.kept, fact.cadence: waiting}}


def digested(state: State, fact: facts.DigestMade) -> Changes:
    return {"kept": {name: kept for name, kept in state.kept.items() if name != fact.cadence}}


def invited(state: State, fact: facts.Invited) -> Changes:
    return {"invited": newest({**state.invited, fact.invitee: state.now}, INVITED_KEPT, int)}


def assessed(_state: State, fact: facts.Assessed) -> Changes:
    return {"tier": fact.tier, "assess_at": fact.until}


def scored(_state: State, fact: facts.Scored) -> Changes:
    return {"rfm": fact.score}


def came_back(state: State, _fact: facts.CameBack) -> Changes:
    marks = {mark: at for mark, at in state.marks.items() if mark != consents.SUNSET}
    return {"marks": marks}
