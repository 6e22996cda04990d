"""The desk behind the pages: reads what a link names, tells the customer what its reader wants.

- A token names a mail, and the mail says whose it is; nothing is looked up by address. Nothing can
  be learnt from a token that is not ours. One that is ours and names a mail that is kept no longer
  (its customer was erased) is told apart, for whoever holds it may be told what to do instead.
- What a page changes is told as an ordinary event, and the page answers once that is durable. Its
  id is made of the token, of what is said and of the minute: pressed twice it is applied once.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
import trio

from actors.clock import Clock
from actors.compose import Composer
from actors.intake import Answer
from actors.slot import recover
from actors.store import port
from actors.system import System
from ecrm import errors, links, mail
from ecrm.delivery import suppression
from ecrm.links import Link, LinkKeys, Purpose
from ecrm.mail import Mail
from ecrm.moment import MINUTE, CustomerId
from ecrm.shop import Shop
from ecrm.state import VISITOR, State
from proto import envelope, events

Said = events.Event | envelope.Traits


class Gone(Exception):
    """The link names nothing that is there, or nothing that this reader may see."""


class Forgotten(Gone):
    """The link is ours, and its mail is kept no longer: whose it was is not known any more."""


class Untold(Exception):
    """What was asked could not be done; `again`: it may be, if it is asked again."""

    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.again = again


class Visit(msgspec.Struct, frozen=True):
    """Somebody who came by a link of a mail."""

    token: str
    link: Link
    mail: Mail


class Desk:
    def __init__(
        self, system: System, clock: Clock, composer: Composer, keys: LinkKeys, shop: Shop
    ) -> None:
        self.shop = shop
        self.clock = clock
        self.composer = composer
        self.store: port.Store = system.store
        self._system = system
        self._keys = keys

    async def visit(self, purpose: Purpose, token: str, *, strangers: bool = False) -> Visit:
        """Raises Gone, Forgotten. Strangers have no account to look at: few pages are for them."""
        link = links.read(self._keys, purpose, token)
        if link is None:
            raise Gone
        found = await self.store.mail(link.mail_id)
        if found is None:
            raise Forgotten
        wanted = mail.decode(found)
        if wanted.stranger and not strangers:
            raise Gone
        return Visit(token, link, wanted)

    def way(self, visit: Visit, purpose: Purpose, index: int = 0) -> str:
        """The path of another page about the same mail."""
        return self.path(purpose, visit.mail.mail_id, index)

    def path(self, purpose: Purpose, mail_id: str, index: int = 0) -> str:
        return f"/{links.PATHS[purpose]}/{links.make(self._keys, purpose, mail_id, index)}"

    async def state(self, visit: Visit) -> State:
        """What is known of the customer. Raises Gone, where there is no account any more, and
        Untold, where it cannot be read.
        """
        state = await self._read(visit.mail.customer_id)
        if state.bound_to is not None:
            state = await self._read(state.bound_to)
        if not state.seq or state.closed_at is not None:
            raise Gone
        return state

    async def own_state(self, visit: Visit) -> State:
        """The same, for pages that show and change what is the customer's alone: not by a mail that
        went to another address, which may be read by others by now. Raises Gone, Untold.
        """
        state = await self.state(visit)
        if state.person.email.casefold() != visit.mail.to.casefold():
            raise Gone
        return state

    async def _read(self, customer_id: CustomerId) -> State:
        life = (await self.store.load([customer_id]))[customer_id]
        try:
            return (await recover(self.store, life)).state
        except errors.Held:
            raise Untold(again=False) from None

    async def tell(self, visit: Visit, said: Sequence[Said], *, once: str = "") -> None:
        """Tell the customer, and be back when it is durable. `once` takes the place of the minute,
        for what is the same whenever it is said. Raises Untold.
        """
        answers: list[Answer] = []
        done = trio.Event()

        def answered(answer: Answer) -> None:
            answers.append(answer)
            if len(answers) == len(said):
                done.set()

        for one in said:
            try:
                self._system.offer(self._message(visit, one, once), answered)
            except errors.Busy:
                raise Untold(again=True) from None
        if said:
            await done.wait()
        outcomes = {answer.outcome for answer in answers} - {"taken", "repeated"}
        if outcomes:
            raise Untold(again="unknown" in outcomes)

    def _message(self, visit: Visit, said: Said, once: str) -> envelope.Message:
        now = self.clock.now()
        named = f"{visit.token}\0{once or now // MINUTE}\0".encode()
        digest = blake2b(named + msgspec.json.encode(said), digest_size=16).hexdigest()
        who = visit.mail.customer_id
        visitor = who.removeprefix(VISITOR) if who.startswith(VISITOR) else None
        known = envelope.IDENTIFIED if isinstance(said, envelope.Traits) else _name(said)
        return envelope.Message(
            kind="identify" if isinstance(said, envelope.Traits) else "track",
            message_id=f"web/{digest}",
            event_name=known,
            event=said,
            timestamp=now,
            user_id=None if visitor else who,
            anonymous_id=visitor,
        )

    async def invite_no_more(self, visit: Visit) -> None:
        """A stranger wants no invitations: the address is remembered as a hash, for that alone."""
        key = await self.store.secret(port.SUPPRESSION)
        row = port.SuppressionRow(
            address=suppression.hash_of(visit.mail.to, key),
            scope="invitation",
            reason="asked for no more invitations",
            at=self.clock.now(),
        )
        try:
            await self.store.commit(port.Commit(suppressions=[row]))
        except errors.StoreBroken:
            raise Untold(again=True) from None


def _name(said: events.Event) -> str:
    return events.NAMES[type(said)]
