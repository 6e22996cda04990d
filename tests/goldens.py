"""Golden facts: what was journalled once is read and applied alike by every release (law 12).

A golden file is one past of one customer: the bytes of each of its turns as the journal keeps them,
the state they make, and the fields that state had at the time. A later release may know more fields;
those are left out of the comparison. It may not know fewer, or come to other values.

    python -m tests.goldens 2027-03-loyalty       adds tests/golden/facts/2027-03-loyalty-*.json

The files are never rewritten: a change that makes one fail changes the past of real customers. New
facts and new fields get new files beside the old ones.
"""

from __future__ import annotations

import base64
import sys
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import replace

from ecrm import apply, facts
from ecrm.catalogue import Product
from ecrm.matters import AnyMatter, Campaign, Release
from ecrm.moment import CustomerId, Instant, days, hours, minutes
from ecrm.state import State
from proto import events
from tests.lives import Life
from tests.values import FACTS

FOLDER = Path(__file__).parent / "golden" / "facts"
NOON = 1_780_000_000_000


class Golden(msgspec.Struct, frozen=True):
    """`turns` are base64; `hashes` those of the state after each; `state` the last one, readable;
    `said` how each turn's facts read; `fields` what each struct knew when the file was made.
    """

    customer_id: str
    fields: dict[str, list[str]]
    turns: list[str]
    hashes: list[str]
    said: list[list[Any]]
    state: Any


Fields = dict[str, list[str]]


def tree(value: Any, fields: Fields | None = None) -> Any:
    """A value as plain JSON with its defaults written out, cut to the fields a file knows."""
    if isinstance(value, msgspec.Struct):
        name = type(value).__name__
        known = value.__struct_fields__ if fields is None else fields.get(name, [])
        return {"$": name} | {one: tree(getattr(value, one), fields) for one in known}
    if isinstance(value, dict):
        return {key: tree(one, fields) for key, one in value.items()}
    if isinstance(value, tuple):
        return [tree(one, fields) for one in value]
    return value


def hash_of(plain: Any) -> str:
    return blake2b(msgspec.json.encode(plain, order="deterministic"), digest_size=16).hexdigest()


def replayed(golden: Golden) -> Iterator[tuple[tuple[facts.AnyFact, ...], State]]:
    """The facts of each turn, read by today's release, and the state after them."""
    state = State(customer_id=CustomerId(golden.customer_id))
    for turn in golden.turns:
        made = facts.decode(base64.b64decode(turn))
        state = apply.replay(state, made)
        yield made, state


def make(customer_id: str, turns: list[tuple[facts.AnyFact, ...]]) -> Golden:
    state, hashes, fields = State(customer_id=CustomerId(customer_id)), [], {}
    for made in turns:
        state = apply.replay(state, made)
        hashes.append(hash_of(tree(state)))
        for value in (*made, state):
            fields |= fields_in(value)
    return Golden(
        customer_id=customer_id,
        fields=dict(sorted(fields.items())),
        turns=[base64.b64encode(facts.encode(made)).decode() for made in turns],
        hashes=hashes,
        said=[[tree(fact) for fact in made] for made in turns],
        state=tree(state),
    )


def fields_in(value: Any) -> Fields:
    """The structs in a value, with all their fields."""
    found: Fields = {}
    if isinstance(value, msgspec.Struct):
        found[type(value).__name__] = list(value.__struct_fields__)
        parts = [getattr(value, name) for name in value.__struct_fields__]
    else:
        parts = list(value.values()) if isinstance(value, dict) else list(value)
    for part in parts:
        if isinstance(part, msgspec.Struct | dict | tuple):
            found |= fields_in(part)
    return found


# What goes into a new file: every kind of fact, and a life in which most things happen.


