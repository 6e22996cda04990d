"""Values: what of a customer's state a mail shows, cut to what its step asks for."""

from __future__ import annotations

from collections.abc import Mapping

from ecrm import consent, mail
from ecrm.moment import Instant
from ecrm.programme import Shows
from ecrm.state import Line, Order, Parcel, State, total_of


def shown(
    state: State,
    refs: Mapping[str, str],
    shows: tuple[Shows, ...],
    offer: mail.ShownOffer | None = None,
) -> mail.Values:
    person = mail.ShownPerson(state.person.first_name, state.person.last_name)
    order = state.orders.get(refs.get("order", ""))
    return mail.Values(
        person=person,
        cart=_cart(state) if "cart" in shows else None,
        order=_order(order) if order is not None and "order" in shows else None,
        parcel=_parcel(order, refs) if order is not None and "parcel" in shows else None,
        offer=offer,
        promote=consent.may_promote(state),
    )


def _line(line: Line) -> mail.ShownLine:
    return mail.ShownLine(
        product_id=line.product_id,
        name=line.name or line.product_id,
        variant=line.variant,
        quantity=line.quantity,
        price=line.price,
        url=line.url,
        image_url=line.image_url,
    )


def _cart(state: State) -> mail.ShownCart | None:
    cart = state.cart
    if cart is None:
        return None
    return mail.ShownCart(
        cart_id=cart.cart_id,
        currency=cart.currency,
        lines=tuple(_line(line) for line in cart.lines),
        total=total_of(cart.lines),
    )


def _order(order: Order) -> mail.ShownOrder:
    return mail.ShownOrder(
        order_id=order.order_id,
        currency=order.currency,
        lines=tuple(_line(line) for line in order.kept),
        total=order.total,
        shipping=order.shipping,
        tax=order.tax,
        discount=order.discount,
        placed_at=order.placed_at or order.paid_at or Instant(0),
        payment_method=order.payment_method,
    )


def _parcel(order: Order, refs: Mapping[str, str]) -> mail.ShownParcel | None:
    about = refs.get("parcel", "")
    named = ((f"{order.order_id}/{parcel.parcel_id}", parcel) for parcel in order.parcels)
    found: Parcel | None = next((parcel for name, parcel in named if name == about), None)
    if found is None:
        return None
    return mail.ShownParcel(
        order_id=order.order_id,
        carrier=found.carrier,
        tracking_number=found.tracking_number,
        tracking_url=found.tracking_url,
        shipped_at=found.shipped_at,
    )
