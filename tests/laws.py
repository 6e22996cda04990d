"""What holds after every turn of every life, whatever the test is about (design §3, style §2).

Replay makes the same state, a customer who was at rest decides the same, a second tick finds
nothing; every mail that was awaited is sent or has one reason; no marketing without a ground, by
night, or beyond the cap; never two live coupons of one programme; a secret is nowhere but in the
mail; nothing is done after `Erased`.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from ecrm import apply, calendar, customer, effects, facts, messages, programme, state
from ecrm.moment import DAY, Instant, Seq, moment_of
from ecrm.pressure import Limits
from proto import events
from proto.envelope import Message

OPENINGS = (
    facts.Happened, facts.Ticked, facts.Heard, facts.Bound, facts.Inherited, facts.Opened,
    facts.Clicked, facts.Announced, facts.Remembered, facts.Returned, facts.AddressFreed,
)  # fmt: skip
UNSENT = ("cancelled", "expired", "suppressed", "dead", "stale")

# Said here once more, apart from the programmes: on what ground each may write for marketing.
CONSENT_ONLY = ("welcome",)


class Laws:
    """The laws of one life; `rules` and `around` are looked up there, for a test may change them."""

    def __init__(self, life) -> None:
        self.life = life
        self.secrets: list[bytes] = []
        self.begin(life.state)

    def begin(self, nobody: state.State) -> None:
        """A life begins, or begins again after all of it was erased."""
        self.empty = nobody
        self.past: list[facts.AnyFact] = []
        self.turns = 0
        self.sent: set[str] = set()
        self.marketing: dict[str, Instant] = {}
        self.awaited: dict[str, str] = {}
        self.asked: dict[str, str] = {}

    def check(self, before, message, moment, taken) -> None:
        self.turns += 1
        self.past += taken.facts
        # A customer who was at rest in between.
        woken = state.decode(state.encode(before))
        self.decided_alike(woken, message, moment, taken)
        self.numbered(before, taken)
        self.replayed(woken, taken)
        self.encoded(taken)
        self.secret(message, taken)
        folded = before
        for fact in taken.facts:
            self.allowed(folded, fact)
            self.accounted(fact)
            folded = apply.apply(folded, fact)
        if any(isinstance(fact, facts.Erased) for fact in taken.facts):
            self.erased(before, taken)
        elif isinstance(message, messages.History):
            self.remembered(before, taken)
        else:
            self.settled(taken.after)

    def decided_alike(self, woken, message, moment, taken) -> None:
        again = customer.turn(self.life.rules, woken, message, moment, self.life.around)
        assert again == taken
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

    def replayed(self, woken, taken) -> None:
        """The same facts make the same state, from a snapshot and from nothing (law 7)."""
        assert apply.replay(woken, taken.facts) == taken.after
        # From nothing, after the first turns and then ever more seldom: a year has thousands.
        if self.turns & (self.turns - 1) == 0:
            assert apply.replay(self.empty, tuple(self.past)) == taken.after

    def encoded(self, taken) -> None:
        assert facts.decode(facts.encode(taken.facts)) == taken.facts
        snapshot = state.encode(taken.after)
        read = state.decode(snapshot)
        assert read == taken.after
        assert state.encode(read) == snapshot

    def secret(self, message, taken) -> None:
        """A secret stands in the mail for the queue and nowhere else (mission §9.11)."""
        if isinstance(message, Message) and type(message.event) in events.SECRETS:
            names = events.SECRETS[type(message.event)]
            self.secrets += [getattr(message.event, name).encode() for name in names]
        if not self.secrets:
            return
        kept = [one.kept or one.mail for one in taken.effects if isinstance(one, effects.Send)]
        written = (
            facts.encode(taken.facts)
            + state.encode(taken.after)
            + messages.encode(message)
            + msgspec.msgpack.encode(kept)
        )
        assert not any(one in written for one in self.secrets)

    def settled(self, after) -> None:
        """Nothing due is left over, so a second tick finds nothing (law 5)."""
        timers = [*after.timers.values(), *([after.assess_at] if after.assess_at else [])]
        assert after.timers.keys() == after.enrolments.keys()
        assert self.awaited.keys() <= after.enrolments.keys()
        assert state.earliest_timer(after) == min(timers, default=None)
        assert all(due > after.now for due in timers)
        again = moment_of(after.customer_id, after.seq, after.now)
        near = self.life.around
        assert customer.decide(self.life.rules, after, messages.Tick(), again, near) == ()
        for stay in after.enrolments.values():
            one = self.life.rules.programmes.get(stay.programme)
            assert one is None or one.step(stay.step) is not None

    def remembered(self, before, taken) -> None:
        """By the past nothing begins and nothing is sent; what was due already waits for a tick."""
        begun = (facts.Enrolled, facts.ClockSet, facts.MailRequested, facts.MailDeferred)
        assert not any(isinstance(fact, begun) for fact in taken.facts)
        assert not any(isinstance(one, effects.Send | effects.Tell) for one in taken.effects)
        assert taken.after.enrolments.keys() <= before.enrolments.keys()
        assert taken.after.timers.keys() == taken.after.enrolments.keys()
        assert taken.after.stays == before.stays
        assert taken.after.waiting == before.waiting

    def erased(self, before, taken) -> None:
        """The last fact and the last effect there are; the queue had the farewell first (R63)."""
        *others, last = taken.facts
        assert isinstance(last, facts.Erased)
        assert not any(isinstance(fact, facts.Erased) for fact in others)
        asked = [one for one in taken.effects if isinstance(one, effects.Erase)]
        assert asked == [effects.Erase((before.customer_id, *taken.after.visitors))]
        assert taken.effects[-1] == asked[0]
        assert taken.after.closed_at is not None

    def accounted(self, fact) -> None:
        """Every mail that was awaited is sent, or not sent for one reason (law 9)."""
        match fact:
            case facts.Awaits(key=key, step=step):
                assert self.awaited.get(key, step) == step
                stay = key.partition("/")[0]
                kept = self.life.rules.programmes[stay].step(step)
                if isinstance(kept, programme.MailStep):
                    self.awaited[key] = step
            case facts.Reconsidered(key=key, stay=stay):
                self.awaited[key] = stay.step
            case facts.MailRequested(key=key, mail=mail):
                # One step may write to several people: the customer and the parties.
                assert self.awaited.pop(key, self.asked.get(key)) == mail.step
                self.asked[key] = mail.step
            case facts.MailWithheld(key=key, step=step, detail=detail):
                assert self.awaited.pop(key) == step
                assert detail
            case facts.Left(key=key, detail=detail):
                self.awaited.pop(key, None)
                assert detail
            case facts.Finished(key=key):
                assert key not in self.awaited
            case facts.Heard(mail_id=mail_id, outcome=outcome) if outcome in UNSENT:
                self.marketing.pop(mail_id, None)

    def allowed(self, now_known, fact) -> None:
        match fact:
            case facts.MailRequested(mail=mail):
                self.addressed(now_known, mail)
                if mail.mail_class == "marketing":
                    self.grounded(now_known, mail)
                    self.unpressing(now_known, mail)
            case facts.OfferMade():
                live = [one for one in now_known.offers if one.until >= now_known.now]
                assert fact.programme not in [one.programme for one in live]
                assert fact.until > now_known.now
            case facts.OfferUsed():
                assert fact.code in [one.code for one in now_known.offers]

    def addressed(self, now_known, mail) -> None:
        """One mail a decision (law 4), to somebody, and while it makes sense."""
        step = self.life.rules.programmes[mail.programme].step(mail.step)
        assert mail.mail_id not in self.sent
        self.sent.add(mail.mail_id)
        assert mail.to != ""
        box = now_known.mailboxes.get(mail.to.casefold())
        assert box is None or "all" not in box.bans or box.bans["all"].until <= mail.at
        assert mail.to == now_known.person.email or step.to != "customer"
        assert mail.stranger == (step.to == "invitee")
        assert mail.at == now_known.now <= mail.not_after
        for secret in (mail.values.code, mail.values.reset):
            assert secret is None or mail.not_after <= secret.expires_at

    def grounded(self, now_known, mail) -> None:
        """No marketing without a legal basis."""
        said = now_known.consents.get("email_marketing")
        bought = mail.programme not in CONSENT_ONLY and now_known.purchases.count > 0
        assert "sunset" not in now_known.marks
        assert now_known.closed_at is None
        assert said.granted if said is not None else bought

    def unpressing(self, now_known, mail) -> None:
        """Never more mails than the cap in any window, nor too close, nor by night."""
        limits: Limits = self.life.rules.limits
        others = [at for other, at in self.marketing.items() if other != mail.mail_id]
        assert all(mail.at - at >= limits.min_gap for at in others)
        wish = now_known.wish
        count, window = (wish.count, wish.window) if wish else (limits.per_week, 7 * DAY)
        assert sum(mail.at - at < window for at in others) < count
        self.marketing[mail.mail_id] = mail.at
        if mail.template.startswith("cart/reminder") or limits.quiet is None:
            return
        zone = calendar.zone_of(mail.zone)
        hour = datetime.fromtimestamp(mail.at / 1_000, UTC).astimezone(zone).hour
        assert limits.quiet.end.hour <= hour < limits.quiet.start.hour
