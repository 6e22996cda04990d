"""A customer's life, told to the pure core synchronously: no trio, microseconds a turn.

    life = Life(zone="Europe/Lisbon").at("2026-03-27 20:00").identify().signs_up().consents()
    life.sleeps(days(10))
    assert life.mails == [("k01", "welcome/hello", "2026-03-27 20:00"), ...]

A test about some programmes lives with those alone (`Life(only=("cart", "confirmation"))`), so that
what it says of all mails stays exact whatever the others come to say.

Time moves by `at`, `sleeps` (the alarm rings whenever it is due) and `skips` (an outage: nothing
rings). Instants are read and shown as the local time of `zone`; a text that ends in `Z` is UTC.
Every turn is checked against the laws (`tests/laws.py`), whatever the test is about.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Self, get_args

from ecrm import around, calendar, customer, effects, facts, mail, messages, programmes, state
from ecrm.catalogue import Catalogue, Product, Taste
from ecrm.moment import DAY, HOUR, CustomerId, Duration, Instant, moment_of
from ecrm.rules import Rules
from ecrm.shop import Shop
from proto import envelope, events
from proto.envelope import Message, Traits
from tests.laws import Laws


class Sent(NamedTuple):
    kind: str
    template: str
    at: str


class Withheld(NamedTuple):
    step: str
    reason: str


def shop(zone: str = "Europe/Paris") -> Shop:
    return Shop(
        name="Boutique",
        public_url="https://shop.example",
        support_email="help@shop.example",
        timezone=zone,
    )


@lru_cache
def rules_in(zone: str, only: tuple[str, ...] = ()) -> Rules:
    """The rules of the house; of its programmes only those of these names, where any are named."""
    if not only:
        return Rules(shop(zone))
    known = {one.name for one in programmes.ALL}
    assert known.issuperset(only), set(only) - known
    return Rules(shop(zone), of=tuple(one for one in programmes.ALL if one.name in only))


class Life:
    def __init__(
        self,
        zone: str = "Europe/Paris",
        *,
        customer_id: str = "c1",
        rules: Rules | None = None,
        only: tuple[str, ...] = (),
        start: str = "2026-03-02 10:00",
    ) -> None:
        self.rules = rules or rules_in(zone, only)
        self.zone = calendar.zone_of(zone)
        self.now = self.instant(start)
        self.state = state.State(customer_id=CustomerId(customer_id))
        # What the shop knows around the customer; `shop_has` puts a catalogue's shelf here.
        self.around = around.NOTHING
        self.laws = Laws(self)
        self.facts: list[facts.AnyFact] = []
        self.effects: list[effects.Effect] = []
        self._messages = 0

    # Time.

    def instant(self, text: str) -> Instant:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=self.zone)
        return Instant(round(at.timestamp() * 1_000))

    def wall(self, instant: Instant) -> str:
        """The local time, seconds and milliseconds only where there are any."""
        here = calendar.local(instant, self.zone)
        rest = f":{here:%S}" if instant % 60_000 else ""
        rest += f".{instant % 1_000:03}" if instant % 1_000 else ""
        return f"{here:%Y-%m-%d %H:%M}{rest}"

    def at(self, text: str) -> Self:
        """Live until then, taking every tick on the way."""
        then = self.instant(text)
        assert then >= self.now, "time does not go back"
        return self.until(then)

    def sleeps(self, span: Duration) -> Self:
        return self.until(Instant(self.now + span))

    def until(self, then: Instant) -> Self:
        """The same to an instant; one that has passed already is now."""
        then = max(then, self.now)
        while (due := state.earliest_timer(self.state)) is not None and due <= then:
            self.now = max(self.now, due)
            assert self.take(messages.Tick()), "a tick that is due makes progress"
        self.now = then
        return self

    def skips(self, span: Duration) -> Self:
        """Time passes and no alarm rings: the service is down."""
        self.now = Instant(self.now + span)
        return self

    def ticks(self) -> customer.Facts:
        return self.take(messages.Tick())

    # What is told.

    def tell(
        self, event: events.Event, *, occurred: str | Instant | None = None, name: str = ""
    ) -> Self:
        kind = events.NAMES.get(type(event), name)
        self.take(self.message("track", name or kind, event, occurred))
        return self

    def identify(self, *, visitor: str | None = None, **traits: object) -> Self:
        told = Traits(**({"email": "ana@post.example", "first_name": "Ana"} | traits))
        self.take(self.message("identify", envelope.IDENTIFIED, told, visitor=visitor))
        return self

    def signs_up(self) -> Self:
        return self.tell(events.SignedUp())

    def consents(self, given: bool = True) -> Self:
        said = "granted" if given else "denied"
        return self.tell(events.ConsentUpdated(purpose="email_marketing", state=said))

    def message(self, kind, name, event, occurred=None, *, visitor=None) -> Message:
        self._messages += 1
        if isinstance(occurred, str):
            occurred = self.instant(occurred)
        return Message(
            kind=kind,
            message_id=f"m{self._messages}",
            event_name=name,
            event=event,
            timestamp=self.now if occurred is None else occurred,
            user_id=self.state.customer_id,
            anonymous_id=visitor,
        )

    def reports(self, outcome: str, kind: str = "") -> Self:
        """Delivery says what became of the mails in the queue (of that kind)."""
        for mail_id, waiting in list(self.state.waiting.items()):
            if kind in ("", waiting.kind):
                self.take(messages.Report(mail_id, outcome))
        return self

    def opens(self, kind: str = "", *, human: bool = True) -> Self:
        return self._sees("opened", kind, human=human)

    def clicks(self, kind: str = "", *, human: bool = True) -> Self:
        return self._sees("clicked", kind, human=human)

    def _sees(self, deed: str, kind: str, *, human: bool) -> Self:
        """The recipient does something with the last mail (of that kind)."""
        mails = [one for one in self.sent if kind in ("", one.kind)]
        seen = mails[-1]
        self.take(messages.Seen(seen.mail_id, deed, human, seen.programme, seen.step, seen.at))
        return self

    def is_told_of(self, matter: messages.Release | messages.Campaign, name: str = "b1") -> Self:
        """What is announced to everybody reaches this person."""
        self.take(messages.Announce(name, matter))
        return self

    def remembers(self, *past: tuple[str, messages.Deed], source: str = "past.csv") -> Self:
        """The shop tells what happened before: pairs of a local time ("" for unknown) and a deed."""
        told = tuple(
            messages.Past(self.instant(at) if at else Instant(0), deed) for at, deed in past
        )
        self.take(messages.History(source, told))
        return self

    def shop_has(self, *products: Product, recent: tuple[str, ...] = (), **changes: object) -> Self:
        """Fill the shelf with these products, and with what goes with the `recent` ones of them."""
        catalogue = Catalogue()
        for product in products:
            catalogue.put(product)
        mentioned = (product.product_id for product in products)
        shelf = catalogue.shelf(Taste(recent=recent), get_args(mail.Relation), mentioned)
        self.around = around.Around(shelf=shelf, **changes)
        return self

    def becomes(self, person: Life) -> Life:
        """Let this visitor be that person from now on."""
        before = len(self.effects)
        self.take(messages.Bind(person.state.customer_id))
        told = [one for one in self.effects[before:] if isinstance(one, effects.Tell)]
        person.now = max(person.now, self.now)
        for one in told:
            assert one.customer_id == person.state.customer_id
            person.take(one.message)
        return person

    # What became of it.

    def take(self, message: messages.Incoming) -> customer.Facts:
        moment = moment_of(self.state.customer_id, self.state.seq, max(self.now, self.state.now))
        before = self.state
        taken = customer.turn(self.rules, before, message, moment, self.around)
        self.state = taken.after
        self.facts += taken.facts
        self.effects += taken.effects
        self.laws.check(before, message, moment, taken)
        if self.is_erased:
            # Whoever comes back after that is nobody yet.
            self.state = state.State(customer_id=before.customer_id)
            self.laws.begin(self.state)
        return taken.facts

    @property
    def is_erased(self) -> bool:
        """Was this life erased by what was told last?"""
        return bool(self.facts) and isinstance(self.facts[-1], facts.Erased)

    def of(self, *kinds: type) -> list:
        return [fact for fact in self.facts if isinstance(fact, kinds)]

    @property
    def sent(self) -> list[mail.Mail]:
        """The mails that were asked for, as the facts tell them."""
        return [fact.mail for fact in self.of(facts.MailRequested)]

    @property
    def mails(self) -> list[Sent]:
        return [Sent(one.kind, one.template, self.wall(one.at)) for one in self.sent]

    @property
    def kinds(self) -> list[str]:
        return [mail.kind for mail in self.mails]

    @property
    def withheld(self) -> list[Withheld]:
        found = self.of(facts.MailWithheld, facts.Left)
        return [
            Withheld(f"{fact.key.partition('/')[0]}/{fact.step}", fact.reason) for fact in found
        ]

    @property
    def retracted(self) -> list[tuple[str, str]]:
        return [(fact.kind, fact.because) for fact in self.of(facts.MailRetracted)]

    @property
    def alarm(self) -> str | None:
        due = state.earliest_timer(self.state)
        return None if due is None else self.wall(due)


# How long a customer's programmes can go on when nothing more happens: who bought is shown related
# products six times, six weeks apart, each at most two weeks late; half a year after the last mail
# the person may become inactive, and ninety days later the last programme ends.
LONGEST = Duration((6 * 57 + 183 + 95) * DAY)
A_WHILE = Duration(HOUR)
