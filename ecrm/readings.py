"""Readings: the named values that conditions look at.

A reading is a pure function of the state and of what the enrolment is about (`refs`). The table is
the whole vocabulary: a condition that names another is refused at start. A reading about an order
that is not known reads as if nothing had happened to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final

from ecrm import calendar, condition, rfm
from ecrm.state import Had, Order, State, total_of

Refs = Mapping[str, str]

# A rating of so much or less is a bad one, of five.
DISLIKED: Final = 2
Reading = Callable[[State, Refs], condition.Value]


def _order(state: State, refs: Refs) -> Order:
    return state.orders.get(refs.get("order", "")) or Order(order_id="")


def _cart_total(state: State, _refs: Refs) -> int:
    return total_of(state.cart.lines) if state.cart else 0


def _reviewed(state: State, refs: Refs) -> bool:
    return any(line.product_id in state.ratings for line in _order(state, refs).kept)


def _purchase_kind(state: State, refs: Refs) -> str:
    """Considered where any product of the order is, impulse where any is, else nothing (R21)."""
    kinds = {line.purchase_kind for line in _order(state, refs).kept}
    return next((kind for kind in ("considered", "impulse") if kind in kinds), "")


def _series(state: State, refs: Refs) -> list[tuple[str, Had]]:
    """The products of the series that a stay is about, which the person has and kept."""
    series = refs.get("series", "")
    return [(i, had) for i, had in state.had.items() if series and had.series_id == series]


def _invited_today(state: State, _refs: Refs) -> int:
    zone = calendar.zone_of(state.person.zone) or calendar.zone_of("UTC")
    assert zone is not None
    today = calendar.local(state.now, zone).date()
    return sum(calendar.local(at, zone).date() == today for at in state.invited.values())


def _average(state: State, _refs: Refs) -> int:
    return state.purchases.total // state.purchases.count if state.purchases.count else 0


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
    # The average, as RFM has it (R46).
    "orders.average": _average,
    "tier": lambda state, _: state.tier,
    "rfm.segment": lambda state, _: rfm.segment(state.rfm) if state.rfm else "",
    "rfm.recency": lambda state, _: state.rfm.recency if state.rfm else 0,
    "rfm.frequency": lambda state, _: state.rfm.frequency if state.rfm else 0,
    "rfm.value": lambda state, _: state.rfm.value if state.rfm else 0,
    "person.graduated": lambda state, _: "graduated" in state.marks,
    "person.sunset": lambda state, _: "sunset" in state.marks,
    "person.relevance": lambda state, _: state.relevance,
    "person.asked": lambda state, _: state.wish is not None or state.relevance > 0,
    "topics.news": lambda state, _: state.topics.get("news", True),
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
    "order.purchase_kind": _purchase_kind,
    "order.recurring": lambda state, refs: any(x.recurring for x in _order(state, refs).kept),
    "series.owned": lambda state, refs: any(not had.back for _, had in _series(state, refs)),
    "series.current": lambda state, refs: refs.get("product", "") in state.had,
    "series.disliked": lambda state, refs: any(
        0 < state.ratings.get(i, 0) <= DISLIKED for i, _ in _series(state, refs)
    ),
    "appointment.kind": lambda _, refs: refs.get("kind", "").casefold(),
    "invitations.today": _invited_today,
    "invitation.again": lambda state, refs: refs.get("invitee", "") in state.invited,
    "digest.notices": lambda state, refs: sum(
        len(kept) for cadence, kept in state.kept.items() if cadence == refs.get("cadence")
    ),
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


def first_failure(
    wanted: condition.Condition, state: State, refs: Refs
) -> condition.Failure | None:
    """The first comparison that does not hold, with the value it saw; None where all is well."""
    return condition.first_failure(wanted, lambda name: READINGS[name](state, refs))
