"""Readings: the named values that conditions look at.

A reading is a pure function of the state and of what the enrolment is about (`refs`). The table is
the whole vocabulary: a condition that names another is refused at start. A reading about an order
that is not known reads as if nothing had happened to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final

from ecrm import condition
from ecrm.state import Order, State, total_of

Refs = Mapping[str, str]
Reading = Callable[[State, Refs], condition.Value]


def _order(state: State, refs: Refs) -> Order:
    return state.orders.get(refs.get("order", "")) or Order(order_id="")


def _cart_total(state: State, _refs: Refs) -> int:
    return total_of(state.cart.lines) if state.cart else 0


def _reviewed(state: State, refs: Refs) -> bool:
    return any(line.product_id in state.ratings for line in _order(state, refs).kept)


READINGS: Final[dict[str, Reading]] = {
    "person.email": lambda state, _: state.person.email,
    "person.first_name": lambda state, _: state.person.first_name,
    "person.country": lambda state, _: state.person.country,
    "person.locale": lambda state, _: state.person.locale,
    "person.known": lambda state, _: not state.is_visitor,
    "person.registered": lambda state, _: state.registered_at is not None,
    # Numbers of purchases: placed or paid, neither cancelled nor refunded (R1).
    "orders.count": lambda state, _: state.purchases.count,
    "orders.total": lambda state, _: state.purchases.total,
    "cart.lines": lambda state, _: len(state.cart.lines) if state.cart else 0,
    "cart.total": _cart_total,
    "cart.step": lambda state, _: state.cart.step if state.cart else "",
    "cart.browsed": lambda state, _: state.cart is not None and state.cart.browsed,
    "order.placed": lambda state, refs: _order(state, refs).placed_at is not None,
    "order.paid": lambda state, refs: _order(state, refs).paid_at is not None,
    "order.total": lambda state, refs: _order(state, refs).total,
    "order.cancelled": lambda state, refs: _order(state, refs).cancelled_at is not None,
    "order.refunded": lambda state, refs: _order(state, refs).refunded_at is not None,
    "order.undelivered": lambda state, refs: any(p.failed for p in _order(state, refs).parcels),
    "order.rated": lambda state, refs: _order(state, refs).rated_at is not None,
    "order.reviewed": _reviewed,
    "order.reviewable": lambda state, refs: len(_order(state, refs).kept),
}


def check(wanted: condition.Condition) -> None:
    """Raises ValueError where a condition looks at something that has no reading."""
    for name in sorted(condition.readings_of(wanted) - READINGS.keys()):
        near = get_close_matches(name, READINGS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(READINGS)}"
        raise ValueError(f"{name!r} is no reading: {hint}")


def judge(wanted: condition.Condition, state: State, refs: Refs) -> condition.Verdict:
    return condition.judge(wanted, lambda name: READINGS[name](state, refs))
