"""The till: what a cart costs, with its coupon and its way to the customer. Minor units."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from actors.web.demo.goods import BY_ID, Good
from ecrm import offers
from ecrm.moment import Instant
from ecrm.state import Offered, State

MOST_OF_ONE: Final = 9
Shipping = Literal["home", "relay"]
SHIPPING: Final[dict[Shipping, tuple[str, int]]] = {
    "home": ("Colissimo", 490),
    "relay": ("Mondial Relay", 290),
}
FREE_FROM: Final = 6000


class Line(msgspec.Struct, frozen=True):
    good: Good
    quantity: int

    @property
    def total(self) -> int:
        return self.good.price * self.quantity


class Bill(msgspec.Struct, frozen=True):
    """`coupon` is the code that took `discount` off; empty where none did."""

    lines: tuple[Line, ...]
    coupon: str
    discount: int
    shipping: int

    @property
    def goods(self) -> int:
        return sum(line.total for line in self.lines)

    @property
    def total(self) -> int:
        return self.goods - self.discount + self.shipping


def bill(cart: dict[str, int], offer: Offered | None, shipping: Shipping) -> Bill:
    lines = tuple(Line(BY_ID[product_id], quantity) for product_id, quantity in cart.items())
    goods = sum(line.total for line in lines)
    discount = _discount(goods, offer) if offer is not None else 0
    way = 0 if goods >= FREE_FROM or not lines else SHIPPING[shipping][1]
    return Bill(lines, offer.code if offer is not None and discount else "", discount, way)


def _discount(goods: int, offer: Offered) -> int:
    if goods < offer.minimum:
        return 0
    # Half a minor unit is the shop's, as the mail promises it (`actors/templates.py`).
    reduced = (goods * (100 - offer.percent) + 50) // 100 if offer.percent else goods - offer.amount
    return goods - max(reduced, 0)


class Refused(Exception):
    """The coupon is not for this person, this cart or this day; says why, in a sentence."""


def coupon(typed: str, state: State | None, now: Instant, goods: int) -> Offered:
    """The offer that a code names: made for this person, still good, not used. Raises Refused."""
    code = offers.read(typed)
    if not code:
        raise Refused("There is no such code: is there a slip in it?")
    known = state.offers if state is not None else ()
    offer = next((one for one in known if one.code == code), None)
    if offer is None:
        raise Refused("This code was made for somebody else, or has been used.")
    if offer.until < now:
        raise Refused("This code is over: it was good until the end of its day.")
    if goods < offer.minimum:
        raise Refused("The cart is too small for this code.")
    return offer
