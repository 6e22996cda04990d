"""Who is in the demo shop: a session a browser, in memory, named by a random cookie.

All of it is bounded, and forgotten at the next start. A session sees its own people and nobody
else's: those it signed up, and the visitor that its browser is.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from actors.web.demo.goods import BY_ID
from actors.web.demo.till import MOST_OF_ONE, Bill, Shipping
from ecrm.moment import CustomerId, Instant
from ecrm.state import VISITOR

COOKIE: Final = "ecrm_demo"
SESSIONS: Final = 500
PEOPLE: Final = 8
ORDERS: Final = 20
TOLD: Final = 60
SAID: Final = 40

# What the SDK makes: nobody can guess another's.
_VISITOR: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# How far an order is, and what the back office may do with it next.
Stage = Literal["paid", "prepared", "shipped", "delivered", "refunded"]
Deed = Literal["prepare", "ship", "deliver", "refund"]
DEEDS: Final[dict[Stage, tuple[Deed, ...]]] = {
    "paid": ("prepare", "refund"),
    "prepared": ("ship", "refund"),
    "shipped": ("deliver", "refund"),
    "delivered": ("refund",),
    "refunded": (),
}
BECOMES: Final[dict[Deed, Stage]] = {
    "prepare": "prepared",
    "ship": "shipped",
    "deliver": "delivered",
    "refund": "refunded",
}


class Person(msgspec.Struct, frozen=True):
    """`account`: signed up; else a guest who gave an address at the checkout."""

    user_id: str
    email: str
    first_name: str
    account: bool


class Order(msgspec.Struct):
    order_id: str
    user_id: str
    bill: Bill
    shipping: Shipping
    payment: str
    placed_at: Instant
    stage: Stage = "paid"
    tracking: str = ""

    @property
    def deeds(self) -> tuple[Deed, ...]:
        return DEEDS[self.stage]


class Told(msgspec.Struct, frozen=True):
    """What the back end told: `outcome` as the turn loop answered."""

    message_id: str
    name: str
    at: Instant
    outcome: str
    reason: str = ""


class Session:
    def __init__(self, language: str) -> None:
        self.language = language
        self.visitor = ""
        self.people: dict[str, Person] = {}
        self.person: Person | None = None
        self.orders: dict[str, Order] = {}
        self.told: deque[Told] = deque(maxlen=TOLD)
        self.notice = ""
        self.said: list[list[object]] = []
        self.suggestion = f"lea.{secrets.token_hex(2)}@example.org"
        self.empty()

    def empty(self) -> None:
        """A new cart, and a checkout that has not begun."""
        self.cart_id = f"cart-{secrets.token_hex(6)}"
        self.cart: dict[str, int] = {}
        self.coupon = ""
        self.done: dict[str, Mapping[str, str]] = {}
        self.shipping: Shipping = "home"
        self.checking_out = False

    def put(self, product_id: str, quantity: int) -> int:
        """Put so many more of a product into the cart; tells how many were."""
        before = self.cart.get(product_id, 0)
        after = min(max(before + quantity, 0), MOST_OF_ONE)
        if after and product_id in BY_ID:
            self.cart[product_id] = after
        else:
            self.cart.pop(product_id, None)
        return after - before

    @property
    def pieces(self) -> int:
        return sum(self.cart.values())

    @property
    def own_orders(self) -> list[Order]:
        """Of who is signed in, newest first."""
        who = self.person.user_id if self.person is not None else None
        return [one for one in reversed(self.orders.values()) if one.user_id == who]

    def knows(self, visitor: str) -> None:
        """The browser says which visitor it is."""
        if _VISITOR.fullmatch(visitor):
            self.visitor = visitor

    @property
    def who(self) -> CustomerId | None:
        """Whose life the panel shows; None before the browser has said anything."""
        if self.person is not None:
            return CustomerId(self.person.user_id)
        return CustomerId(f"{VISITOR}{self.visitor}") if self.visitor else None

    def enters(self, person: Person) -> None:
        self.people[person.user_id] = person
        while len(self.people) > PEOPLE:
            del self.people[next(iter(self.people))]
        self.person = person

    def keeps(self, order: Order) -> None:
        self.orders[order.order_id] = order
        while len(self.orders) > ORDERS:
            del self.orders[next(iter(self.orders))]

    def say(self, call: str, *values: object) -> None:
        """Let the next page say this through the SDK: `say("cart.add", {…})`."""
        self.said = [*self.said, [call, *values]][-SAID:]

    def says(self) -> list[list[object]]:
        """What waits to be said, once."""
        said, self.said = self.said, []
        return said

    def notices(self) -> str:
        notice, self.notice = self.notice, ""
        return notice


class Sessions:
    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, name: str | None) -> Session | None:
        found = self._sessions.get(name or "")
        if found is not None:
            self._sessions.move_to_end(name or "")
        return found

    def begin(self, language: str) -> tuple[str, Session]:
        """A new session and its name; of too many, the one that rests longest is forgotten."""
        name = secrets.token_urlsafe(24)
        self._sessions[name] = session = Session(language)
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return name, session
