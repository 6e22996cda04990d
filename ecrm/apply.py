"""How a fact changes the state: total, without opinion, and for ever.

`apply` never raises and never decides: it copies what the fact says into the tree. Facts journalled
by any earlier release come through here again, so a branch may be added and none may change its
meaning (laws 7 and 12). A fact about something the state no longer knows changes nothing but the
sequence number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

from msgspec.structs import replace

from ecrm import facts
from ecrm.changes import cart, life, mailboxes, merging, orders, programmes
from ecrm.changes.bounds import Changes
from ecrm.moment import Seq
from ecrm.state import State


def apply(state: State, fact: facts.AnyFact) -> State:
    """The state after `fact`; its `seq` is one more."""
    changes = _APPLIERS[type(fact)](state, fact)
    return replace(state, seq=Seq(state.seq + 1), **changes)


def replay(state: State, past: tuple[facts.AnyFact, ...]) -> State:
    return reduce(apply, past, state)


def _nothing(_state: State, _fact: facts.AnyFact) -> Changes:
    return {}


_APPLIERS: Final[dict[type, Callable[[State, Any], Changes]]] = {
    facts.Happened: life.happened,
    facts.Ticked: life.at,
    facts.Heard: life.heard,
    facts.Returned: life.at,
    facts.AddressFreed: mailboxes.freed,
    facts.Opened: life.opened,
    facts.Clicked: life.clicked,
    facts.Announced: life.at,
    facts.Remembered: life.remembered,
    facts.Bound: merging.bound,
    facts.Inherited: merging.inherited,
    facts.Recognised: _nothing,
    facts.Joined: merging.joined,
    facts.PersonChanged: life.person,
    facts.SignedUp: life.signed_up,
    facts.Registered: life.registered,
    facts.ConsentChanged: life.consent,
    facts.AccountClosed: life.closed,
    facts.Erased: life.at,
    facts.TopicsChosen: life.topics,
    facts.FrequencyWished: life.wished,
    facts.AddressJudged: mailboxes.judged,
    facts.AddressSuppressed: mailboxes.suppressed,
    facts.LinePut: cart.line_put,
    facts.LineTaken: cart.line_taken,
    facts.CartReplaced: cart.cart_replaced,
    facts.CartEmptied: cart.cart_emptied,
    facts.CheckoutReached: cart.checkout,
    facts.Browsed: cart.browsed,
    facts.Viewed: cart.viewed,
    facts.OrderPlaced: orders.told,
    facts.OrderPaid: orders.told,
    facts.OrderUpdated: orders.told,
    facts.OrderCredited: orders.credited,
    facts.OrderPrepared: orders.prepared,
    facts.OrderShipped: orders.shipped,
    facts.ParcelDelivered: orders.delivered,
    facts.ParcelFailed: orders.failed,
    facts.OrderCancelled: orders.cancelled,
    facts.OrderRefunded: orders.refunded,
    facts.ProductsReturned: orders.returned,
    facts.ReturnUnmatched: _nothing,
    facts.ProductReviewed: life.reviewed,
    facts.SiteRated: life.site_rated,
    facts.SurveyTaken: life.surveyed,
    facts.Raised: life.raised,
    facts.NoticeKept: life.kept,
    facts.Assessed: life.assessed,
    facts.CameBack: life.came_back,
    facts.Scored: life.scored,
    facts.Enrolled: programmes.enrolled,
    facts.ClockSet: programmes.clock_set,
    facts.Awaits: programmes.awaits,
    facts.Left: programmes.ended,
    facts.Finished: programmes.ended,
    facts.Marked: programmes.marked,
    facts.MailRequested: programmes.requested,
    facts.MailDeferred: programmes.deferred,
    facts.MailWithheld: _nothing,
    facts.MailRetracted: programmes.retracted,
    facts.Reconsidered: programmes.reconsidered,
    facts.OfferMade: programmes.offered,
    facts.OfferUsed: programmes.used,
    facts.DigestMade: life.digested,
    facts.Invited: life.invited,
}
