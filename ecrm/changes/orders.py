"""What changes the orders, what they sum up to, and what was ever bought."""

from __future__ import annotations

from msgspec.structs import replace

from ecrm import engagement, facts, money
from ecrm.changes.bounds import Changes, newest
from ecrm.moment import Instant
from ecrm.state import HAD_KEPT, ORDERS_KEPT, Credit, Had, Order, Purchases, State


def with_order(state: State, order: Order) -> Changes:
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
    if counts and not counted:
        changes["engagement"] = engagement.ordered(state.engagement, _begun(order))
    if counts:
        had = _had(state, order, new=not counted)
        changes["had"] = newest({**state.had, **had}, HAD_KEPT, _had_at)
    return changes


def _had(state: State, order: Order, *, new: bool) -> dict[str, Had]:
    """The products of an order, those known before as they were; what had been sent back and is
    bought anew is there again.
    """
    at = _begun(order)
    found: dict[str, Had] = {}
    for line in order.lines:
        known = state.had.get(line.product_id)
        if known is None or (new and known.back):
            known = Had(at, line.series_id, line.edition, line.name if line.series_id else "")
        found[line.product_id] = known
    return found


def _had_at(had: Had) -> Instant:
    return had.at


def _sent_back(state: State, order_id: str, pieces: dict[str, int] | None) -> Changes:
    """Mark what came back of an order: the products of `pieces`, or all of them; what another order
    brought as well is still there.
    """
    order = state.orders.get(order_id)
    if order is None:
        return {}
    others = (one for one in state.orders.values() if one.order_id != order_id and one.bought)
    left = {line.product_id for one in others for line in one.kept}
    if pieces is not None:
        left |= {line.product_id for line in order.kept}
    gone = {line.product_id for line in order.lines} - left
    had = {i: replace(h, back=True) if i in gone else h for i, h in state.had.items()}
    return {"had": had}


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


def completed(old: Order, new: Order) -> Order:
    """`old` with what `new` knows better: a later event often tells less than the first."""
    said = {
        name: value
        for name in new.__struct_fields__
        if (value := getattr(new, name)) not in ("", 0, None, (), {})
    }
    return replace(old, **said)


def told(state: State, fact: facts.OrderPlaced | facts.OrderPaid | facts.OrderUpdated) -> Changes:
    known = state.orders.get(fact.order.order_id)
    return with_order(state, fact.order if known is None else completed(known, fact.order))


def changed(state: State, order_id: str, **changes: object) -> Changes:
    order = state.orders.get(order_id) or Order(order_id=order_id)
    return with_order(state, replace(order, **changes))


def credited(state: State, fact: facts.OrderCredited) -> Changes:
    order = state.orders.get(fact.order_id)
    if order is None:
        return {}
    return {"orders": {**state.orders, fact.order_id: replace(order, credit=fact.credit)}}


def _less(order: Order, fact: facts.ProductsReturned) -> Credit | None:
    """What the order is counted for, less what was paid back: as told, else what it had cost."""
    credit = order.credit
    if credit is None:
        return None
    pieces = (line.price * min(fact.pieces.get(line.product_id, 0), line.quantity)
              for line in order.lines)  # fmt: skip
    told = fact.amount is not None and fact.currency in ("", order.currency)
    worth = abs(fact.amount or 0) if told else sum(pieces)
    return replace(credit, back=money.bounded(credit.back + worth))


def prepared(state: State, fact: facts.OrderPrepared) -> Changes:
    return changed(state, fact.order_id, prepared_at=fact.occurred)


def shipped(state: State, fact: facts.OrderShipped) -> Changes:
    order = state.orders.get(fact.order_id)
    parcels = order.parcels if order is not None else ()
    return changed(state, fact.order_id, parcels=(*parcels, fact.parcel))


def _parcel_changed(state: State, order_id: str, parcel_id: str, **changes: object) -> Changes:
    order = state.orders.get(order_id)
    if order is None:
        return {}
    parcels = tuple(
        replace(parcel, **changes) if parcel_id in ("", parcel.parcel_id) else parcel
        for parcel in order.parcels
    )
    return with_order(state, replace(order, parcels=parcels))


def delivered(state: State, fact: facts.ParcelDelivered) -> Changes:
    at = fact.occurred
    return _parcel_changed(state, fact.order_id, fact.parcel_id, delivered_at=at, failed=False)


def failed(state: State, fact: facts.ParcelFailed) -> Changes:
    return _parcel_changed(state, fact.order_id, fact.parcel_id, failed=True)


def cancelled(state: State, fact: facts.OrderCancelled) -> Changes:
    changes = changed(state, fact.order_id, cancelled_at=fact.occurred)
    return changes | _sent_back(state, fact.order_id, None)


def refunded(state: State, fact: facts.OrderRefunded) -> Changes:
    changes = changed(state, fact.order_id, refunded_at=fact.occurred)
    return changes | _sent_back(state, fact.order_id, None)


def returned(state: State, fact: facts.ProductsReturned) -> Changes:
    order = state.orders.get(fact.order_id)
    before = order.back if order is not None else {}
    now = {product_id: before.get(product_id, 0) + n for product_id, n in fact.pieces.items()}
    less = {} if order is None or order.credit is None else {"credit": _less(order, fact)}
    changes = changed(state, fact.order_id, back={**before, **now}, **less)
    after = replace(state, **changes)
    return changes | _sent_back(after, fact.order_id, fact.pieces)
