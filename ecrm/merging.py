"""Two lives that turn out to be one person's: a visitor who is recognised, an older id (wire §1).

The older life hands itself on whole and is bound to the other: whatever is told of it later is told
there. What it had begun goes on there too, where that makes sense; its mails that wait and are not
owed are taken back, for the other life decides anew with what both know.

Ids may be joined by several tellers at the same time, and both ways round: a life is bound once, a
life that has claimed another is not bound to that one (of two that claim each other the one with
the smaller id stays), and a legacy that reaches a bound life is passed on.
"""

from __future__ import annotations

from msgspec.structs import replace

from ecrm import acceptance, facts, messages
from ecrm.acceptance import person
from ecrm.consent import MARKETING_PURPOSE
from ecrm.moment import CustomerId
from ecrm.state import State
from ecrm.turn import Turn


def bind(turn: Turn, to: CustomerId) -> None:
    """From now on the life goes on as another one."""
    state, now = turn.state, turn.moment.now
    if to in (state.customer_id, state.bound_to) or not _may_be_bound(state, to):
        return
    turn.record(facts.Bound(now, to, legacy=replace(state, timers={}, waiting={})))
    turn.leave_all(f"goes on as {to}")


def _may_be_bound(state: State, to: CustomerId) -> bool:
    if state.is_visitor:
        # One computer, several people: what is done on it from now on is the last one's.
        return True
    return state.bound_to is None and (to not in state.former or to < state.customer_id)


def inherit(turn: Turn, message: messages.Inherit) -> None:
    """Take over a life; an order on either side empties the cart of both."""
    state, now = turn.state, turn.moment.now
    legacy = message.legacy or State(
        message.origin,
        cart=message.cart,
        consents=message.consents,
        orders=message.orders,
        enrolments=message.stays,
    )
    if state.bound_to not in (None, message.origin):
        turn.record(facts.Bound(now, state.bound_to, legacy=legacy))
        return
    agreed = _has_agreed(state)
    turn.tell(facts.Inherited(now, message.origin, legacy=replace(legacy, enrolments={})))
    turn.tell(*person.registered(turn.state))
    if agreed and not _has_agreed(turn.state):
        turn.retract_marketing(f"{MARKETING_PURPOSE} was denied as {message.origin}")
    # What is about an order goes on where it was: a guest who gives an address is still owed it.
    for key, stay in sorted(legacy.enrolments.items()):
        if stay.refs or not legacy.is_visitor:
            turn.take_over(key, stay)
    _empty_what_was_bought(turn, legacy)


def _has_agreed(state: State) -> bool:
    consent = state.consents.get(MARKETING_PURPOSE)
    return consent is None or consent.granted


def _empty_what_was_bought(turn: Turn, legacy: State) -> None:
    recent = turn.moment.now - acceptance.STILL_SPEAKS
    for _, order in sorted(turn.state.orders.items()):
        at, cart = order.placed_at or order.paid_at or 0, turn.state.cart
        if cart is None or not order.bought or at < recent:
            continue
        # The person's own order took only what had been put aside before it.
        if order.order_id in legacy.orders or cart.touched_at <= at:
            turn.tell(facts.CartEmptied(f"Order Completed {order.order_id}"))
