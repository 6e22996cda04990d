"""Remedies: what would have to be otherwise for a mail to go, as values, and on a fork of a state.

A remedy answers one reason; whoever asks applies it and looks again, until the mail goes. Some can
only be named (the catalogue, a setting, an event): `applied` gives None for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from ecrm import consent, facts, pressure, programme, readings, request
from ecrm.condition import Failure, Value
from ecrm.explain.answers import Change
from ecrm.moment import Instant
from ecrm.programme import MailStep
from ecrm.rules import Rules
from ecrm.state import Cart, Consent, Line, Order, Parcel, State, mailbox_name

# Where nobody has an address, whoever is written to has one like this.
SOMEWHERE: Final = "customer@example.org"


class Refused(msgspec.Struct, frozen=True):
    """A mail that a fork of a life did not send, or not yet: the state it was decided on, and why;
    `until` where it was only put off. `mails` names the kinds of the mails before it.
    """

    before: State
    now: Instant
    key: str
    step: str
    reason: facts.Reason
    detail: str
    refs: dict[str, str]
    mails: Mapping[str, str]


def remedy(rules: Rules, refused: Refused) -> Change:
    """The one change that takes this reason away."""
    return _REMEDIES.get(refused.reason, _by_night)(rules, refused)


def _by_night(_rules: Rules, _refused: Refused) -> Change:
    return Change("setting", "pressure.quiet")


def _step_of(rules: Rules, refused: Refused) -> programme.Step | None:
    return rules.programmes[refused.key.partition("/")[0]].step(refused.step)


def _condition(rules: Rules, refused: Refused) -> Change:
    step = _step_of(rules, refused)
    failed = None
    if step is not None:
        failed = readings.first_failure(step.when, refused.before, refused.refs)
    return made(failed)


def _basis(_rules: Rules, refused: Refused) -> Change:
    if consent.SUNSET in refused.before.marks:
        return Change("life")
    return Change("consent", consent.MARKETING_PURPOSE)


def _suppressed(_rules: Rules, refused: Refused) -> Change:
    return Change("free", refused.detail.partition(" is not written to")[0])


def _topic(rules: Rules, refused: Refused) -> Change:
    step = _step_of(rules, refused)
    return Change("topic", step.topic if isinstance(step, MailStep) else "")


def _budget(_rules: Rules, refused: Refused) -> Change:
    return Change("setting", f"programmes.{refused.key.partition('/')[0]}.budget")


def made(failed: Failure | None) -> Change:
    """What makes this comparison hold."""
    if failed is None:
        return Change("delivery")
    return Change("make", failed.reading, failed.operator, failed.value)


def _missing(_rules: Rules, refused: Refused) -> Change:
    match refused.detail:
        case "there is no product to propose":
            return Change("products")
        case request.FORGOTTEN:
            stay = refused.before.enrolments.get(refused.key)
            return Change("tell", "" if stay is None else stay.because)
        case _:
            return Change("address")


def _room(rules: Rules, refused: Refused) -> Change:
    """The mail that has to make room; or the wish, or the setting, that leaves none."""
    wish = refused.before.wish
    limits = pressure.wished(rules.limits, wish)
    if limits.per_week <= 0:
        frequency = Change("frequency")
        return frequency if wish is not None else Change("setting", "pressure.marketing_per_week")
    pressed = refused.before.pressed
    if not pressed:
        return Change("setting", "pressure")
    recent = pressed[-1].at + limits.min_gap > refused.now
    blocking = pressed[-1 if recent else -min(limits.per_week, len(pressed))]
    kind = refused.mails.get(blocking.mail_id, "")
    return Change("without", blocking.mail_id, value=kind, at=blocking.at)


def _sooner(rules: Rules, refused: Refused) -> Change:
    step = _step_of(rules, refused)
    stay = refused.before.enrolments.get(refused.key)
    if stay is None or not isinstance(step, MailStep):
        return Change("delivery")
    ends = stay.matter.ends if stay.matter is not None else None
    by = stay.due if step.late.after is None else Instant(stay.due + step.late.after)
    return Change("sooner", at=by if ends is None else min(by, ends))


_REMEDIES: Final[Mapping[str, Callable[[Rules, Refused], Change]]] = {
    "condition": _condition,
    "consent": _basis,
    "missing_data": _missing,
    "suppression": _suppressed,
    "preference": _topic,
    "digest": _topic,
    "cap": _room,
    "arbitration": _room,
    "deadline": _sooner,
    "stop_condition": lambda _, refused: Change("unhappened", refused.detail),
    "switched_off": lambda _, refused: Change("enable", refused.key.partition("/")[0]),
    "budget": _budget,
}

# On a fork.


def applied(state: State, change: Change, refs: Mapping[str, str]) -> State | None:
    """The state as it would be with this change; None where that is not the customer's own. The
    instants (`wait`, `sooner`) change nothing of the state: whoever asks turns the clock.
    """
    match change.kind:
        case "make":
            setter = _SETTERS.get(change.name)
            value = _satisfying(change.operator, change.value)
            return None if setter is None else setter(state, refs, value)
        case "without":
            return _without(state, change)
        case "wait" | "sooner":
            return state
        case _:
            mend = _MENDS.get(change.kind)
            return None if mend is None else mend(state, change)


def _without(state: State, change: Change) -> State | None:
    """The mail did not go, or will not because its stay is not there."""
    kept = tuple(one for one in state.pressed if one.mail_id != change.name)
    if len(kept) < len(state.pressed):
        return replace(state, pressed=kept)
    if change.about not in state.enrolments:
        return None
    return replace(
        state,
        enrolments={key: stay for key, stay in state.enrolments.items() if key != change.about},
        timers={key: due for key, due in state.timers.items() if key != change.about},
    )


def _granted(state: State, change: Change) -> State:
    given = Consent(granted=True, at=state.now)
    return replace(state, consents={**state.consents, change.name: given})


def _addressed(state: State, _change: Change) -> State:
    """With an address, what waited for one is due again as it was."""
    timers = {key: state.enrolments[key].due for key in state.timers}
    return replace(state, person=replace(state.person, email=SOMEWHERE), timers=timers)


def _freed(state: State, change: Change) -> State:
    name = mailbox_name(change.name)
    boxes = {key: box for key, box in state.mailboxes.items() if key != name}
    return replace(state, mailboxes=boxes)


def _wished(state: State, change: Change) -> State:
    digests = {name: cadence for name, cadence in state.digests.items() if name != change.name}
    return replace(state, topics={**state.topics, change.name: True}, digests=digests)


def _entered(state: State, change: Change) -> State:
    ended = {name: at for name, at in state.ended.items() if name != change.name}
    return replace(state, ended=ended)


_MENDS: Final[dict[str, Callable[[State, Change], State]]] = {
    "consent": _granted,
    "life": lambda state, _: _marked(state, consent.SUNSET, on=False),
    "address": _addressed,
    "free": _freed,
    "topic": _wished,
    "frequency": lambda state, _: replace(state, wish=None),
    "first": _entered,
}


def _satisfying(operator: str, value: Value) -> Value:
    """A value of which the comparison holds."""
    if isinstance(value, str):
        return value if operator in ("==", ">=", "<=") else f"not {value}" if value else "some"
    if isinstance(value, bool):
        return value if operator in ("==", ">=", "<=") else not value
    return value + {">": 1, "!=": 1, "<": -1}.get(operator, 0)


Refs = Mapping[str, str]
Setter = Callable[[State, Refs, Value], State | None]


def _marked(state: State, mark: str, *, on: object) -> State:
    marks = {name: at for name, at in state.marks.items() if name != mark}
    return replace(state, marks={**marks, mark: state.now} if on else marks)


def _person(name: str) -> Setter:
    return lambda state, _, value: replace(state, person=replace(state.person, **{name: value}))


def _purchases(name: str) -> Setter:
    return lambda state, _, value: replace(
        state, purchases=replace(state.purchases, **{name: value})
    )


def _field(name: str) -> Setter:
    return lambda state, _, value: replace(state, **{name: value})


def _instant(name: str) -> Setter:
    """An instant of the order that a stay is about: whether it happened at all."""

    def happened(state: State, refs: Refs, value: Value) -> State:
        return _order(state, refs, {name: state.now if value else None})

    return happened


def _order(state: State, refs: Refs, changes: dict[str, object]) -> State:
    order_id = refs.get("order", "")
    order = replace(state.orders.get(order_id) or Order(order_id=order_id), **changes)
    return replace(state, orders={**state.orders, order_id: order})


def _undelivered(state: State, refs: Refs, value: Value) -> State:
    known = state.orders.get(refs.get("order", "")) or Order(order_id="")
    parcels = known.parcels or (Parcel("", state.now),)
    return _order(state, refs, {"parcels": tuple(replace(p, failed=bool(value)) for p in parcels)})


def _reviewed(state: State, refs: Refs, value: Value) -> State:
    known = state.orders.get(refs.get("order", "")) or Order(order_id="")
    ids = {line.product_id for line in known.kept}
    ratings = {name: stars for name, stars in state.ratings.items() if name not in ids}
    return replace(state, ratings={**ratings, **dict.fromkeys(ids, 5)} if value else ratings)


def _lines(count: Value) -> tuple[Line, ...]:
    return tuple(Line(f"product-{place + 1}") for place in range(int(count)))


def _cart(name: str) -> Setter:
    def put(state: State, _refs: Refs, value: Value) -> State:
        cart = state.cart or Cart("cart", "", touched_at=state.now)
        told = {"lines": _lines(value)} if name == "lines" else {name: value}
        return replace(state, cart=replace(cart, **told))

    return put


_SETTERS: Final[Mapping[str, Setter]] = {
    **{f"person.{name}": _person(name) for name in ("email", "first_name", "country", "locale")},
    "person.registered": lambda state, _, value: replace(
        state, registered_at=state.now if value else None
    ),
    "person.graduated": lambda state, _, value: _marked(state, "graduated", on=value),
    "person.sunset": lambda state, _, value: _marked(state, consent.SUNSET, on=value),
    "person.relevance": _field("relevance"),
    "person.asked": lambda state, _, value: (
        None if value else replace(state, wish=None, relevance=0)
    ),
    "tier": _field("tier"),
    "topics.news": lambda state, _, value: replace(
        state, topics={**state.topics, "news": bool(value)}
    ),
    "orders.count": _purchases("count"),
    "orders.total": _purchases("total"),
    "cart.lines": _cart("lines"),
    "cart.step": _cart("step"),
    "cart.browsed": _cart("browsed"),
    "order.placed": _instant("placed_at"),
    "order.paid": _instant("paid_at"),
    "order.cancelled": _instant("cancelled_at"),
    "order.refunded": _instant("refunded_at"),
    "order.rated": _instant("rated_at"),
    "order.total": lambda state, refs, value: _order(state, refs, {"total": value}),
    "order.undelivered": _undelivered,
    "order.reviewed": _reviewed,
    "order.reviewable": lambda state, refs, value: _order(
        state, refs, {"lines": _lines(value), "back": {}}
    ),
    "invitation.again": lambda state, refs, value: (
        None
        if value
        else replace(
            state, invited={k: at for k, at in state.invited.items() if k != refs.get("invitee")}
        )
    ),
    "invitations.today": lambda state, _, value: None if value else replace(state, invited={}),
}
