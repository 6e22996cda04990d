"""The checkout: contact, address, shipping, payment, review; in this order, each a page.

Pages say where the customer is through the SDK; the back end says who it is, as soon as there is an
address, and what was ordered. Nothing is charged, and what is typed beside name and address is
forgotten with the cart.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from actors.web.demo.counter import contact
from actors.web.demo.floor import Floor, back
from actors.web.demo.till import SHIPPING, bill
from actors.web.demo.visitors import Order, Session
from ecrm.offers import ALPHABET
from proto.events import STEPS

PAYMENTS: Final = ("card", "transfer")
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "contact": ("email", "first_name", "agreed"),
    "address": ("street", "postcode", "city"),
    "shipping": ("shipping",),
    "payment": ("payment",),
    "review": (),
}
LONGEST: Final = 120


class Checkout:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._backend = floor.backend

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/checkout", "begin", self.begin, methods=["GET"])
        pages.add_url_rule("/checkout/<step>", "show_step", self.show, methods=["GET"])
        pages.add_url_rule("/checkout/<step>", "take_step", self.take, methods=["POST"])

    async def begin(self) -> Response:
        return back(f"checkout/{_awaited(self._floor.enter())}")

    async def show(self, step: str) -> Response:
        session = self._floor.enter()
        if not session.cart:
            return back("cart")
        if STEPS.index(_known(step)) > STEPS.index(_awaited(session)):
            return back(f"checkout/{_awaited(session)}")
        cost = await self._floor.bill(session)
        cart = {"cart_id": session.cart_id, "value": cost.total / 100}
        if not session.checking_out:
            session.checking_out = True
            session.say("checkout.started", cart | {"currency": self._backend.shelf.currency})
        session.say("checkout.step", step, {"cart_id": session.cart_id})
        return self._floor.page(
            "checkout",
            session,
            bill=cost,
            step=step,
            steps=STEPS,
            done=[one for one in STEPS if one in session.done],
            given=session.done.get(step, {}),
            carriers=SHIPPING,
            rates={way: bill(session.cart, None, way).shipping for way in SHIPPING},
        )

    async def take(self, step: str) -> Response:
        session = self._floor.known()
        awaited = _awaited(session)
        if not session.cart or STEPS.index(_known(step)) > STEPS.index(awaited):
            return back(f"checkout/{awaited}" if session.cart else "cart")
        form = await request.form
        session.knows(form.get("visitor", ""))
        given = {name: form.get(name, "").strip()[:LONGEST] for name in FIELDS[step]}
        if step == "review":
            return await self._order(session)
        if not await self._accepts(session, step, given):
            session.notice = "Something is missing here."
            return back(f"checkout/{step}")
        session.done[step] = given
        if step == "payment":
            session.say("checkout.payment", {"cart_id": session.cart_id})
        session.say("checkout.completed", step, {"cart_id": session.cart_id})
        return back(f"checkout/{STEPS[STEPS.index(step) + 1]}")

    async def _accepts(self, session: Session, step: str, given: Mapping[str, str]) -> bool:
        match step:
            case "contact":
                return await self._meet(session, given)
            case "shipping":
                way = next((one for one in SHIPPING if one == given["shipping"]), None)
                session.shipping = way or session.shipping
                return way is not None
            case "payment":
                return given["payment"] in PAYMENTS
            case _:
                return all(given.values())

    async def _meet(self, session: Session, given: Mapping[str, str]) -> bool:
        """From here on there is somebody to write to."""
        agreed = given["agreed"] == "yes"
        if session.person is not None:
            if agreed:
                await self._backend.agrees(session, "checkout")
            return True
        named = contact(given["email"], given["first_name"])
        if named is not None:
            await self._backend.sign_up(session, *named, account=False, agreed=agreed)
        return named is not None

    async def _order(self, session: Session) -> Response:
        cost = await self._floor.bill(session)
        if session.notice:
            # The coupon was good until a moment ago: the customer sees the new sum first.
            return back("checkout/review")
        assert session.person is not None
        order = Order(
            order_id="K-" + "".join(secrets.choice(ALPHABET) for _ in range(6)),
            user_id=session.person.user_id,
            bill=cost,
            shipping=session.shipping,
            payment=session.done["payment"]["payment"],
            placed_at=self._backend.clock.now(),
        )
        await self._backend.sell(session, order)
        return back(f"orders/{order.order_id}")


def _known(step: str) -> str:
    if step not in STEPS:
        raise NotFound
    return step


def _awaited(session: Session) -> str:
    """The first step that is not done; `review` where all before it are."""
    return next((step for step in STEPS[:-1] if step not in session.done), STEPS[-1])
