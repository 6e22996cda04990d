"""The hands of the service over the store in memory, one by one or together.

A `House` is what a process holds; `restarted` opens another one on what it has left on the store,
as the next process would. A test offers messages and says when a round is taken, or lets everything
run on the virtual clock.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count
from zoneinfo import ZoneInfo

import trio

from actors.alarms import Alarms
from actors.broadcast import Announcer, Broadcasts
from actors.catalogue import Catalogue
from actors.clock import Clock, TrioClock
from actors.intake import Item
from actors.reports import Reports
from actors.system import System
from ecrm import delays, facts, messages, programme
from ecrm.condition import Compare
from ecrm.mail import Mail
from ecrm.moment import Instant
from ecrm.rules import Rules
from proto import envelope, events, record
from tests.lives import shop

# Monday 2 March 2026, ten in the morning in Paris.
START = Instant(1_772_442_000_000)
# What a campaign may show.
TEMPLATES = frozenset(("newsletter/news",))

PARIS = ZoneInfo("Europe/Paris")

# No decoder lets this price through, and no decision can do anything with it.
SPOILT = events.ProductAdded(product_id="spoilt", price="much")


class SetClock(Clock):
    """A clock that reads what it is set to, earlier too."""

    def __init__(self, at=START):
        super().__init__()
        self.at = at

    def now(self):
        return self.at

    def patience(self, until):
        return float("inf")


class Nudges:
    """Remembers what it was told to look at."""

    def __init__(self):
        self.dues = []

    def expect(self, due):
        self.dues.append(due)


class House:
    def __init__(self, store, clock, rules=None, *, name="m"):
        self.store = store
        self.clock = clock
        self.name = name
        self.catalogue = Catalogue()
        announcer = Announcer(self.catalogue, TEMPLATES)
        self.system = System(store, clock, rules or Rules(shop()), self.catalogue, announcer)
        self.alarms = Alarms(store, clock, self.system.intake)
        self.reports = Reports(store, clock, self.system.intake)
        self.broadcasts = Broadcasts(store, clock, self.system.intake)
        self.system.alarms, self.system.reports = self.alarms.bell, self.reports.bell
        self.system.broadcasts = self.broadcasts.bell
        self.notices = []
        self.system.listeners.append(self.notices.append)
        self._numbers = count(1)

    def restarted(self, rules=None):
        """The next process, on the same store; its clock knows nothing of who waited on ours."""
        clock = self.clock
        if isinstance(clock, TrioClock):
            clock = TrioClock(clock._epoch)
        return House(self.store, clock, rules, name=f"{self.name}'")

    def message(self, user, event, message_id=None, *, kind="track", name=None, **more):
        return envelope.Message(
            kind=kind,
            message_id=message_id or f"{self.name}{next(self._numbers)}",
            event_name=name or events.NAMES[type(event)],
            event=event,
            timestamp=self.clock.now(),
            user_id=user,
            **more,
        )

    def offer(self, *messages):
        """Offer these, and return the list that their outcomes will be written to."""
        outcomes = []
        for message in messages:
            self.system.offer(message, lambda answer: outcomes.append(answer.outcome))
        return outcomes

    async def tell(self, user, *told):
        """Tell events, each in a round of its own; their outcomes."""
        outcomes = []
        for event in told:
            said = self.offer(self.message(user, event))
            await self.system.round()
            outcomes += said
        return outcomes

    async def identify(self, user, **more):
        traits = envelope.Traits(email=f"{user}@customers.example")
        said = self.offer(
            self.message(user, traits, kind="identify", name=envelope.IDENTIFIED, **more)
        )
        await self.system.round()
        return said

    async def register(self, user):
        """An account with an address: the greeting is owed."""
        await self.identify(user)
        await self.tell(user, events.SignedUp())

    async def exhaust(self):
        """Take rounds until nothing waits in the intake."""
        while len(self.system.intake):
            await self.system.round()

    @asynccontextmanager
    async def lives(self, *others):
        """Turn loop, alarm keeper, reporter and broadcasts at work, and `others` beside them."""
        async with trio.open_nursery() as nursery:
            for part in (self.system, self.alarms, self.reports, self.broadcasts, *others):
                nursery.start_soon(part.run)
            yield
            nursery.cancel_scope.cancel()

    def state(self, user):
        return self.system._slots[user].state

    # What is on the store.

    def rows(self, user):
        return self.store._journal.get(user, [])

    def facts(self, user):
        return [fact for row in self.rows(user) for fact in facts.decode(row.facts)]

    def told(self, user):
        """The ids of the messages in a customer's journal, in order."""
        return [
            record.read(row.message).message_id
            for row in self.rows(user)
            if isinstance(facts.decode(row.facts)[0], facts.Happened)
        ]

    def outbox(self):
        return list(self.store._outbox.values())


def added(product="tea", **more):
    return events.ProductAdded(product_id=product, **{"price": 10, **more})


async def farewell(house, user):
    """The account is deleted, and whatever was on its way to `user` has gone: nothing is left."""
    await house.tell(user, events.AccountDeleted())
    for queued in list(house.outbox()):
        if queued.row.customer_id == user:
            report = messages.Report(queued.row.mail_id, "accepted")
            house.system.intake.put(Item(user, report, lambda _: None))
    await house.system.round()


def a_mail(mail_id="mail-1", *, lane=1, to="ana@customers.example", at=START, **more):
    """A mail as a programme would want it; transactional in lanes 0 and 1."""
    kind = "transactional" if lane < 2 else "marketing"
    fields = {
        "customer_id": "ana",
        "kind": "k11",
        "programme": "confirmation",
        "step": "confirmed",
        "template": "confirmation/confirmed",
        "not_after": Instant(at + 72 * 3_600_000),
        "locale": "fr",
        "zone": "Europe/Paris",
    }
    return Mail(mail_id=mail_id, mail_class=kind, lane=lane, to=to, at=at, **(fields | more))


def marking(after, name="marked", when=programme.condition.ALWAYS):
    """A programme that whoever registers is in, and that leaves a mark `after` so long."""
    step = programme.MarkStep(name=name, delay=delays.After(after), at=None, when=when)
    return programme.Programme(
        name="marking",
        doc="",
        enrol=("Registered",),
        when=programme.condition.ALWAYS,
        leave=(),
        again=programme.once(),
        per="",
        steps=(step,),
    )


def raising(after):
    """The same, and its condition raises when it is looked at: the parser knows no such operator."""
    return marking(after, when=Compare("orders.count", "~", 1))