def sample(kind: Any, name: str = "") -> Any:  # noqa: PLR0911 - one line a kind of type
    """A value of that type that is no default. A text is its field's name, so that facts that speak
    of an order, a stay or a mail speak of the same one.
    """
    origin, args = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        return kind(**{one: sample(hints[one], one) for one in kind.__struct_fields__})
    if kind is Instant:
        return NOON + len(name) * 1_000
    if hasattr(kind, "__supertype__"):
        return sample(kind.__supertype__, name)
    if origin is Literal:
        return args[-1]
    if origin in (types.UnionType, Union):
        return sample(args[0], name)
    if origin is tuple:
        return (sample(args[0], name),)
    if origin is dict:
        return {sample(args[0], name): sample(args[1], name)}
    return {str: name, int: len(name) + 1, bool: True}[kind]


def every_fact() -> list[tuple[facts.AnyFact, ...]]:
    """One of each kind, and what arose of each matter there is."""
    raised = sample(facts.Raised)
    matters = [(replace(raised, matter=sample(kind)),) for kind in get_args(AnyMatter)]
    return [*((sample(kind),) for kind in FACTS), *matters]


def recorded(life: Life) -> list[tuple[facts.AnyFact, ...]]:
    """The turns this life takes from now on."""
    turns: list[tuple[facts.AnyFact, ...]] = []
    take = life.take

    def taking(message):
        made = take(message)
        turns.append(made)
        return made

    life.take = taking
    return turns


def a_life() -> list[tuple[facts.AnyFact, ...]]:
    """Registered, a cart that was left, an order with its parcels, a return, a rating, a review."""
    life = Life(start="2026-03-26 19:30", customer_id="golden")
    turns = recorded(life)
    tea = events.Product(
        product_id="tea", price=12.5, quantity=2, name="Thé vert", url="https://s.example/t"
    )
    cup = events.Product(product_id="cup", price=7, name="Cup", category="Tableware")
    life.signs_up().identify(timezone="Europe/Paris", locale="fr-FR", last_name="Ž").consents()
    life.tell(events.ProductAdded(product_id="tea", price=12.5, quantity=2, cart_id="k"))
    life.tell(events.CheckoutStarted(cart_id="k", currency="EUR", products=(tea, cup)))
    life.tell(events.PaymentInfoEntered(cart_id="k")).sleeps(days(8)).reports("accepted")
    guest = Life(start="2026-04-04 10:00", customer_id="visitor:golden")
    guest.tell(events.ProductAdded(product_id="cup", price=7)).sleeps(minutes(5))
    guest.becomes(life)
    life.tell(events.ProductViewed(product_id="hat")).sleeps(hours(2))
    life.tell(events.OrderCompleted(order_id="o1", currency="EUR", products=(tea, cup), total=32))
    life.tell(events.OrderPaid(order_id="o1", total=32, currency="EUR", payment_method="card"))
    life.reports("cancelled", "k10").reports("accepted").sleeps(hours(20))
    life.tell(events.OrderPrepared(order_id="o1")).sleeps(hours(4))
    life.tell(events.OrderFulfilled(order_id="o1", fulfillment_id="a", carrier="La Poste"))
    life.tell(events.ShipmentUpdated(order_id="o1", fulfillment_id="a", status="Delivery failed"))
    life.sleeps(days(2)).tell(events.OrderDelivered(order_id="o1")).reports("accepted")
    life.tell(events.OrderRefunded(order_id="o1", products=(cup,))).sleeps(days(20))
    life.tell(events.SurveyAnswered(survey_id="site/o1", score=9)).sleeps(days(20))
    life.tell(events.ProductReviewed(product_id="tea", rating=5)).sleeps(days(30))
    life.tell(events.OrderPaid(order_id="o2", total=900, currency="JPY"))
    life.tell(events.OrderCancelled(order_id="o2")).consents(given=False)
    return turns


SHELF = (
    Product("s1", "Season 1", price=900, currency="EUR", series_id="s", edition="1", cycle_days=9),
    Product("pen", "Pen", category="a", price=300, currency="EUR", complements=("ink",)),
    Product("ink", "Ink", category="a", price=200, currency="EUR", recurring=True),
    Product("pad", "Pad", category="a", price=400, currency="EUR"),
)


