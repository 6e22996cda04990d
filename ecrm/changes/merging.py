"""What changes when two lives turn out to be one person's (wire §1).

The known one wins: what it says of itself stands, and the other fills what it does not say. What
adds up is added: orders, what was bought, mails against the cap, coupons. Of two carts the lines of
both are kept. Of consents a visitor's never outvotes the person's own; between two ids of one
person the later word counts.

Facts of the time before lives were handed on whole carry fields instead of a legacy; they are
applied as they were then (law 12).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ecrm import consent as consents
from ecrm import engagement, facts, money
from ecrm.changes import orders
from ecrm.changes.bounds import Changes, newest, newest_clicks
from ecrm.moment import CustomerId, Instant
from ecrm.state import (
    HAD_KEPT,
    INVITED_KEPT,
    MAILBOXES_KEPT,
    NOTICES_KEPT,
    OVER_KEPT,
    RATINGS_KEPT,
    VIEWED_KEPT,
    VISITORS_KEPT,
    Cart,
    Consent,
    Had,
    Mailbox,
    Person,
    Purchases,
    State,
)

# What is no longer this life's once it goes on elsewhere: everything but its place in the journal,
# its stays (they are left by facts of their own) and the mails that are on their way.
_STAYS_BEHIND: Final = frozenset(
    ("customer_id", "seq", "now", "enrolments", "timers", "stays", "ended", "waiting", "former")
)
_EMPTY: Final = State(CustomerId(""))


def bound(state: State, fact: facts.Bound) -> Changes:
    if fact.legacy is None:
        gone: Changes = {"cart": None, "consents": {}, "orders": {}, "purchases": Purchases()}
    else:
        gone = {
            name: getattr(_EMPTY, name)
            for name in State.__struct_fields__
            if name not in _STAYS_BEHIND
        }
    return gone | {"now": max(state.now, fact.at), "bound_to": fact.to}


def joined(state: State, fact: facts.Joined) -> Changes:
    others = (one for one in state.former if one != fact.former)
    return {"former": (*others, fact.former)[-VISITORS_KEPT:]}


def inherited(state: State, fact: facts.Inherited) -> Changes:
    changes: Changes = {"now": max(state.now, fact.at)}
    if fact.legacy is None:
        legacy = State(fact.origin, cart=fact.cart, consents=fact.consents, orders=fact.orders)
    else:
        legacy = fact.legacy
        changes |= _merged(state, legacy)
    changes["consents"] = _merged_consents(state, legacy)
    changes["visitors"] = (*state.visitors, fact.origin)[-VISITORS_KEPT:]
    if legacy.cart is not None:
        changes["cart"] = _merged_carts(state.cart, legacy.cart)
    return changes | _merged_orders(replace(state, **changes), legacy)


def _merged(state: State, legacy: State) -> Changes:
    """All but consents, carts and orders."""
    offers = {offer.code: offer for offer in (*legacy.offers, *state.offers)}
    pressed = {one.mail_id: one for one in (*legacy.pressed, *state.pressed)}
    lines = {line.product_id: line for line in (*legacy.viewed, *state.viewed)}
    marks = {mark: at for mark, at in legacy.marks.items() if mark != consents.SUNSET}
    return {
        "person": _merged_persons(state.person, legacy.person),
        "signed_up": state.signed_up or legacy.signed_up,
        "registered_at": _first(state.registered_at, legacy.registered_at),
        "wish": state.wish or legacy.wish,
        "emptied_at": max(state.emptied_at, legacy.emptied_at),
        "ratings": newest({**legacy.ratings, **state.ratings}, RATINGS_KEPT, int.__neg__),
        "marks": {**marks, **state.marks},
        "stays": {
            name: state.stays.get(name, 0) + legacy.stays.get(name, 0)
            for name in {**legacy.stays, **state.stays}
        },
        "ended": _latest(legacy.ended, state.ended),
        "pressed": tuple(sorted(pressed.values(), key=lambda one: (one.at, one.mail_id))),
        "offers": tuple(sorted(offers.values(), key=lambda one: (one.until, one.code))),
        "had": newest(_merged_had(legacy.had, state.had), HAD_KEPT, lambda had: had.at),
        "viewed": tuple(lines.values())[-VIEWED_KEPT:],
        "topics": {**legacy.topics, **state.topics},
        "digests": {**legacy.digests, **state.digests},
        "kept": {
            cadence: (*legacy.kept.get(cadence, ()), *state.kept.get(cadence, ()))[-NOTICES_KEPT:]
            for cadence in {**legacy.kept, **state.kept}
        },
        "over": newest(_latest(legacy.over, state.over), OVER_KEPT, int),
        "invited": newest(_latest(legacy.invited, state.invited), INVITED_KEPT, int),
        "former": tuple(dict.fromkeys((*legacy.former, *state.former)))[-VISITORS_KEPT:],
        "engagement": engagement.merged(state.engagement, legacy.engagement),
        "relevance": state.relevance or legacy.relevance,
        "remembered": _merged_pasts(state.remembered, legacy.remembered),
        "mailboxes": _merged_mailboxes(legacy.mailboxes, state.mailboxes),
        "followed": newest_clicks((*legacy.followed, *state.followed)),
    }


def _merged_pasts(ours: Person | None, theirs: Person | None) -> Person | None:
    return ours or theirs if ours is None or theirs is None else _merged_persons(ours, theirs)


def _merged_persons(ours: Person, theirs: Person) -> Person:
    said = {name: value for name in Person.__struct_fields__ if (value := getattr(ours, name))}
    return replace(theirs, **said)


def _merged_had(theirs: dict[str, Had], ours: dict[str, Had]) -> dict[str, Had]:
    """What is there on either side is there."""
    merged = {**theirs, **ours}
    for name in theirs.keys() & ours.keys():
        merged[name] = replace(ours[name], back=ours[name].back and theirs[name].back)
    return merged


def _merged_mailboxes(theirs: dict[str, Mailbox], ours: dict[str, Mailbox]) -> dict[str, Mailbox]:
    """What an address is not written to with by either; of two rows of bounces the longer."""
    merged = {**theirs, **ours}
    for name in theirs.keys() & ours.keys():
        first, second = sorted((theirs[name], ours[name]), key=_weight)
        bans = {**first.bans, **second.bans}
        for scope in first.bans.keys() & second.bans.keys():
            bans[scope] = max(first.bans[scope], second.bans[scope], key=lambda ban: ban.until)
        merged[name] = replace(second, at=max(first.at, second.at), bans=bans)
    return newest(merged, MAILBOXES_KEPT, lambda box: box.at)


def _weight(box: Mailbox) -> tuple[int, Instant]:
    return box.record.soft, box.at


def _first(*instants: Instant | None) -> Instant | None:
    return min((at for at in instants if at is not None), default=None)


def _last(*instants: Instant | None) -> Instant | None:
    return max((at for at in instants if at is not None), default=None)


def _latest(theirs: dict[str, Instant], ours: dict[str, Instant]) -> dict[str, Instant]:
    both = {**theirs, **ours}
    return {name: max(at, theirs.get(name, at)) for name, at in both.items()}


def _merged_consents(state: State, legacy: State) -> dict[str, Consent]:
    both = {**legacy.consents, **state.consents}
    if legacy.is_visitor:
        return both
    later = {
        purpose: theirs
        for purpose, theirs in legacy.consents.items()
        if theirs.at > both[purpose].at
    }
    return both | later


def _merged_carts(ours: Cart | None, theirs: Cart) -> Cart:
    """Both carts are kept; the newer one gives its name and its place in the checkout."""
    if ours is None:
        return theirs
    older, newer = sorted((ours, theirs), key=lambda cart: cart.touched_at)
    lines = newer.lines
    known = {line.product_id for line in lines}
    lines += tuple(line for line in older.lines if line.product_id not in known)
    return replace(newer, lines=lines)


def _merged_orders(state: State, legacy: State) -> Changes:
    changes: Changes = {}
    forgotten = _forgotten(legacy)
    for order_id, order in sorted(legacy.orders.items()):
        known = state.orders.get(order_id)
        told = orders.with_order(state, order if known is None else orders.completed(known, order))
        state = replace(state, **told)
        changes |= told
    if forgotten.count:
        ours = state.purchases
        changes["purchases"] = Purchases(
            count=ours.count + forgotten.count,
            total=money.bounded(ours.total + forgotten.total),
            first_at=_first(ours.first_at, forgotten.first_at),
            last_at=_last(ours.last_at, forgotten.last_at),
        )
    return changes


def _forgotten(legacy: State) -> Purchases:
    """The sums over those orders of a life that it counts and no longer keeps."""
    kept = [order for order in legacy.orders.values() if order.bought]
    sums = legacy.purchases
    return replace(
        sums,
        count=max(0, sums.count - len(kept)),
        total=sums.total - sum(order.total for order in kept),
    )
