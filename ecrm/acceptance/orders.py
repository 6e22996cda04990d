"""The orders: placed, paid, prepared, shipped, delivered, cancelled, paid back."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from ecrm import facts, matters, money, offers
from ecrm.acceptance.told import Facts, Told
from ecrm.moment import Instant, instant_of
from ecrm.state import Order, Parcel, total_of
from proto import events

_FAILED: Final = frozenset(("failed", "failure", "exception", "lost", "returned", "undeliverable"))


def _order(told: Told, event: Any) -> Order:
    known = event.currency or told.currency
    lines = told.lines(event.products, known)
    said = event.total if event.total is not None else event.revenue
    total = money.minor_units(said, known) if said is not None else 0

    def amount(value: float | None) -> int | None:
        return None if value is None else money.minor_units(value, known)

    return Order(
        order_id=event.order_id,
        currency=known,
        lines=lines,
        total=total or total_of(lines),
        shipping=amount(event.shipping),
        tax=amount(event.tax),
        discount=amount(event.discount),
        payment_method=event.payment_method or "",
    )


def _bought(told: Told, because: str) -> Facts:
    """People who have bought are not reminded of what they bought: the cart is theirs now."""
    return () if told.state.cart is None else (facts.CartEmptied(because),)


def _first_news(told: Told, order_id: str, event: str) -> Facts:
    """Whatever is heard first of an order, there is one: its cart was bought."""
    return () if order_id in told.state.orders else _bought(told, f"{event} {order_id}")


def completed(told: Told, event: events.OrderCompleted) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.placed_at is not None:
        return ()
    order = replace(_order(told, event), placed_at=told.occurred)
    first_heard = known is None or not known.bought
    emptied = _bought(told, f"Order Completed {event.order_id}") if first_heard else ()
    return (facts.OrderPlaced(order), *_used(told, event, order), *emptied)


def paid(told: Told, event: events.OrderPaid) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.paid_at is not None:
        return ()
    order = replace(_order(told, event), paid_at=told.occurred)
    if known is not None and known.lines and not event.products:
        order = replace(order, lines=known.lines)
    first_heard = known is None or not known.bought
    emptied = _bought(told, f"Order Paid {event.order_id}") if first_heard else ()
    return (facts.OrderPaid(order), *_used(told, event, order), *emptied)


def _used(told: Told, event: events.OrderCompleted | events.OrderPaid, order: Order) -> Facts:
    """The coupon that an order names, where it is one of this person's: used once, and gone."""
    code = offers.read(event.coupon or "")
    offer = next((one for one in told.state.offers if one.code == code), None)
    if offer is None:
        return ()
    worth = offer.amount or total_of(order.lines) * offer.percent // 100
    cost = abs(order.discount) if order.discount is not None else worth
    return (facts.OfferUsed(code, order.order_id, offer.programme, cost, order.currency),)


def updated(told: Told, event: events.OrderUpdated) -> Facts:
    if event.order_id not in told.state.orders:
        return _first_news(told, event.order_id, "Order Updated")
    return (facts.OrderUpdated(_order(told, event)),)


def prepared(told: Told, event: events.OrderPrepared) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.prepared_at is not None:
        return ()
    emptied = _first_news(told, event.order_id, "Order Prepared")
    return (facts.OrderPrepared(event.order_id, told.occurred), *emptied)


def fulfilled(told: Told, event: events.OrderFulfilled) -> Facts:
    known = told.state.orders.get(event.order_id)
    parcel_id = event.fulfillment_id or event.tracking_number or "1"
    if known is not None and any(p.parcel_id == parcel_id for p in known.parcels):
        return ()
    parcel = Parcel(
        parcel_id=parcel_id,
        shipped_at=told.occurred,
        carrier=event.carrier or "",
        tracking_number=event.tracking_number or "",
        tracking_url=event.tracking_url or "",
    )
    emptied = _first_news(told, event.order_id, "Order Fulfilled")
    return (facts.OrderShipped(event.order_id, parcel), *emptied)


def delivered(told: Told, event: events.OrderDelivered) -> Facts:
    at = told.occurred
    if event.delivered_at is not None:
        at = min(at, instant_of(event.delivered_at))
    return _parcel_delivered(told, event.order_id, event.fulfillment_id or "", at)


def _parcel_delivered(told: Told, order_id: str, parcel_id: str, at: Instant) -> Facts:
    order = told.state.orders.get(order_id)
    parcels = [p for p in order.parcels if parcel_id in ("", p.parcel_id)] if order else []
    if parcels and all(p.delivered_at is not None for p in parcels):
        return ()
    emptied = _first_news(told, order_id, "Order Delivered")
    return (facts.ParcelDelivered(order_id, parcel_id, at), *emptied)


def shipment(told: Told, event: events.ShipmentUpdated) -> Facts:
    status = event.status.strip().casefold().replace(" ", "_")
    parcel_id = event.fulfillment_id or ""
    if status == "delivered":
        return _parcel_delivered(told, event.order_id, parcel_id, told.occurred)
    failed: Facts = ()
    if status in _FAILED or status.endswith(("_failed", "_failure")):
        failed = (facts.ParcelFailed(event.order_id, parcel_id, event.status, told.occurred),)
    return (*_news(told, event), *failed)


def _news(told: Told, event: events.ShipmentUpdated) -> Facts:
    """What the carrier says, once (k39)."""
    order = told.state.orders.get(event.order_id)
    if order is not None and order.carriage == event.status:
        return ()
    parcels = order.parcels if order is not None else ()
    parcel = next((p for p in parcels if p.parcel_id == event.fulfillment_id), None)
    url = parcel.tracking_url if parcel is not None else ""
    news = matters.Carriage(event.order_id, event.status, event.eta or "", url)
    refs = {"order": event.order_id, "update": f"{event.order_id}/{event.status}"}
    return (facts.Raised("Shipment Updated", told.occurred, news, refs),)


def cancelled(told: Told, event: events.OrderCancelled) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.cancelled_at is not None:
        return ()
    return (facts.OrderCancelled(event.order_id, told.occurred),)


def refunded(told: Told, event: events.OrderRefunded) -> Facts:
    known = told.state.orders.get(event.order_id)
    if known is not None and known.refunded_at is not None:
        return ()
    currency = event.currency or (known.currency if known else "") or told.currency
    amount = None if event.total is None else money.minor_units(event.total, currency)
    if known is not None:
        pieces = _pieces(known, event.products)
        if _is_partial(known, event, pieces, told.currency):
            return (
                facts.ProductsReturned(event.order_id, pieces, told.occurred, amount, currency),
            )
    return (facts.OrderRefunded(event.order_id, told.occurred, amount, currency),)


def _pieces(order: Order, products: tuple[events.Product, ...]) -> dict[str, int]:
    """How many of each product a refund names; all of them where it does not count."""
    bought = {line.product_id: line.quantity for line in order.lines}
    pieces = {p.product_id: p.quantity or bought.get(p.product_id, 1) for p in products}
    return {product_id: n for product_id, n in pieces.items() if product_id in bought}


def _is_partial(
    order: Order, event: events.OrderRefunded, pieces: dict[str, int], currency: str
) -> bool:
    """Is something of the order left after this refund, by products or else by amount?"""
    if event.products and order.lines:
        back = {i: order.back.get(i, 0) + pieces.get(i, 0) for i in (*order.back, *pieces)}
        return any(line.quantity > back.get(line.product_id, 0) for line in order.lines)
    if event.total is None:
        return bool(event.products)
    return money.minor_units(event.total, order.currency or currency) < order.total