def a_reader() -> list[tuple[facts.AnyFact, ...]]:
    """All that is no order: letters read, tiers, coupons used, dates, digests, bills, secrets,
    friends, questions; silence and the way back; and the end of the account.
    """
    life = Life(start="2026-10-20 09:00", customer_id="golden").shop_has(*SHELF, recent=("pen",))
    turns = recorded(life)
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    life.identify(timezone="Europe/Paris").signs_up().consents()
    life.tell(events.ConsentUpdated(purpose="open_tracking", state="granted", source="form"))
    bought = tuple(events.Product(product_id=one, price=9) for one in ("s1", "pen"))
    life.tell(events.OrderPaid(order_id="o1", total=18, currency="EUR", products=bought))
    life.reports("accepted").tell(events.ProductReviewed(product_id="pen", rating=4))
    used = {"coupon": life.of(facts.OfferMade)[-1].code, "discount": 2}
    life.tell(events.OrderPaid(order_id="o2", total=7, currency="EUR", **used)).reports("accepted")
    news = {"comment": "weekly", "shipping": "daily"}
    life.tell(events.PreferenceUpdated(topics={"event": False}, digest=news))
    life.tell(events.CommentPosted(subject_id="s1", author="Léo", excerpt="Me too"))
    life.tell(events.ShipmentUpdated(order_id="o1", status="in transit", eta="soon"))
    life.tell(events.AppointmentScheduled(appointment_id="a1", starts_at=noon, place="Rue Haute"))
    life.tell(events.InvoiceOverdue(invoice_id="i1", order_id="o1", total=18, due_at=noon))
    life.tell(events.PaymentFailed(order_id="o3", reason="card", retry_url="https://s.example/p"))
    life.tell(events.VerificationCodeRequested(code="481516", expires_at=noon, purpose="sign-in"))
    life.tell(events.PasswordResetRequested(reset_url="https://s.example/r", expires_at=noon))
    life.tell(events.LoginAttempted(success=False, ip="203.0.113.9", location="Lyon"))
    life.tell(events.AccountUpdated(fields=("password",)))
    life.tell(events.InviteSent(invitee_email="bob@post.example", invitee_first_name="Bob"))
    life.tell(events.SupportTicketOpened(ticket_id="t1", subject="Late", parties=("p@x.example",)))
    life.sleeps(days(20)).reports("accepted").tell(events.InvoicePaid(invoice_id="i1"))
    life.tell(events.SupportTicketClosed(ticket_id="t1", status="solved"))
    for n in range(4):
        life.is_told_of(Campaign(f"c{n}", "newsletter/news", subject="News", segment=""), f"b{n}")
        life.sleeps(days(1)).reports("accepted").sleeps(days(9)).opens("k28").clicks("k28")
    life.tell(events.OrderPaid(order_id="o4", total=5, currency="EUR")).reports("accepted")
    life.is_told_of(Release("s2", "s", "2", name="Season 2", price=900, currency="EUR"), "r1")
    life.tell(events.EmailChanged(old_email="ana@post.example", new_email="ana@new.example"))
    for _ in range(80):
        life.sleeps(days(5)).reports("accepted")
    life.tell(events.PreferenceUpdated(frequency="monthly")).sleeps(days(1))
    life.tell(events.SurveyAnswered(survey_id="relevance", score=4))
    life.tell(events.AccountDeleted()).reports("accepted")
    return turns


PARTS: Final = {"every-fact": every_fact, "a-life": a_life, "a-reader": a_reader}


def write(name: str) -> None:
    """Add today's files under a new name. Raises FileExistsError where there are such files."""
    for part, turns in ((part, made()) for part, made in PARTS.items()):
        plain = msgspec.json.format(msgspec.json.encode(make("golden", turns)), indent=1)
        with (FOLDER / f"{name}-{part}.json").open("xb") as file:
            file.write(plain + b"\n")


if __name__ == "__main__":
    write(sys.argv[1])
