"""Episodes: what a customer's facts say of one programme, mail by mail and trigger by trigger.

The facts are folded from the first on, so that each is seen with the state in which it was decided:
a trigger that opened nothing is no fact, and is found by asking admission again at that instant, by
the rules as they stand today.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from ecrm import admission, apply, condition, facts, readings, triggers
from ecrm.explain.answers import Answer, Outcome
from ecrm.moment import CustomerId, Instant
from ecrm.programme import MailStep, Programme
from ecrm.state import Enrolment, State
from ecrm.triggers import SENT, Trigger

# What a turn is about that brings no news of today: by the past nothing begins.
_PAST = facts.Remembered
_OPENINGS = (
    facts.Happened | facts.Ticked | facts.Heard | facts.Returned | facts.AddressFreed
    | facts.Opened | facts.Clicked | facts.Announced | facts.Remembered | facts.Bound
    | facts.Inherited
)  # fmt: skip


class Episode(msgspec.Struct, frozen=True):
    """An answer with what it was decided on: the state right before, what the stay is about, and
    the trigger where nobody was let in.
    """

    answer: Answer
    before: State
    refs: dict[str, str] = {}
    trigger: Trigger | None = None


class PutOff(msgspec.Struct, frozen=True, gc=False):
    """A mail waits, since `at`."""

    at: Instant
    fact: facts.MailDeferred


class Episodes:
    """`told` are the episodes, oldest first; `mails` says of what kind each mail was, `deferred`
    what each stay was put off for last.
    """

    def __init__(self, one: Programme, customer_id: CustomerId) -> None:
        self.one = one
        self.state = State(customer_id=customer_id)
        self.told: list[Episode] = []
        self.mails: dict[str, str] = {}
        self.deferred: dict[str, PutOff] = {}
        self._past = False

    def read(self, past: Iterable[facts.AnyFact]) -> Episodes:
        for fact in past:
            before = self.state
            self.state = apply.apply(before, fact)
            if isinstance(fact, _OPENINGS):
                self._past = isinstance(fact, _PAST)
            self._decided(before, fact)
            self._reported(fact)
            if not self._past:
                self._set_off(fact)
        return self

    @property
    def now(self) -> Instant:
        return self.state.now

    def _decided(self, before: State, fact: facts.AnyFact) -> None:
        now = self.now
        match fact:
            case facts.MailRequested(key=key, mail=mail):
                self.mails[mail.mail_id] = mail.kind
                if mail.programme == self.one.name:
                    asked = Answer("queued", now, key, mail.step, mail.kind, mail.mail_id)
                    self.told.append(Episode(asked, before, fact.refs))
            case facts.MailDeferred(key=key):
                self.deferred[key] = PutOff(now, fact)
            case facts.Awaits(key=key):
                self.deferred.pop(key, None)
            case facts.MailWithheld(key=key) if self._is_ours(before, key):
                stay = before.enrolments.get(key)
                withheld = Answer("withheld", now, key, fact.step, fact.kind)
                withheld = replace(withheld, reason=fact.reason, detail=fact.detail)
                if fact.reason == "condition":
                    withheld = replace(withheld, failed=self._failed(before, stay, fact))
                refs = stay.refs if stay is not None else {}
                self.told.append(Episode(withheld, before, refs))
            case facts.Left(key=key, kind=kind) if self._is_ours(before, key) and (
                kind or fact.reason == "switched_off"
            ):
                left = Answer("left", now, key, fact.step, kind, trigger=fact.detail)
                left = replace(left, reason=fact.reason, detail=fact.detail)
                self.told.append(Episode(left, before, before.enrolments[key].refs))
            case facts.Reconsidered(mail_id=mail_id):
                self.told = [one for one in self.told if one.answer.mail_id != mail_id]
            case _:
                pass

    def _failed(
        self, before: State, stay: Enrolment | None, fact: facts.MailWithheld
    ) -> condition.Failure | None:
        step = self.one.step(fact.step)
        if stay is None or not isinstance(step, MailStep):
            return None
        return readings.first_failure(step.when, before, stay.refs)

    def _is_ours(self, state: State, key: str) -> bool:
        stay = state.enrolments.get(key)
        name = stay.programme if stay is not None else key.partition("/")[0]
        return name == self.one.name

    def _reported(self, fact: facts.AnyFact) -> None:
        """What became of a mail after it was decided on."""
        match fact:
            case facts.MailRetracted(mail_id=mail_id, because=because):
                self._becomes(mail_id, "retracted", "stop_condition", because)
            case facts.Heard(mail_id=mail_id, outcome=outcome) if outcome in SENT:
                self._becomes(mail_id, "sent", outcome, fact.response)
            case facts.Heard(mail_id=mail_id, outcome=outcome):
                self._becomes(mail_id, "unsent", outcome, fact.response)
            case _:
                pass

    def _becomes(self, mail_id: str, outcome: Outcome, reason: str, detail: str) -> None:
        for place, one in enumerate(self.told):
            # What was taken back is cancelled then: the reason it was taken back is the better one.
            settled = one.answer.outcome == "retracted" and reason == "cancelled"
            if one.answer.mail_id == mail_id and not settled:
                changed = replace(
                    one.answer, outcome=outcome, reason=reason, detail=detail, at=self.now
                )
                self.told[place] = replace(one, answer=changed)

    def _set_off(self, fact: facts.AnyFact) -> None:
        """Triggers that would have opened the programme, had nothing barred the way."""
        # Most of a long life is events that open nothing.
        if isinstance(fact, facts.Happened) and fact.event not in self.one.enrol:
            return
        for trigger in triggers.triggers_of(self.state, fact):
            if trigger.name not in self.one.enrol:
                continue
            found = admission.barred(self.one, self.state, trigger.refs, self.now)
            if found is None or found.by == "inside":
                continue
            failed = None
            if found.by == "condition":
                failed = readings.first_failure(self.one.when, self.state, trigger.refs)
            answer = Answer(
                outcome="not_admitted",
                at=self.now,
                key=admission.key_of(self.one, trigger.refs),
                reason=found.by,
                detail=found.detail,
                trigger=str(trigger),
                until=found.until if found.by == "again" else None,
                failed=failed,
            )
            self.told.append(Episode(answer, self.state, trigger.refs, trigger))
