"""The shop's pages: what there is, the cart, who somebody is, what was ordered."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from actors.web.demo.floor import ROOT, Floor, back
from actors.web.demo.goods import BY_ID, CATEGORIES, GOODS, Good, along
from actors.web.demo.till import Refused, bill
from actors.web.demo.visitors import BECOMES, Order, Session
from proto import events

NAME: Final = 40
_PATH: Final = re.compile(r"[\w/-]*")


class Counter:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._backend = floor.backend

    def add_to(self, pages: Blueprint) -> None:
        for rule, view, method in (
            ("/", self.home, "GET"),
            ("/c/<category>", self.category, "GET"),
            ("/p/<product_id>", self.product, "GET"),
            ("/cart", self.cart, "GET"),
            ("/cart", self.put, "POST"),
            ("/coupon", self.redeem, "POST"),
            ("/language", self.speak, "POST"),
            ("/account", self.account, "GET"),
            ("/account", self.sign_up, "POST"),
            ("/account/as", self.sign_in, "POST"),
            ("/orders/<order_id>", self.order, "GET"),
            ("/orders/<order_id>", self.work, "POST"),
        ):
            pages.add_url_rule(rule, f"{view.__name__}", view, methods=[method])

    async def home(self) -> Response:
        return self._listed(self._floor.enter(), "", GOODS)

    async def category(self, category: str) -> Response:
        if category not in CATEGORIES:
            raise NotFound
        chosen = tuple(good for good in GOODS if good.category == category)
        return self._listed(self._floor.enter(), category, chosen)

    def _listed(self, session: Session, category: str, goods: tuple[Good, ...]) -> Response:
        if category:
            products = [{"product_id": good.product_id} for good in goods]
            session.say("product.listed", products, {"category": category})
        return self._floor.page("home", session, category=category, goods=goods)

    async def product(self, product_id: str) -> Response:
        session = self._floor.enter()
        good = _good(product_id)
        session.say("product.viewed", self._said(good))
        return self._floor.page("product", session, good=good, others=along([good]))

    def _said(self, good: Good, quantity: int | None = None) -> object:
        """A product as the SDK says it."""
        return msgspec.to_builtins(self._backend.shelf.product(good, quantity))

    async def cart(self) -> Response:
        session = self._floor.enter()
        cost = await self._floor.bill(session)
        if cost.lines:
            products = [self._said(line.good, line.quantity) for line in cost.lines]
            value = {"cart_id": session.cart_id, "value": cost.goods / 100}
            session.say("cart.viewed", products, value | {"currency": self._backend.shelf.currency})
        goods = [line.good for line in cost.lines]
        return self._floor.page("cart", session, bill=cost, others=along(goods))

    async def put(self) -> Response:
        """So many more, or fewer, of a product."""
        session = self._floor.known()
        form = await request.form
        good = _good(form.get("product_id", ""))
        wanted = form.get("quantity", "1")
        by = int(wanted) if wanted in {str(number) for number in range(-9, 10)} else 0
        put = session.put(good.product_id, by)
        if put:
            call = "cart.add" if put > 0 else "cart.remove"
            session.say(call, self._said(good, abs(put)), {"cart_id": session.cart_id})
        elif by > 0:
            session.notice = "Nine of one thing is all there is."
        return back("cart")

    async def redeem(self) -> Response:
        """A code from a mail: the offer of this person's own state, or none."""
        session = self._floor.known()
        typed = (await request.form).get("code", "").strip()[:NAME]
        if not typed:
            session.coupon = ""
            return back("cart")
        session.say("checkout.coupon", typed, {"cart_id": session.cart_id})
        try:
            offer = await self._floor.offer(session, typed)
        except Refused as refused:
            session.notice = str(refused)
            denied = events.CouponDenied(
                cart_id=session.cart_id, coupon_name=typed, reason=str(refused)
            )
            await self._backend.tell(session, denied)
            return back("cart")
        session.coupon, session.notice = offer.code, "The code is taken off."
        cost = bill(session.cart, offer, session.shipping)
        applied = events.CouponApplied(
            cart_id=session.cart_id, coupon_name=offer.code, discount=cost.discount / 100
        )
        await self._backend.tell(session, applied)
        return back("cart")

    async def speak(self) -> Response:
        session = self._floor.known()
        form = await request.form
        wanted = self._floor.language_of(form.get("language", ""))
        await self._backend.speaks(session, wanted)
        path = form.get("to", "").removeprefix(ROOT)
        return back(path if _PATH.fullmatch(path) else "")

    # Who somebody is.

    async def account(self) -> Response:
        return self._floor.page("account", self._floor.enter())

    async def sign_up(self) -> Response:
        session = self._floor.known()
        form = await request.form
        session.knows(form.get("visitor", ""))
        given = contact(form.get("email", ""), form.get("first_name", ""))
        if given is None:
            session.notice = "Please give an address that can be written to, and a first name."
            return back("account")
        email, first_name = given
        agreed = form.get("agreed") == "yes"
        await self._backend.sign_up(session, email, first_name, account=True, agreed=agreed)
        return back("account")

    async def sign_in(self) -> Response:
        """As one of the people of this browser, or as nobody."""
        session = self._floor.known()
        form = await request.form
        person = session.people.get(form.get("user_id", ""))
        session.person = person
        session.empty()
        session.visitor = ""
        session.say("reset")
        if person is not None:
            self._backend.greets(session, person)
            await self._backend.tell(session, events.SignedIn(username=person.email))
        return back("account")

    # What was ordered, and what the back office does with it.

    async def order(self, order_id: str) -> Response:
        session = self._floor.enter()
        return self._floor.page("order", session, order=_order(session, order_id))

    async def work(self, order_id: str) -> Response:
        session = self._floor.known()
        order = _order(session, order_id)
        deed = next((one for one in order.deeds if one == (request.args.get("do"))), None)
        if deed is not None and order.user_id in session.people:
            await self._backend.does(session, order, deed)
            order.stage = BECOMES[deed]
        return back(f"orders/{order_id}")


def contact(email: str, first_name: str) -> tuple[str, str] | None:
    """An address that can be written to and a name, or None."""
    email, first_name = email.strip(), first_name.strip()[:NAME]
    try:
        msgspec.convert(email, events.Email)
    except msgspec.ValidationError:
        return None
    return (email, first_name) if first_name and email.isprintable() else None


def _good(product_id: str) -> Good:
    if product_id not in BY_ID:
        raise NotFound
    return BY_ID[product_id]


def _order(session: Session, order_id: str) -> Order:
    if order_id not in session.orders:
        raise NotFound
    return session.orders[order_id]
