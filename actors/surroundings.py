"""Surroundings: what a turn is given to know of the shop, put together before it
(`ecrm/around.py`).

Only what the turn may ask for is looked up: products that the event names, and proposals where a
programme that the turn may advance proposes any. Most turns ask for neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from actors.catalogue import Catalogue
from actors.ledger import Ledger
from ecrm import catalogue, matters, messages, values
from ecrm.around import Around
from ecrm.moment import Instant
from ecrm.rules import Rules
from ecrm.state import State
from proto import envelope, events

# What an event sets off beside its own name, where that begins a programme that proposes.
_SETS_OFF: Final[Mapping[str, tuple[str, ...]]] = {
    "Order Completed": ("First Order", "Next Order"),
    "Order Paid": ("First Order", "Next Order"),
}


def around(
    rules: Rules,
    catalogue_: Catalogue,
    ledger: Ledger,
    state: State,
    message: messages.Incoming,
    now: Instant,
) -> Around:
    """What this turn may look at beside the customer."""
    mentioned = _mentioned(message)
    relations = rules.relations(_triggers(state, message), ())
    shelf = catalogue.EMPTY
    if relations or mentioned:
        # A taste is not cheap, and most events only name a product.
        taste = values.taste(state, {}) if relations else catalogue.Taste()
        if mentioned and _is_order(message):
            taste = replace(taste, recent=mentioned)
        shelf = catalogue_.shelf(taste, relations, mentioned)
    shelves = _shelves(rules, catalogue_, state, now)
    return Around(shelf=shelf, shelves=shelves, spent=ledger.spent(now), cuts=ledger.cuts)


def _shelves(
    rules: Rules, catalogue_: Catalogue, state: State, now: Instant
) -> dict[str, catalogue.Shelf]:
    """What each stay may propose whose step is due, for what that stay is about."""
    due = ((key, stay) for key, stay in state.enrolments.items() if state.timers[key] <= now)
    return {
        key: catalogue_.shelf(values.taste(state, stay.refs), relations)
        for key, stay in due
        if (relations := rules.relations((), (stay.programme,)))
    }


def _is_order(message: messages.Incoming) -> bool:
    """The order is not in the state yet: its products come with the event."""
    return isinstance(message, envelope.Message) and isinstance(
        message.event, events.OrderCompleted | events.OrderPaid
    )


def _mentioned(message: messages.Incoming) -> tuple[str, ...]:
    match message:
        case envelope.Message(event=events.Product() as product):
            return (product.product_id,)
        case envelope.Message(event=event):
            products = getattr(event, "products", ())
        case messages.History(past=past):
            products = [one for each in past for one in getattr(each.deed, "products", ())]
        case _:
            return ()
    return tuple(dict.fromkeys(product.product_id for product in products))


def _triggers(state: State, message: messages.Incoming) -> tuple[str, ...]:
    match message:
        case envelope.Message(event_name=name):
            return (name, *_SETS_OFF.get(name, ()))
        case messages.Announce(matter=matters.Release()):
            return ("Product Released",)
        case messages.Announce():
            return ("Campaign Launched",)
        case messages.Report(mail_id=mail_id):
            waiting = state.waiting.get(mail_id)
            return (f"Sent {waiting.kind}",) if waiting is not None else ()
        case _:
            return ()
