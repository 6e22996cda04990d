"""A customer: what it is told, what it decides, what that changes.

This is the functional core. The runtime knows one function of it, `turn`, a pure call (law 1): the
same rules, state, message and moment always give the same facts.

    decide : what a message means, as facts            may change in every release
    apply  : what a fact changes in the state          only grows (ecrm/apply.py)
    effects: what a fact asks of the world outside

`decide` says first what happened (`ecrm/acceptance.py`), then lets the programmes answer
(`ecrm/turn.py`).
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from ecrm import acceptance, effects, facts, messages
from ecrm.moment import Instant, Moment
from ecrm.rules import Rules
from ecrm.state import State, earliest_timer
from ecrm.turn import Turn
from proto.envelope import Message

Facts = tuple[facts.AnyFact, ...]


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A turn that was taken: the facts, the state after them, what they ask for, and the earliest
    timer (`None`: nothing to wait for).
    """

    facts: Facts
    after: State
    effects: tuple[effects.Effect, ...]
    alarm: Instant | None


def turn(rules: Rules, state: State, message: messages.Incoming, moment: Moment) -> Taken:
    """Take one turn. It changes nothing: what it returns is all that happens."""
    taken = _take(rules, state, message, moment)
    made = tuple(taken.facts)
    who, now = state.customer_id, taken.state.now
    asked = tuple(effect for fact in made for effect in effects.effects_of(who, fact, now))
    return Taken(made, taken.state, asked, earliest_timer(taken.state))


def decide(rules: Rules, state: State, message: messages.Incoming, moment: Moment) -> Facts:
    """The facts that a message makes; none for a tick with nothing due."""
    return tuple(_take(rules, state, message, moment).facts)


def _take(rules: Rules, state: State, message: messages.Incoming, moment: Moment) -> Turn:
    turn = Turn(rules, state, moment)
    now = moment.now
    match message:
        case Message():
            turn.tell(*acceptance.accept(state, message, now, rules.shop.currency))
        case messages.Tick():
            alarm = earliest_timer(state)
            if alarm is None or alarm > now:
                return turn
            turn.record(facts.Ticked(now))
        case messages.Report(mail_id, outcome, response):
            waiting = state.waiting.get(mail_id)
            kind, key = (waiting.kind, waiting.key) if waiting is not None else ("", "")
            turn.record(facts.Heard(now, mail_id, outcome, response, kind, key))
        case messages.Bind(to):
            stays = {key: stay for key, stay in state.enrolments.items() if stay.refs}
            turn.record(facts.Bound(now, to, state.cart, state.consents, state.orders, stays))
            turn.leave_all(f"this visitor is {to} now")
        case messages.Inherit():
            _inherit(turn, message)
        case _:
            assert_never(message)
    turn.run_due()
    return turn


def _inherit(turn: Turn, message: messages.Inherit) -> None:
    """A person takes over a visitor's life; an order on either side empties the cart of both."""
    now = turn.moment.now
    turn.tell(facts.Inherited(now, message.origin, message.cart, message.consents, message.orders))
    # What is about an order goes on where it was: a guest who gives an address is still owed it.
    for key, stay in sorted(message.stays.items()):
        turn.take_over(key, stay)
    recent = now - acceptance.STILL_SPEAKS
    for _, order in sorted(turn.state.orders.items()):
        at, cart = order.placed_at or order.paid_at or 0, turn.state.cart
        if cart is None or not order.bought or at < recent:
            continue
        # The person's own order took only what had been put aside before it.
        if order.order_id in message.orders or cart.touched_at <= at:
            turn.tell(facts.CartEmptied(f"Order Completed {order.order_id}"))
