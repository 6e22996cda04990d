"""The demo shop's back end: tells what only back ends may, through the ordinary intake.

It knows what any shop's knows: who signed up, what was ordered, what became of the parcel. It also
proves to the service whose browser it is (`userHash`), so that a page may speak for its customer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from actors.clock import Clock
from actors.offering import Offering
from actors.slot import recover
from actors.system import System
from actors.web.demo.goods import GOODS, Shelf
from actors.web.demo.till import SHIPPING, Bill
from actors.web.demo.visitors import Deed, Order, Person, Session, Told
from actors.web.desk import Untold
from ecrm.errors import Held
from ecrm.moment import CustomerId
from ecrm.state import State
from proto import envelope, events

Said = events.Event | envelope.Traits
# The step of an outcome that a shop may go on from: it is durable, or will never be taken.
DONE: Final = ("taken", "repeated")


class Backend:
    """`prove` makes the proof for a userId."""

    def __init__(
        self, system: System, clock: Clock, shelf: Shelf, prove: Callable[[str], str]
    ) -> None:
        self.clock = clock
        self.shelf = shelf
        self.store = system.store
        self.prove = prove
        self._system = system

    async def stock(self) -> None:
        """Fill the catalogue. The same start after start: what is known already changes nothing."""
        await self._tell(
            [
                self._message(self.shelf.upserted(good), f"demo-shop/{good.product_id}")
                for good in GOODS
            ]
        )

    async def sign_up(
        self, session: Session, email: str, first_name: str, *, account: bool, agreed: bool
    ) -> None:
        """Somebody gave a name and an address: with an account, or as a guest."""
        person = Person(f"demo-{secrets.token_hex(4)}", email, first_name, account)
        traits = envelope.Traits(email=email, first_name=first_name, locale=session.language)
        said: list[Said] = [traits]
        if account:
            said.append(events.SignedUp(email=email, first_name=first_name))
        await self._of(session, person, said)
        session.enters(person)
        if agreed:
            await self.agrees(session, "account" if account else "checkout")
        self.greets(session, person)

    def greets(self, session: Session, person: Person) -> None:
        """Let the next page say who its visitor is, with the proof."""
        proof = {"userHash": self.prove(person.user_id)}
        session.say("identify", person.user_id, {"locale": session.language}, proof)

    async def agrees(self, session: Session, place: str) -> None:
        """The box was ticked, which was not ticked before (delivery §2.4)."""
        granted = events.ConsentUpdated(
            purpose="email_marketing",
            state="granted",
            source=f"demo {place}",
            proof="box ticked: yes, write to me",
        )
        await self.tell(session, granted)

    async def speaks(self, session: Session, language: str) -> None:
        """Another language was chosen: the mails follow."""
        session.language = language
        if session.person is not None:
            await self._of(session, session.person, [envelope.Traits(locale=language)])

    async def sell(self, session: Session, order: Order) -> None:
        """The order is placed, and the bank says yes at once."""
        bill = order.bill
        paid = events.OrderPaid(
            order_id=order.order_id,
            cart_id=session.cart_id,
            payment_method=order.payment,
            total=bill.total / 100,
            revenue=bill.goods / 100,
            shipping=bill.shipping / 100,
            discount=bill.discount / 100 if bill.discount else None,
            coupon=bill.coupon or None,
            currency=self.shelf.currency,
            products=_products(bill, self.shelf),
        )
        placed = events.OrderCompleted(**msgspec.structs.asdict(paid))
        await self.tell(session, placed, paid)
        session.keeps(order)
        session.empty()

    async def does(self, session: Session, order: Order, deed: Deed) -> None:
        """What the back office does with an order, told for whoever ordered."""
        said: Said
        match deed:
            case "prepare":
                said = events.OrderPrepared(order_id=order.order_id)
            case "ship":
                order.tracking = f"6A{secrets.randbelow(10**11):011}"
                said = self._shipped(order)
            case "deliver":
                said = events.OrderDelivered(order_id=order.order_id, fulfillment_id="1")
            case "refund":
                said = events.OrderRefunded(
                    order_id=order.order_id,
                    total=order.bill.total / 100,
                    currency=self.shelf.currency,
                )
        await self._of(session, session.people[order.user_id], [said])

    def _shipped(self, order: Order) -> events.OrderFulfilled:
        return events.OrderFulfilled(
            order_id=order.order_id,
            fulfillment_id="1",
            carrier=SHIPPING[order.shipping][0],
            tracking_number=order.tracking,
            tracking_url=f"{self.shelf.base}orders/{order.order_id}",
            products=_products(order.bill, self.shelf),
        )

    async def tell(self, session: Session, *said: Said) -> None:
        """Tell of who is signed in, and be back when it is durable. Raises Untold."""
        if session.person is not None:
            await self._of(session, session.person, said)

    async def _of(self, session: Session, person: Person, said: Sequence[Said]) -> None:
        """Raises Untold where something was not taken; the panel shows it in any case."""
        made = [self._message(one, _fresh(), person, session.visitor) for one in said]
        outcomes = await self._tell(made)
        for message, (outcome, reason) in zip(made, outcomes, strict=True):
            name, at = message.event_name, self.clock.now()
            session.told.append(Told(message.message_id, name, at, outcome, reason))
        wrong = {outcome for outcome, _ in outcomes} - {*DONE}
        if wrong:
            raise Untold(again=bool(wrong & {"busy", "unknown"}))

    async def _tell(self, made: Sequence[envelope.Message]) -> list[tuple[str, str]]:
        offering = Offering(self._system, made)
        await offering.run()
        return [
            ("busy", "") if one is None else (one.outcome, one.reason) for one in offering.answers
        ]

    def _message(
        self, said: Said, message_id: str, person: Person | None = None, visitor: str = ""
    ) -> envelope.Message:
        identified = isinstance(said, envelope.Traits)
        name = (
            envelope.IDENTIFIED if isinstance(said, envelope.Traits) else events.NAMES[type(said)]
        )
        return envelope.Message(
            kind="identify" if identified else "track",
            message_id=message_id,
            event_name=name,
            event=said,
            timestamp=self.clock.now(),
            user_id=person.user_id if person is not None else None,
            # The one message that says whose browser it is.
            anonymous_id=visitor or None if identified else None,
        )

    async def state(self, session: Session) -> State | None:
        """What the actor knows of who is here; None where nothing is known, or readable."""
        return None if session.who is None else await self.state_of(session.who)

    async def state_of(self, who: CustomerId) -> State | None:
        life = (await self.store.load([who]))[who]
        try:
            state = (await recover(self.store, life)).state
        except Held:
            return None
        return state if state.seq else None


def _fresh() -> str:
    return f"demo-{secrets.token_hex(12)}"


def _products(bill: Bill, shelf: Shelf) -> tuple[events.Product, ...]:
    return tuple(shelf.product(line.good, line.quantity) for line in bill.lines)
