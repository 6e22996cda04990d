"""Lives by number: the same number is always the same past, with everything a shop can tell.

For tests about what comes after any past. The mails of these lives are handed over at once, as a
queue without a rate does it, unless the life says that they were not.
"""

from __future__ import annotations

from random import Random

from ecrm import messages, state
from ecrm.catalogue import Product
from ecrm.matters import Campaign, Release
from ecrm.moment import DAY, HOUR, MINUTE, Duration, Instant
from ecrm.rules import Rules
from proto import events
from tests.lives import Life, rules_in

ZONES = ("Europe/Paris", "Asia/Kolkata", "America/New_York", "Pacific/Chatham")
STARTS = ("2026-03-27 18:30", "2026-10-23 20:50", "2026-03-07 12:00", "2026-06-15 07:59")
SHELF = (
    Product("p1", "One", category="a", price=500, currency="EUR", complements=("p4",), cycle_days=9),
    Product("p2", "Two", category="b", price=700, currency="EUR", series_id="s", edition="1"),
    Product("p3", "Three", price=90, currency="EUR", series_id="s", edition="2", recurring=True),
    Product("p4", "Four", category="a", price=500, currency="EUR", creator_id="maker"),
    Product("p5", "Five", category="a", price=900, currency="EUR", creator_id="maker"),
)  # fmt: skip


class NoLaws:
    """For lives whose turns are checked elsewhere: a thousand of them take their time."""

    def check(self, *_: object) -> None:
        pass

    def begin(self, *_: object) -> None:
        pass


def fork(life: Life, zone: str = "Europe/Paris") -> Life:
    """The same customer at the same instant, to go on by itself."""
    twin = Life(zone, rules=life.rules, customer_id=life.state.customer_id)
    twin.laws = NoLaws()
    twin.zone, twin.now, twin.state, twin.around = life.zone, life.now, life.state, life.around
    twin._messages = life._messages + 1_000
    return twin


def lived(number: int, rules: Rules | None = None, *, watched: object | None = None) -> Life:
    """The life of that number up to some day of its first months; `watched` sees every turn, like
    the laws of other lives.
    """
    dice = Random(number)
    zone = dice.choice(ZONES)
    life = Life(zone, rules=rules or rules_in(zone), start=dice.choice(STARTS))
    life.laws = watched or NoLaws()
    life.shop_has(*SHELF, recent=("p1", "p4"))
    if dice.random() < 0.9:
        life.identify(timezone=dice.choice([None, *ZONES]))
    if dice.random() < 0.7:
        life.signs_up()
    if dice.random() < 0.7:
        life.consents(dice.random() < 0.85)
    for _ in range(dice.randrange(1, 14)):
        _happens(life, dice)
        if dice.random() < 0.9:
            life.reports("accepted")
        passes(life, Duration(dice.choice([0, MINUTE, HOUR, 5 * HOUR, DAY, 9 * DAY, 31 * DAY])))
    passes(life, Duration(dice.randrange(3 * DAY)))
    return life


def passes(life: Life, span: Duration) -> Life:
    """Time passes; what is decided on is handed over at the same instant."""
    then = Instant(life.now + span)
    while (due := state.earliest_timer(life.state)) is not None and due <= then:
        life.now = max(life.now, due)
        life.take(messages.Tick())
        while life.state.waiting:
            life.reports("accepted")
    life.now = then
    return life


def _happens(life: Life, dice: Random) -> None:
    product = dice.choice(("p1", "p2", "p3"))
    order = dice.choice(("o1", "o2", "o3"))
    deed = dice.randrange(13)
    if deed < 7:
        _shops(life, dice, product, order, deed)
        return
    match deed:
        case 7:
            state_ = dice.choice(("granted", "denied"))
            life.tell(events.ConsentUpdated(purpose="email_marketing", state=state_))
        case 8:
            wish = dice.choice((0, 1, "weekly", "monthly"))
            life.tell(events.PreferenceUpdated(frequency=wish, digest={"comment": "weekly"}))
        case 9:
            life.tell(events.CommentPosted(subject_id="s1"))
        case 10:
            life.is_told_of(Release(product_id="p9", series_id="s", edition="3", name="Season"))
        case 11:
            life.is_told_of(Campaign(campaign_id="c1", name="newsletter/news", segment=""))
        case _:
            life.tell(events.OrderCancelled(order_id=order))


def _shops(life: Life, dice: Random, product: str, order: str, deed: int) -> None:
    lines = (events.Product(product_id=product, price=dice.randrange(1, 90)),)
    paid = {"order_id": order, "products": lines, "total": 40, "currency": "EUR"}
    match deed:
        case 0 | 1:
            life.tell(events.ProductAdded(product_id=product, price=5))
            if dice.random() < 0.4:
                life.tell(events.CheckoutStarted(products=lines))
        case 2 | 3 | 4:
            life.tell(events.OrderCompleted(**paid)).tell(events.OrderPaid(**paid))
            if dice.random() < 0.8:
                life.tell(events.OrderFulfilled(order_id=order, fulfillment_id="a"))
        case 5:
            life.tell(events.OrderDelivered(order_id=order, fulfillment_id="a"))
        case _:
            life.tell(events.ProductReviewed(product_id=product, rating=dice.randrange(6)))
