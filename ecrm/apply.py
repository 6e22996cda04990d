"""How a fact changes the state: total, without opinion, and for ever.

`apply` never raises and never decides: it copies what the fact says into the tree. Facts journalled
by any earlier release come through here again, so a branch may be added and none may change its
meaning (laws 7 and 12). A fact about something the state no longer knows changes nothing but the
sequence number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

from msgspec.structs import replace

from ecrm import facts, money
from ecrm.moment import DAY, Instant, Seq
from ecrm.state import (
    ORDERS_KEPT,
    Cart,
    Consent,
    Enrolment,
    Line,
    Offered,
    Order,
    Pressed,
    Purchases,
    State,
    Waiting,
)

# The widest window a cap can look at: a customer may ask for one mail a month.
PRESSURE_KEPT: Final = 31 * DAY

# What a mail may end as without having been read: it then weighs nothing on the person.
UNSENT: Final = frozenset({"cancelled", "expired", "suppressed", "dead"})

Changes = dict[str, object]


def apply(state: State, fact: facts.AnyFact) -> State:
    """The state after `fact`; its `seq` is one more."""
    changes = _APPLIERS[type(fact)](state, fact)
    return replace(state, seq=Seq(state.seq + 1), **changes)


def replay(state: State, past: tuple[facts.AnyFact, ...]) -> State:
    return reduce(apply, past, state)


def _at(state: State, fact: Any) -> Changes:
    return {"now": max(state.now, fact.at)}


def _heard(state: State, fact: facts.Heard) -> Changes:
    waiting = {key: mail for key, mail in state.waiting.items() if key != fact.mail_id}
    changes = _at(state, fact) | {"waiting": waiting}
    if fact.outcome in UNSENT:
        changes["pressed"] = tuple(p for p in state.pressed if p.mail_id != fact.mail_id)
    return changes


def _bound(state: State, fact: facts.Bound) -> Changes:
    gone: Changes = {"cart": None, "consents": {}, "orders": {}, "purchases": Purchases()}
    return _at(state, fact) | gone | {"bound_to": fact.to}


def _inherited(state: State, fact: facts.Inherited) -> Changes:
    changes = _at(state, fact)
    changes["consents"] = {**fact.consents, **state.consents}
    if fact.cart is not None:
        changes["cart"] = _merge_carts(state.cart, fact.cart)
    for order_id, order in sorted(fact.orders.items()):
        known = state.orders.get(order_id)
        told = _with_order(state, order if known is None else _completed(known, order))
        state = replace(state, **told)
        changes |= told
    return changes


def _merge_carts(ours: Cart | None, theirs: Cart) -> Cart:
    """Both carts are kept; the newer one gives its name and its place in the checkout."""
    if ours is None:
        return theirs
    older, newer = sorted((ours, theirs), key=lambda cart: cart.touched_at)
    lines = newer.lines
    known = {line.product_id for line in lines}
    lines += tuple(line for line in older.lines if line.product_id not in known)
    return replace(newer, lines=lines)


def _person(_state: State, fact: facts.PersonChanged) -> Changes:
    return {"person": fact.person}


def _signed_up(_state: State, _fact: facts.SignedUp) -> Changes:
    return {"signed_up": True}


def _registered(state: State, _fact: facts.Registered) -> Changes:
    return {"registered_at": state.now}


def _consent(state: State, fact: facts.ConsentChanged) -> Changes:
    consent = Consent(granted=fact.granted, at=state.now, source=fact.source)
    return {"consents": {**state.consents, fact.purpose: consent}}


def _wished(_state: State, fact: facts.FrequencyWished) -> Changes:
    return {"wish": fact.wish}


def _line_put(state: State, fact: facts.LinePut) -> Changes:
    cart = state.cart or Cart(cart_id=fact.cart_id, currency=fact.currency)
    put, lines = fact.line, []
    for line in cart.lines:
        if line.product_id == put.product_id:
            put = replace(put, quantity=money.bounded(line.quantity + fact.line.quantity))
        else:
            lines.append(line)
    touched = max(cart.touched_at, fact.occurred)
    return {
        "cart": replace(
            cart,
            cart_id=fact.cart_id or cart.cart_id,
            currency=cart.currency or fact.currency,
            lines=(*lines, put),
            touched_at=touched,
            browsed=False,
        )
    }


def _line_taken(state: State, fact: facts.LineTaken) -> Changes:
    if state.cart is None:
        return {}
    left: list[Line] = []
    for line in state.cart.lines:
        if line.product_id != fact.product_id:
            left.append(line)
        elif line.quantity > fact.quantity:
            left.append(replace(line, quantity=line.quantity - fact.quantity))
    touched = max(state.cart.touched_at, fact.occurred)
    return {"cart": replace(state.cart, lines=tuple(left), touched_at=touched)}


def _cart_replaced(state: State, fact: facts.CartReplaced) -> Changes:
    cart = state.cart or Cart(cart_id=fact.cart_id, currency=fact.currency)
    touched = max(cart.touched_at, fact.occurred)
    return {
        "cart": replace(
            cart,
            cart_id=fact.cart_id or cart.cart_id,
            currency=fact.currency,
            lines=fact.lines,
            touched_at=touched,
        )
    }


def _cart_emptied(state: State, fact: facts.CartEmptied) -> Changes:
    return {"cart": None, "emptied_at": max(state.emptied_at, fact.occurred)}


def _checkout(state: State, fact: facts.CheckoutReached) -> Changes:
    cart = state.cart or Cart(cart_id=fact.cart_id, currency="")
    touched = max(cart.touched_at, fact.occurred)
    return {"cart": replace(cart, step=fact.step, touched_at=touched, browsed=False)}


def _browsed(state: State, _fact: facts.Browsed) -> Changes:
    return {} if state.cart is None else {"cart": replace(state.cart, browsed=True)}


def _with_order(state: State, order: Order) -> Changes:
    """Put an order in its place, count it, and forget the oldest beyond what is kept."""
    before = state.orders.get(order.order_id)
    orders = {**state.orders, order.order_id: order}
    if len(orders) > ORDERS_KEPT:
        orders = _forget_oldest(state, orders, order.order_id)
    changes: Changes = {"orders": orders}
    counted, counts = before is not None and before.bought, order.bought
    if counted or counts:
        sums = state.purchases
        times = [at for at in (order.placed_at, order.paid_at) if at is not None]
        at = min(times, default=state.now)
        changes["purchases"] = Purchases(
            count=sums.count + counts - counted,
            total=money.bounded(
                sums.total
                + (order.total if counts else 0)
                - (before.total if before is not None and counted else 0)
            ),
            first_at=min(sums.first_at or at, at) if counts else sums.first_at,
            last_at=max(sums.last_at or at, at) if counts else sums.last_at,
        )
    return changes


def _forget_oldest(state: State, orders: dict[str, Order], told: str) -> dict[str, Order]:
    """Keep the newest, the one just told, and those that a stay in a programme is still about."""
    needed = {told, *(stay.refs.get("order") for stay in state.enrolments.values())}
    # By what the orders say: a snapshot does not keep the order in which they came.
    spare = sorted(orders, key=lambda order_id: (_begun(orders[order_id]), order_id))[:-ORDERS_KEPT]
    return {i: order for i, order in orders.items() if i not in spare or i in needed}


def _begun(order: Order) -> Instant:
    """When an order was first heard to exist."""
    told = (order.placed_at, order.paid_at, order.prepared_at, order.cancelled_at)
    known = [at for at in (*told, order.refunded_at) if at is not None]
    return min((*known, *(parcel.shipped_at for parcel in order.parcels)), default=Instant(0))


def _completed(old: Order, new: Order) -> Order:
    """`old` with what `new` knows better: a later event often tells less than the first."""
    said = {
        name: value
        for name in new.__struct_fields__
        if (value := getattr(new, name)) not in ("", 0, None, (), {})
    }
    return replace(old, **said)


def _order_told(
    state: State, fact: facts.OrderPlaced | facts.OrderPaid | facts.OrderUpdated
) -> Changes:
    known = state.orders.get(fact.order.order_id)
    return _with_order(state, fact.order if known is None else _completed(known, fact.order))


def _order_changed(state: State, order_id: str, **changes: object) -> Changes:
    order = state.orders.get(order_id) or Order(order_id=order_id)
    return _with_order(state, replace(order, **changes))


def _prepared(state: State, fact: facts.OrderPrepared) -> Changes:
    return _order_changed(state, fact.order_id, prepared_at=fact.occurred)


def _shipped(state: State, fact: facts.OrderShipped) -> Changes:
    order = state.orders.get(fact.order_id)
    parcels = order.parcels if order is not None else ()
    return _order_changed(state, fact.order_id, parcels=(*parcels, fact.parcel))


def _parcel_changed(state: State, order_id: str, parcel_id: str, **changes: object) -> Changes:
    order = state.orders.get(order_id)
    if order is None:
        return {}
    parcels = tuple(
        replace(parcel, **changes) if parcel_id in ("", parcel.parcel_id) else parcel
        for parcel in order.parcels
    )
    return _with_order(state, replace(order, parcels=parcels))


def _delivered(state: State, fact: facts.ParcelDelivered) -> Changes:
    at = fact.occurred
    return _parcel_changed(state, fact.order_id, fact.parcel_id, delivered_at=at, failed=False)


def _failed(state: State, fact: facts.ParcelFailed) -> Changes:
    return _parcel_changed(state, fact.order_id, fact.parcel_id, failed=True)


def _cancelled(state: State, fact: facts.OrderCancelled) -> Changes:
    return _order_changed(state, fact.order_id, cancelled_at=fact.occurred)


def _refunded(state: State, fact: facts.OrderRefunded) -> Changes:
    return _order_changed(state, fact.order_id, refunded_at=fact.occurred)


def _returned(state: State, fact: facts.ProductsReturned) -> Changes:
    order = state.orders.get(fact.order_id)
    before = order.back if order is not None else {}
    now = {product_id: before.get(product_id, 0) + n for product_id, n in fact.pieces.items()}
    return _order_changed(state, fact.order_id, back={**before, **now})


def _reviewed(state: State, fact: facts.ProductReviewed) -> Changes:
    return {"ratings": {**state.ratings, fact.product_id: fact.rating}}


def _site_rated(state: State, fact: facts.SiteRated) -> Changes:
    if fact.order_id not in state.orders:
        return {}
    return _order_changed(state, fact.order_id, rated_at=state.now)


def _enrolled(state: State, fact: facts.Enrolled) -> Changes:
    enrolment = Enrolment(
        programme=fact.programme,
        began_at=fact.since,
        because=fact.because,
        refs=fact.refs,
        clocks={fact.because: fact.since},
        nth=fact.nth,
    )
    return {
        "enrolments": {**state.enrolments, fact.key: enrolment},
        "stays": {**state.stays, fact.programme: state.stays.get(fact.programme, 0) + 1},
    }


def _clock_set(state: State, fact: facts.ClockSet) -> Changes:
    enrolment = state.enrolments.get(fact.key)
    if enrolment is None:
        return {}
    clocks = {**enrolment.clocks, fact.clock: fact.since}
    return {"enrolments": {**state.enrolments, fact.key: replace(enrolment, clocks=clocks)}}


def _awaits(state: State, fact: facts.Awaits) -> Changes:
    enrolment = state.enrolments.get(fact.key)
    if enrolment is None:
        return {}
    moved = replace(enrolment, step=fact.step, due=fact.due)
    return {
        "enrolments": {**state.enrolments, fact.key: moved},
        "timers": {**state.timers, fact.key: fact.due},
    }


def _ended(state: State, fact: facts.Left | facts.Finished) -> Changes:
    enrolment = state.enrolments.get(fact.key)
    if enrolment is None:
        return {}
    return {
        "enrolments": {k: e for k, e in state.enrolments.items() if k != fact.key},
        "timers": {k: due for k, due in state.timers.items() if k != fact.key},
        "ended": {**state.ended, enrolment.programme: state.now},
    }


def _marked(state: State, fact: facts.Marked) -> Changes:
    return {"marks": {**state.marks, fact.mark: state.now}}


def _requested(state: State, fact: facts.MailRequested) -> Changes:
    mail = fact.mail
    waiting = Waiting(
        key=fact.key, step=mail.step, kind=mail.kind, mail_class=mail.mail_class, refs=fact.refs
    )
    changes: Changes = {"waiting": {**state.waiting, mail.mail_id: waiting}}
    if mail.mail_class == "marketing":
        horizon = Instant(mail.at - PRESSURE_KEPT)
        kept = tuple(p for p in state.pressed if p.at > horizon)
        changes["pressed"] = (*kept, Pressed(mail_id=mail.mail_id, at=mail.at))
    return changes


def _deferred(state: State, fact: facts.MailDeferred) -> Changes:
    if fact.key not in state.enrolments:
        return {}
    return {"timers": {**state.timers, fact.key: fact.until}}


def _offered(state: State, fact: facts.OfferMade) -> Changes:
    live = tuple(offer for offer in state.offers if offer.until >= state.now)
    made = Offered(code=fact.code, percent=fact.percent, until=fact.until, programme=fact.programme)
    return {"offers": (*live, made)}


def _nothing(_state: State, _fact: facts.AnyFact) -> Changes:
    return {}


_APPLIERS: Final[dict[type, Callable[[State, Any], Changes]]] = {
    facts.Happened: _at,
    facts.Ticked: _at,
    facts.Heard: _heard,
    facts.Bound: _bound,
    facts.Inherited: _inherited,
    facts.Recognised: _nothing,
    facts.PersonChanged: _person,
    facts.SignedUp: _signed_up,
    facts.Registered: _registered,
    facts.ConsentChanged: _consent,
    facts.FrequencyWished: _wished,
    facts.LinePut: _line_put,
    facts.LineTaken: _line_taken,
    facts.CartReplaced: _cart_replaced,
    facts.CartEmptied: _cart_emptied,
    facts.CheckoutReached: _checkout,
    facts.Browsed: _browsed,
    facts.OrderPlaced: _order_told,
    facts.OrderPaid: _order_told,
    facts.OrderUpdated: _order_told,
    facts.OrderPrepared: _prepared,
    facts.OrderShipped: _shipped,
    facts.ParcelDelivered: _delivered,
    facts.ParcelFailed: _failed,
    facts.OrderCancelled: _cancelled,
    facts.OrderRefunded: _refunded,
    facts.ProductsReturned: _returned,
    facts.ProductReviewed: _reviewed,
    facts.SiteRated: _site_rated,
    facts.Enrolled: _enrolled,
    facts.ClockSet: _clock_set,
    facts.Awaits: _awaits,
    facts.Left: _ended,
    facts.Finished: _ended,
    facts.Marked: _marked,
    facts.MailRequested: _requested,
    facts.MailDeferred: _deferred,
    facts.MailWithheld: _nothing,
    facts.MailRetracted: _nothing,
    facts.OfferMade: _offered,
}
