"""Values: what of a customer's state a mail shows, cut to what its step asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecrm import consent, mail, matters
from ecrm.catalogue import Taste
from ecrm.moment import Instant
from ecrm.programme import Shows
from ecrm.readings import DISLIKED
from ecrm.state import Enrolment, Line, Order, Parcel, State, total_of

# Of how many purchases proposals may be made of (R32: "the previous purchase").
RECENT = 8


def shown(
    state: State,
    stay: Enrolment,
    shows: tuple[Shows, ...],
    *,
    currency: str,
    offer: mail.ShownOffer | None = None,
    proposals: tuple[mail.Proposal, ...] = (),
) -> mail.Values:
    """What the mail of a step shows; `currency` is the shop's own."""
    refs = stay.refs
    order = state.orders.get(refs.get("order", ""))
    matter: dict[str, Any] = {}
    if stay.matter is not None:
        matter[matters.NAMES[type(stay.matter)]] = stay.matter
    if "cadence" in refs:
        matter["digest"] = _digest(state, refs["cadence"])
    return mail.Values(
        person=mail.ShownPerson(state.person.first_name, state.person.last_name),
        cart=_cart(state) if "cart" in shows else None,
        order=_order(order) if order is not None and "order" in shows else None,
        parcel=_parcel(order, refs) if order is not None and "parcel" in shows else None,
        viewed=tuple(_line(line) for line in _unowned(state)) if "viewed" in shows else (),
        currency=currency if "viewed" in shows else "",
        offer=offer,
        proposals=proposals,
        promote=consent.may_promote(state),
        **matter,
    )


def taste(state: State, refs: Mapping[str, str]) -> Taste:
    """What rules proposals to this person: for an order its lines, otherwise the last purchases."""
    order = state.orders.get(refs.get("order", ""))
    if order is not None:
        recent = [line.product_id for line in order.kept]
    else:
        kept = sorted((had.at, i) for i, had in state.had.items() if not had.back)
        # Who has bought nothing yet has looked at something.
        recent = [product_id for _, product_id in reversed(kept)] or [
            line.product_id for line in _unowned(state)
        ]
    cart = state.cart.lines if state.cart is not None else ()
    return Taste(
        had=frozenset(state.had),
        cart=frozenset(line.product_id for line in cart),
        disliked=frozenset(i for i, rating in state.ratings.items() if 0 < rating <= DISLIKED),
        recent=tuple(recent[:RECENT]),
    )


def _unowned(state: State) -> list[Line]:
    """What was looked at and not bought, the last first."""
    return [line for line in reversed(state.viewed) if line.product_id not in state.had]


def _digest(state: State, cadence: str) -> matters.Digest | None:
    for known, kept in state.kept.items():
        if known == cadence:
            return matters.Digest(
                cadence=known,
                comments=tuple(one for one in kept if isinstance(one, matters.Comment)),
                carriages=tuple(one for one in kept if isinstance(one, matters.Carriage)),
                appointments=tuple(one for one in kept if isinstance(one, matters.Appointment)),
            )
    return None


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
        recurring=any(line.recurring for line in order.kept),
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
