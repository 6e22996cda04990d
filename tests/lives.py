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

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, Self

from ecrm import apply, around, calendar, customer, effects, facts, messages, programme, state
from ecrm.moment import DAY, HOUR, CustomerId, Duration, Instant, Seq, moment_of
from ecrm.pressure import Limits
from ecrm.rules import Rules
from ecrm.shop import Shop
from proto import envelope, events
from proto.envelope import Message, Traits

OPENINGS = (
    facts.Happened, facts.Ticked, facts.Heard, facts.Bound, facts.Inherited, facts.Opened,
    facts.Clicked, facts.Announced,
)  # fmt: skip
UNSENT = ("cancelled", "expired", "suppressed", "dead")

# Said here once more, apart from the programmes: on what ground each may write for marketing.
CONSENT_ONLY = ("welcome",)


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
def rules_in(zone: str) -> Rules:
    return Rules(shop(zone))


class Life:
    def __init__(
        self,
        zone: str = "Europe/Paris",
        *,
        customer_id: str = "c1",
        rules: Rules | None = None,
        start: str = "2026-03-02 10:00",
    ) -> None:
        self.rules = rules or rules_in(zone)
        self.zone = calendar.zone_of(zone)
        self.now = self.instant(start)
        self.state = state.State(customer_id=CustomerId(customer_id))
        # What the shop knows around the customer; a test may put a catalogue's shelf here.
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
        return self._until(self.instant(text))

    def sleeps(self, span: Duration) -> Self:
        return self._until(Instant(self.now + span))

    def _until(self, then: Instant) -> Self:
        assert then >= self.now, "time does not go back"
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
        return taken.facts

    def of(self, *kinds: type) -> list:
        return [fact for fact in self.facts if isinstance(fact, kinds)]

    @property
    def mails(self) -> list[Sent]:
        sent = (fact.mail for fact in self.of(facts.MailRequested))
        return [Sent(mail.kind, mail.template, self.wall(mail.at)) for mail in sent]

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


class Laws:
    """What holds after every turn of every life (design §3, style §2)."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.empty = life.state
        self.snapshots: list[tuple[int, bytes]] = []
        self.marketing: dict[str, Instant] = {}
        self.awaited: dict[str, str] = {}
        self.asked: dict[str, str] = {}

    def check(self, before, message, moment, taken) -> None:
        self.decided_alike(before, message, moment, taken)
        self.numbered(before, taken)
        self.replayed(taken.after)
        self.encoded(taken)
        self.settled(taken.after)
        folded = before
        for fact in taken.facts:
            self.allowed(folded, fact)
            self.accounted(fact)
            folded = apply.apply(folded, fact)

    def decided_alike(self, before, message, moment, taken) -> None:
        rules, near = self.life.rules, self.life.around
        assert customer.decide(rules, before, message, moment, near) == taken.facts
        # A customer who was at rest in between decides the same.
        woken = state.decode(state.encode(before))
        assert customer.decide(rules, woken, message, moment, near) == taken.facts
        if not isinstance(message, Message):
            assert messages.decode(messages.encode(message)) == message

    def numbered(self, before, taken) -> None:
        assert taken.after.seq == Seq(before.seq + len(taken.facts))
        assert taken.after.now >= before.now
        if taken.facts:
            first, *others = taken.facts
            assert isinstance(first, OPENINGS)
            assert first.at == taken.after.now
            assert not any(isinstance(fact, OPENINGS) for fact in others)

    def replayed(self, after) -> None:
        """The same facts make the same state, from nothing and from a snapshot (law 7)."""
        past = tuple(self.life.facts)
        assert apply.replay(self.empty, past) == after
        if self.snapshots:
            seq, snapshot = self.snapshots[len(self.snapshots) // 2]
            assert apply.replay(state.decode(snapshot), past[seq:]) == after
        self.snapshots.append((after.seq, state.encode(after)))

    def encoded(self, taken) -> None:
        assert facts.decode(facts.encode(taken.facts)) == taken.facts
        after = taken.after
        assert state.decode(state.encode(after)) == after
        assert state.encode(state.decode(state.encode(after))) == state.encode(after)

    def settled(self, after) -> None:
        """Nothing due is left over, so a second tick finds nothing (law 5)."""
        timers = [*after.timers.values(), *([after.assess_at] if after.assess_at else [])]
        assert after.timers.keys() == after.enrolments.keys()
        assert state.earliest_timer(after) == min(timers, default=None)
        assert all(due > after.now for due in timers)
        again = moment_of(after.customer_id, after.seq, after.now)
        near = self.life.around
        assert customer.decide(self.life.rules, after, messages.Tick(), again, near) == ()
        for stay in after.enrolments.values():
            one = self.life.rules.programmes.get(stay.programme)
            assert one is None or one.step(stay.step) is not None

    def accounted(self, fact) -> None:
        """Every mail that was awaited is sent, or not sent for one reason (law 9)."""
        match fact:
            case facts.Awaits(key=key, step=step):
                assert self.awaited.get(key, step) == step
                stay = key.partition("/")[0]
                kept = self.life.rules.programmes[stay].step(step)
                if isinstance(kept, programme.MailStep):
                    self.awaited[key] = step
            case facts.MailRequested(key=key, mail=mail):
                # One step may write to several people: the customer and the parties.
                assert self.awaited.pop(key, self.asked.get(key)) == mail.step
                self.asked[key] = mail.step
            case facts.MailWithheld(key=key, step=step, detail=detail):
                assert self.awaited.pop(key) == step
                assert detail
            case facts.Left(key=key):
                self.awaited.pop(key, None)
            case facts.Finished(key=key):
                assert key not in self.awaited
            case facts.Heard(mail_id=mail_id, outcome=outcome) if outcome in UNSENT:
                self.marketing.pop(mail_id, None)

    def allowed(self, now_known, fact) -> None:
        if not isinstance(fact, facts.MailRequested):
            return
        mail = fact.mail
        step = self.life.rules.programmes[mail.programme].step(mail.step)
        assert mail.to != ""
        assert mail.to == now_known.person.email or step.to != "customer"
        assert mail.at == now_known.now <= mail.not_after
        if mail.mail_class == "marketing":
            self.grounded(now_known, mail)
            self.unpressing(now_known, mail)

    def grounded(self, now_known, mail) -> None:
        """No marketing without a legal basis."""
        said = now_known.consents.get("email_marketing")
        bought = mail.programme not in CONSENT_ONLY and now_known.purchases.count > 0
        assert "sunset" not in now_known.marks
        assert said.granted if said is not None else bought

    def unpressing(self, now_known, mail) -> None:
        limits: Limits = self.life.rules.limits
        others = [at for other, at in self.marketing.items() if other != mail.mail_id]
        assert all(mail.at - at >= limits.min_gap for at in others)
        wish = now_known.wish
        count, window = (wish.count, wish.window) if wish else (limits.per_week, 7 * DAY)
        assert sum(mail.at - at < window for at in others) < count
        self.marketing[mail.mail_id] = mail.at
        if mail.template.startswith("cart/reminder") or limits.quiet is None:
            return
        hour = (
            datetime.fromtimestamp(mail.at / 1_000, UTC)
            .astimezone(calendar.zone_of(mail.zone))
            .hour
        )
        assert limits.quiet.end.hour <= hour < limits.quiet.start.hour


# How long a customer's programmes can go on when nothing more happens: who bought is shown related
# products six times, six weeks apart, each at most two weeks late; half a year after the last mail
# the person may become inactive, and ninety days later the last programme ends.
LONGEST = Duration((6 * 57 + 183 + 95) * DAY)
A_WHILE = Duration(HOUR)
