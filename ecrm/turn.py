"""The one interpreter of programmes, within one turn.

A turn collects facts; each is applied at once, so every rule sees what the rules before it decided.
The order is part of the contract:

1. what happened sets off triggers: enrolments they end are left, clocks they start are set,
   programmes they open are entered;
2. every step that is due, in the order of (due, key), is either settled on the spot (its condition
   fails, it is too late, the basis is missing: withheld, with the reason) or wants a mail;
3. all have spoken: `_arbitrate` lets the owed ones go and picks among the marketing ones; the
   losers wait for the next instant that pressure allows, or are withheld where that is too late;
4. steps that became due by this are next. Every pass settles or postpones each due step, so a turn
   ends, and a second tick at the same instant finds nothing to do (law 5).

Between 1 and 2 the customer looks at where it stands: its tier, its scores, whether it came back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from ecrm import (
    admission,
    apply,
    calendar,
    consent,
    due,
    facts,
    lateness,
    pressure,
    programme,
    readings,
    request,
    standing,
    triggers,
)
from ecrm.around import NOTHING, Around
from ecrm.mail import Mail
from ecrm.matters import AnyMatter, Appointment, Carriage, Comment
from ecrm.moment import NEVER, Instant, Moment, format_instant, minutes
from ecrm.programme import MailStep, MarkStep, Programme, Step
from ecrm.request import Candidate
from ecrm.rules import Rules
from ecrm.state import Enrolment, State

# How long nothing is advertised because of what was heard late: a browser that comes back tells all
# it kept within seconds, and back ends repeat what was not taken within a minute or two.
SETTLE: Final = minutes(2)

# Facts after which there may be an address where there was none.
_MAY_BRING_ADDRESS: Final = (facts.PersonChanged, facts.Inherited)


class Turn:
    """A customer's turn while it is being taken: the facts so far and the state they make.

    `secret` is the matter of this very event in clear, where it has a secret; `sealed` are the
    mails that tell it, which no fact does.
    """

    def __init__(
        self,
        rules: Rules,
        state: State,
        moment: Moment,
        around: Around = NOTHING,
        secret: AnyMatter | None = None,
    ) -> None:
        self.rules = rules
        self.before = state
        self.state = state
        self.moment = moment
        self.around = around
        self.secret = secret
        self.facts: list[facts.AnyFact] = []
        self.sealed: dict[str, Mail] = {}

    @property
    def zone(self) -> ZoneInfo:
        """The person's own, as far as it is known by now; otherwise the shop's."""
        return calendar.zone_of(self.state.person.zone) or self.rules.zone

    def record(self, *made: facts.AnyFact) -> None:
        for fact in made:
            self.facts.append(fact)
            self.state = apply.apply(self.state, fact)

    def tell(self, *happened: facts.AnyFact, past: bool = False) -> None:
        """Record facts of the world, and set off what listens to them. By those of the past nothing
        begins and no clock starts; what they make pointless ends.
        """
        for fact in happened:
            had_none = isinstance(fact, _MAY_BRING_ADDRESS) and self._is_unreachable()
            self.record(fact)
            match fact:
                case facts.PersonChanged() | facts.Inherited() if had_none:
                    self._look_again()
                case facts.ConsentChanged(consent.MARKETING_PURPOSE, False):
                    self.retract_marketing(f"{fact.purpose} was denied")
                case facts.AccountClosed():
                    self.leave_all("the account was deleted")
                case _:
                    pass
            for trigger in triggers.triggers_of(self.state, fact):
                self._set_off(trigger, past=past)

    def _is_unreachable(self) -> bool:
        return bool(request.fault_of(self.state.person.email))

    def _look_again(self) -> None:
        """What waited for an address is due again as it was."""
        for key, stay in sorted(self.state.enrolments.items()):
            if self.state.timers[key] != stay.due:
                self.record(facts.Awaits(key, stay.step, stay.due))

    def retract_marketing(self, because: str) -> None:
        """Take back the marketing mails that still wait in the queue."""
        for mail_id, waiting in sorted(self.state.waiting.items()):
            if waiting.mail_class == "marketing":
                self.record(facts.MailRetracted(mail_id, waiting.kind, because))

    # Triggers.

    def _set_off(self, trigger: triggers.Trigger, *, past: bool) -> None:
        begun = self.rules.enrolling.get(trigger.name, ())
        for one in self.rules.leaving.get(trigger.name, ()):
            # Where nothing begins anew, nothing gives way to it.
            if not past or one not in begun:
                self.leave(one, trigger)
        if past:
            return
        for one in self.rules.counting.get(trigger.name, ()):
            for key in list(self._stays(one, trigger.refs)):
                self._start_clock(one, key, trigger)
        for one in begun:
            self.enrol(one, trigger)

    def _stays(self, one: Programme, refs: dict[str, str]) -> Iterator[str]:
        """The stays in a programme that a trigger concerns: all, unless it names what they are
        about. By key, for a snapshot does not keep the order in which they began.
        """
        for key, stay in sorted(self.state.enrolments.items()):
            if stay.programme == one.name and one.concerns(refs, stay.refs):
                yield key

    def leave(self, one: Programme, trigger: triggers.Trigger) -> None:
        for key in list(self._stays(one, trigger.refs)):
            step = one.step(self.state.enrolments[key].step)
            kind = step.kind if isinstance(step, MailStep) else ""
            name = step.name if step is not None else ""
            self.record(facts.Left(key, name, kind, "stop_condition", str(trigger)))
        # What was owed stays owed: a confirmation is not taken back by a later event. A reminder
        # of a debt is, once that is paid.
        retracts = one.retracts and trigger.name in one.leave
        for mail_id, waiting in sorted(self.state.waiting.items()):
            if waiting.key.partition("/")[0] != one.name or (
                waiting.mail_class == "transactional" and not retracts
            ):
                continue
            if one.concerns(trigger.refs, waiting.refs):
                self.record(facts.MailRetracted(mail_id, waiting.kind, str(trigger)))

    def leave_all(self, detail: str) -> None:
        """End every stay: this life goes on elsewhere."""
        for one in self.rules.programmes.values():
            self.leave(one, triggers.Trigger(detail, self.moment.now))

    def _start_clock(self, one: Programme, key: str, trigger: triggers.Trigger) -> None:
        stay = self.state.enrolments[key]
        since = max(trigger.occurred, stay.clocks.get(trigger.name, trigger.occurred))
        if stay.clocks.get(trigger.name) == since:
            return
        self.record(facts.ClockSet(key, trigger.name, since))
        step = one.step(stay.step)
        if step is not None:
            self._await(key, step)
            self._let_settle(key, step, trigger)

    def _let_settle(self, key: str, step: Step, trigger: triggers.Trigger) -> None:
        """What is heard late is seldom heard alone: the order may come right behind its cart."""
        if not isinstance(step, MailStep) or step.mail_class != "marketing":
            return
        now = self.moment.now
        if self.state.timers[key] > now or trigger.occurred + SETTLE > now:
            return
        until, why = Instant(now + SETTLE), "heard of late: more may be on its way"
        self.record(facts.MailDeferred(key, step.name, step.kind, until, "settling", why))

    def enrol(self, one: Programme, trigger: triggers.Trigger) -> None:
        """Let somebody in whom this trigger opens a programme for, where nothing bars it."""
        key = admission.key_of(one, trigger.refs)
        if admission.barred(one, self.state, trigger.refs, self.moment.now) is not None:
            return
        since = min(trigger.occurred, self.moment.now)
        nth = self.state.stays.get(one.name, 0)
        self.record(
            facts.Enrolled(key, one.name, trigger.name, trigger.refs, since, nth, trigger.matter)
        )
        self._await(key, one.steps[0])
        self._let_settle(key, one.steps[0], trigger)

    def _begin_anew(self, one: Programme, key: str, stay: Enrolment) -> None:
        """Another round of a stay that has just ended."""
        nth = self.state.stays.get(one.name, 0)
        self.record(
            facts.Enrolled(
                key, one.name, stay.because, stay.refs, self.moment.now, nth, stay.matter,
                stay.round + 1,
            )
        )  # fmt: skip
        self._await(key, one.steps[0])

    def take_over(self, key: str, stay: Enrolment) -> None:
        """Go on with a stay of another life, from the step it awaited."""
        one = self.rules.programmes.get(stay.programme)
        if key in self.state.enrolments or one is None:
            return
        if admission.kept_out(one, self.state, self.moment.now) is not None:
            return
        nth = self.state.stays.get(stay.programme, 0)
        self.record(
            facts.Enrolled(
                key, stay.programme, stay.because, stay.refs, stay.began_at, nth, stay.matter,
                stay.round,
            )
        )  # fmt: skip
        for clock, since in sorted(stay.clocks.items()):
            if clock != stay.because or since != stay.began_at:
                self.record(facts.ClockSet(key, clock, since))
        self.record(facts.Awaits(key, stay.step, stay.due))

    # Steps.

    def _await(self, key: str, step: Step) -> None:
        stay = self.state.enrolments[key]
        at = due.due(step, stay, self.state, self.zone)
        if (step.name, at) != (stay.step, stay.due) or key not in self.state.timers:
            self.record(facts.Awaits(key, step.name, at))

    def _advance(self, key: str, step: Step) -> None:
        stay = self.state.enrolments[key]
        one = self.rules.programmes[stay.programme]
        following = one.after(step.name)
        if following is not None:
            self._await(key, following)
            return
        self.record(facts.Finished(key))
        again = stay.round < one.repeats
        if again and readings.judge(one.when, self.state, stay.refs).holds:
            self._begin_anew(one, key, stay)

    def run_due(self) -> None:
        """Take every step that is due by now."""
        self.tell(
            *standing.changes(self.rules, self.around, self.before, self.state, self.moment.now)
        )
        while found := self._due():
            wanted = [one for key in found if (one := self._consider(key)) is not None]
            self._arbitrate(wanted)

    # Steps that are due.

    def _due(self) -> list[str]:
        now = self.moment.now
        timers = self.state.timers.items()
        return [key for _, key in sorted((at, key) for key, at in timers if at <= now)]

    def _consider(self, key: str) -> Candidate | None:
        """Settle a due step that sends nothing; otherwise say what it wants."""
        stay = self.state.enrolments[key]
        one = self.rules.programmes.get(stay.programme)
        step = one.step(stay.step) if one is not None else None
        if step is None:
            gone = f"{stay.programme}/{stay.step} is gone or switched off"
            self.record(facts.Left(key, stay.step, "", "switched_off", gone))
            return None
        verdict = readings.judge(step.when, self.state, stay.refs)
        match step:
            case MarkStep():
                if verdict.holds:
                    self.record(facts.Marked(step.name))
                self._advance(key, step)
                return None
            case MailStep():
                candidate = self._candidate(key, step, stay, verdict.seen)
                if not verdict.holds:
                    self._withhold(candidate, "condition", verdict.failed)
                    return None
                if self._is_unwished(candidate, stay) or self._waits_for_address(candidate, stay):
                    return None
                refusal = request.refusal(self._desk(), candidate)
                if refusal is not None:
                    self._withhold(candidate, *refusal)
                    return None
                return candidate
            case _:
                assert_never(step)

    def _candidate(
        self, key: str, step: MailStep, stay: Enrolment, seen: dict[str, str | int | bool]
    ) -> Candidate:
        matter = stay.matter
        named = matter.template if matter is not None else ""
        kind, template = step.kind, f"{stay.programme}/{named or step.name}"
        for variant in step.variants:
            verdict = readings.judge(variant.when, self.state, stay.refs)
            if verdict.holds:
                kind, template = variant.kind, f"{template}-{variant.name}"
                seen = seen | verdict.seen
                break
        deadline = NEVER if step.late.after is None else Instant(stay.due + step.late.after)
        ends = matter.ends if matter is not None and matter.ends is not None else NEVER
        return Candidate(key, step, kind, template, min(deadline, ends), seen, ends)

    def _desk(self) -> request.Desk:
        return request.Desk(
            self.rules, self.around, self.state, self.moment.now, self.zone, self.secret
        )

    def _is_unwished(self, candidate: Candidate, stay: Enrolment) -> bool:
        """A notification goes at once, in a digest, or not at all: as the person prefers (R66)."""
        topic = candidate.step.topic
        if not topic:
            return False
        cadence = self.state.digests.get(topic, "")
        if cadence == "off" or not self.state.topics.get(topic, True):
            self._withhold(candidate, "preference", f"{topic}: the person wants none")
            return True
        match cadence, stay.matter:
            case "daily" | "weekly" | "monthly", Appointment() | Comment() | Carriage() as notice:
                digests = self.rules.enrolling.get("Notice Kept", ())
                if not due.is_told_in_time(digests, cadence, notice, self.moment.now, self.zone):
                    return False
                kept = facts.NoticeKept(cadence, notice)
                self._withhold(candidate, "digest", f"{topic}: waits for the {cadence} digest")
                self.tell(kept)
                return True
            case _:
                return False

    def _waits_for_address(self, candidate: Candidate, stay: Enrolment) -> bool:
        """What is owed is not given up because the payment was heard before the address."""
        until = Instant(stay.due + programme.LANE_AGE[candidate.step.lane])
        # A code is worth nothing in three days, and is not remembered that long.
        owed = candidate.step.mail_class != "marketing" and candidate.step.lane > 0
        fault = request.address_fault(self.state, candidate)
        if not fault or not owed or self.moment.now >= until:
            return False
        why = f"waits for an address: {fault}"
        self.record(
            facts.MailDeferred(
                candidate.key, candidate.step.name, candidate.kind, until, "missing_data", why
            )
        )
        return True

    def _withhold(self, candidate: Candidate, reason: facts.Reason, detail: str) -> None:
        step = candidate.step
        self.record(
            facts.MailWithheld(
                candidate.key, step.name, candidate.kind, reason, detail, candidate.seen
            )
        )
        self._advance(candidate.key, step)

    # Arbitration.

    def _arbitrate(self, wanted: list[Candidate]) -> None:
        """Of the mails wanted now, the owed ones go; then the first marketing one that may."""
        for candidate in wanted:
            if candidate.step.mail_class != "marketing":
                self._request(candidate)
        optional = [c for c in wanted if c.step.mail_class == "marketing"]
        winner = ""
        for candidate in sorted(optional, key=self._precedence):
            found = self._room(candidate)
            if found.at <= self.moment.now:
                self._request(candidate)
                winner = candidate.kind
            else:
                self._postpone(candidate, found, winner)

    def _precedence(self, candidate: Candidate) -> tuple[int, Instant, str]:
        name = self.state.enrolments[candidate.key].programme
        return self.rules.priority[name], candidate.deadline, candidate.key

    def _room(self, candidate: Candidate) -> pressure.Room:
        pressed = tuple(pressed.at for pressed in self.state.pressed)
        return pressure.room(
            pressure.wished(self.rules.limits, self.state.wish),
            pressed,
            self.moment.now,
            self.zone,
            by_night=candidate.step.by_night,
        )

    def _postpone(self, candidate: Candidate, found: pressure.Room, winner: str) -> None:
        reason: facts.Reason = found.brake or "cap"
        detail = found.detail
        if winner and reason == "cap":
            reason, detail = "arbitration", f"{winner} went first"
        if found.at == NEVER:
            self._withhold(candidate, reason, detail)
            return
        if found.at > candidate.deadline:
            late = f"{detail}; {format_instant(found.at)} would be too late"
            self._withhold(candidate, reason, late)
            return
        self.record(
            facts.MailDeferred(
                candidate.key, candidate.step.name, candidate.kind, found.at, reason, detail
            )
        )

    # Mails.

    def _request(self, candidate: Candidate) -> None:
        self.record(*lateness.retractions(self.state, candidate.key, candidate.step))
        requested = request.made(self._desk(), candidate)
        self.sealed.update((one.mail_id, one) for one in requested.sealed)
        self.record(*requested.facts)
        self._advance(candidate.key, candidate.step)
