"""Facts in words a person understands, with the values that decided: one sentence a fact.

The console prints them under the instant of their turn; what a customer was not sent, and why, is
read here (law 9).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ecrm import facts
from ecrm.moment import NEVER, format_duration, format_instant

Sentence = Callable[[Any], str]


def _requested(fact: facts.MailRequested) -> str:
    mail = fact.mail
    seen = ", ".join(f"{name} was {value}" for name, value in fact.seen.items())
    because = f" ({seen})" if seen else ""
    return f"mail {mail.kind} {mail.template} goes to the queue as {mail.mail_id}{because}"


def _left(fact: facts.Left) -> str:
    pending = f"; {fact.kind} {fact.step} will not be sent" if fact.kind else ""
    return f"left {fact.key}: {fact.reason}, {fact.detail}{pending}"


def _consent(fact: facts.ConsentChanged) -> str:
    verb = "granted" if fact.granted else "denied"
    source = f" ({fact.source})" if fact.source else ""
    at = f" {format_instant(fact.occurred)}" if fact.occurred is not None else ""
    return f"{fact.purpose} was {verb}{at}{source}"


def _topics(fact: facts.TopicsChosen) -> str:
    wanted = [f"{topic} {'on' if on else 'off'}" for topic, on in sorted(fact.topics.items())]
    wanted += [f"{topic} {cadence}" for topic, cadence in sorted(fact.digests.items())]
    return f"wants to hear of: {', '.join(wanted) or 'everything'}"


def _assessed(fact: facts.Assessed) -> str:
    moved = f"is {fact.tier}" + (f", was {fact.before}" if fact.before != fact.tier else " still")
    again = f", to be looked at again {format_instant(fact.until)}" if fact.until else ""
    return moved + again


def _coupon(fact: facts.OfferMade) -> str:
    worth = f"{fact.percent} %" if fact.percent else f"{fact.amount} {fact.currency} (minor units)"
    least = f" from {fact.minimum} {fact.currency}" if fact.minimum else ""
    return f"coupon {fact.code}: {worth}{least} until {format_instant(fact.until)}"


def _heard(fact: facts.Heard) -> str:
    says = f" (of {fact.address}: {fact.bounce})" if fact.bounce else ""
    return f"mail {fact.kind or fact.mail_id} is {fact.outcome}: {fact.response}{says}"


def _returned(fact: facts.Returned) -> str:
    claimed = "" if fact.proved else ", as somebody claims"
    said = f": {fact.response}" if fact.response else ""
    mail = fact.kind or fact.mail_id
    door = f" by {fact.source}" if fact.source else ""
    told = f"{fact.verdict} ({fact.reason}) of {fact.address}{door}{claimed}"
    return f"mail {mail} came back, {told}{said}"


def _judged(fact: facts.AddressJudged) -> str:
    row = fact.record
    if not row.soft:
        return f"{fact.address} has no soft bounces in a row any more"
    return f"{fact.address} has {row.soft} soft bounces since {format_instant(row.since)}"


def _suppressed(fact: facts.AddressSuppressed) -> str:
    until = "for good" if fact.until == NEVER else f"until {format_instant(fact.until)}"
    what = "at all" if fact.scope == "all" else f"with {fact.scope}"
    return f"{fact.address} is not written to {what} {until}: {fact.reason}"


_SENTENCES: Final[dict[type, Sentence]] = {
    facts.Happened: lambda f: f"{f.event}, happened {format_instant(f.occurred)}",
    facts.Ticked: lambda _: "a timer was due",
    facts.Heard: _heard,
    facts.Returned: _returned,
    facts.AddressFreed: lambda f: f"{f.address} may be written to again: {f.why}".rstrip(": "),
    facts.AddressJudged: _judged,
    facts.AddressSuppressed: _suppressed,
    facts.Opened: lambda f: f"opened mail {f.mail_id}" + ("" if f.human else ", by a machine"),
    facts.Clicked: lambda f: f"followed a link of mail {f.mail_id}",
    facts.Announced: lambda f: f"was told of {f.broadcast_id}, like many",
    facts.AccountClosed: lambda _: "deleted the account",
    facts.Erased: lambda _: "everything known is erased",
    facts.TopicsChosen: _topics,
    facts.Viewed: lambda f: f"looked at {f.line.product_id}",
    facts.SurveyTaken: lambda f: f"answered {f.survey} {f.about}".rstrip() + f": {f.score}",
    facts.Raised: lambda f: f"heard of {f.trigger} {next(iter(f.refs.values()), '')}".rstrip(),
    facts.NoticeKept: lambda f: (
        f"a {type(f.notice).__name__.lower()} waits for the {f.cadence} digest"
    ),
    facts.Assessed: _assessed,
    facts.Scored: lambda f: (
        f"scores {f.score.recency}-{f.score.frequency}-{f.score.value} (recency, frequency, "
        f"average value; cut points {f.score.version}): {f.segment}"
    ),
    facts.CameBack: lambda _: "gave a sign of life",
    facts.OfferUsed: lambda f: (
        f"used coupon {f.code} for order {f.order_id}: {f.cost} {f.currency}"
    ),
    facts.DigestMade: lambda f: f"the {f.cadence} digest was made",
    facts.Invited: lambda f: f"invited somebody ({f.invitee})",
    facts.Remembered: lambda f: f"remembers what {f.source} tells of the past",
    facts.Bound: lambda f: f"goes on as {f.to}",
    facts.Inherited: lambda f: f"took over the life of {f.origin}",
    facts.Recognised: lambda f: f"was {f.visitor} before",
    facts.Joined: lambda f: f"is also known as {f.former}",
    facts.PersonChanged: lambda f: f"is {f.person.first_name or 'known'} <{f.person.email}>",
    facts.SignedUp: lambda _: "opened an account",
    facts.Registered: lambda _: "is registered: an account and an address",
    facts.ConsentChanged: _consent,
    facts.FrequencyWished: lambda f: (
        f"wants at most {f.wish.count} mails in {format_duration(f.wish.window)}"
    ),
    facts.LinePut: lambda f: f"{f.line.quantity} of {f.line.product_id} went into the cart",
    facts.LineTaken: lambda f: f"{f.quantity} of {f.product_id} left the cart",
    facts.CartReplaced: lambda f: f"the cart holds {len(f.lines)} lines",
    facts.CartEmptied: lambda f: f"the cart is empty, by {f.because}",
    facts.CheckoutReached: lambda f: f"the checkout reached {f.step}",
    facts.Browsed: lambda _: "looked at other products",
    facts.OrderPlaced: lambda f: f"placed order {f.order.order_id}",
    facts.OrderPaid: lambda f: f"paid order {f.order.order_id}",
    facts.OrderUpdated: lambda f: f"order {f.order.order_id} was updated",
    facts.OrderCredited: lambda f: (
        f"order {f.order_id} counts for {f.credit.programme}/{f.credit.step}: its mail was the last"
        f" one clicked before, {format_instant(f.credit.clicked_at)}"
    ),
    facts.OrderPrepared: lambda f: f"order {f.order_id} is being prepared",
    facts.OrderShipped: lambda f: f"parcel {f.parcel.parcel_id} of order {f.order_id} left",
    facts.ParcelDelivered: lambda f: f"order {f.order_id} was delivered",
    facts.ParcelFailed: lambda f: f"delivery of order {f.order_id} failed: {f.status}",
    facts.OrderCancelled: lambda f: f"order {f.order_id} was cancelled",
    facts.OrderRefunded: lambda f: f"order {f.order_id} was refunded",
    facts.ProductsReturned: lambda f: f"a part of order {f.order_id} was refunded",
    facts.ReturnUnmatched: lambda f: (
        f"sent back {', '.join(sorted(f.pieces))}, of no order that is known"
    ),
    facts.ProductReviewed: lambda f: f"reviewed {f.product_id}: {f.rating}",
    facts.SiteRated: lambda f: f"rated the shop after order {f.order_id}: {f.score}",
    facts.Enrolled: lambda f: f"entered {f.key} because of {f.because}",
    facts.ClockSet: lambda f: f"{f.key} counts from {f.clock} at {format_instant(f.since)}",
    facts.Awaits: lambda f: f"{f.key} waits for {f.step} until {format_instant(f.due)}",
    facts.Left: _left,
    facts.Finished: lambda f: f"finished {f.key}",
    facts.Marked: lambda f: f"is marked {f.mark}",
    facts.MailRequested: _requested,
    facts.MailDeferred: lambda f: (
        f"mail {f.kind} {f.step} waits until {format_instant(f.until)}: {f.reason}, {f.detail}"
    ),
    facts.MailWithheld: lambda f: (
        f"mail {f.kind} {f.step} is not sent: {f.reason}, {f.detail} ({f.key})"
    ),
    facts.Reconsidered: lambda f: (
        f"mail {f.kind} came too late as it was: {f.key} looks at {f.stay.step} again"
    ),
    facts.MailRetracted: lambda f: f"mail {f.kind} is taken back: {f.because}",
    facts.OfferMade: _coupon,
}


def sentence(fact: facts.AnyFact) -> str:
    return _SENTENCES[type(fact)](fact)
