"""A delivery actor on the virtual clock, over the store in memory, with a post office that says what
it is told to.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import asynccontextmanager
from types import SimpleNamespace

import trio
from msgspec import structs

from actors.batch import outbox_row
from actors.clock import TrioClock
from actors.delivery import Delivery
from actors.store.memory import MemoryStore
from actors.store.port import Commit
from actors.transports.port import Handed
from ecrm.delivery.limiter import limit
from ecrm.delivery.policy import Policy
from ecrm.errors import Misconfigured
from tests.actors.house import START, Nudges

ANY = limit(10_000)


class Press:
    """Builds mails, each time another edition; `on_build` is called in the middle of it."""

    def __init__(self):
        self.editions = 0
        self.on_build = lambda _wanted: None

    def return_path(self, wanted):
        return f"b+{wanted.mail_id}@bounces.example"

    def compose(self, wanted):
        self.on_build(wanted)
        if wanted.template == "no/such":
            raise Misconfigured("mail/no/such: there is no such template")
        self.editions += 1
        return SimpleNamespace(
            bytes=f"{wanted.mail_id}, edition {self.editions}".encode(), destinations=()
        )


class Post:
    """A transport. `verdicts` are given in turn, mail by mail; it accepts what has none left."""

    name = "post"
    repeatable = 0

    def __init__(self, clock, store, *, remembers=True, lines=1, lot=64):
        self.clock, self.store, self.remembers = clock, store, remembers
        self.lines, self.lot = lines, lot
        self.verdicts = defaultdict(list)
        self.handed = []
        self.bodies = []
        self.stored = []
        self.takes = 0.0
        self._taken = set()

    async def send(self, letters):
        await trio.sleep(self.takes)
        return [self._take(letter) for letter in letters]

    def _take(self, letter):
        mail_id = letter.mail.mail_id
        self.handed.append((mail_id, self.clock.now() - START))
        self.bodies.append(letter.body)
        if self.store is not None:
            row = self.store._outbox[mail_id]
            self.stored.append((row.state, row.body))
        verdicts = self.verdicts[mail_id]
        verdict = verdicts.pop(0) if verdicts else "accepted"
        if verdict == "accepted":
            self._taken.add(mail_id)
        if isinstance(verdict, Handed):
            return structs.replace(verdict, mail_id=mail_id)
        return Handed(mail_id, verdict, f"it is {verdict}")

    async def took(self, mail):
        await trio.lowlevel.checkpoint()
        return mail.mail_id in self._taken if self.remembers else None


class Office:
    """A delivery actor with all it needs."""

    def __init__(
        self,
        store=None,
        clock=None,
        *,
        epoch="now",
        rate=ANY,
        per_domain=None,
        connections=None,
        warm_up=None,
        **of_post,
    ):
        self.clock = clock or TrioClock(START)
        self.store = store or MemoryStore(self.clock.now)
        self.press = Press()
        self.post = Post(self.clock, self.store, **of_post)
        self.reports = Nudges()
        self.delivery = Delivery(
            self.store,
            self.clock,
            self.press,
            self.post,
            epoch=epoch,
            policy=Policy(rate, per_domain or {}, connections or {}, warm_up),
            reports=self.reports,
        )

    def next(self, **more):
        """The next process on the same store."""
        return Office(self.store, TrioClock(self.clock._epoch), epoch="next", **more)

    async def queue(self, *mails):
        await self.store.commit(Commit(outbox=[outbox_row(mail, None) for mail in mails]))
        self.delivery.bell.expect(min(mail.at for mail in mails))

    async def cancel(self, *mail_ids):
        await self.store.commit(Commit(cancels=[(one, "an order came") for one in mail_ids]))

    @asynccontextmanager
    async def open(self):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.delivery.run)
            yield
            nursery.cancel_scope.cancel()

    async def works(self, span=0):
        """Be open for so long, and until nothing more can be done at that instant."""
        async with self.open():
            await trio.sleep(span / 1_000)
            await self.clock.settled()

    def states(self):
        return {mail_id: row.state for mail_id, row in self.store._outbox.items()}

    def times(self):
        return [at for _, at in self.post.handed]
