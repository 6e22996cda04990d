"""Whether every mail and every mail that was not sent has an explanation, and a true one.

Reads a data folder at rest, folds each customer's facts by itself, asks `why` of every mail and
`why-not --at` of every one that was put off, withheld, taken back or ended in the queue, and holds
each answer to what the journal says of that very instant. What does not hold is told in a line of
`problems`. Also a command: `python -m tests.explained FOLDER` looks through a replay's --data.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio

from actors import settings, why
from actors.asked import Refused, Request
from actors.commands.resting import insight_at_rest
from ecrm import admission, apply, calendar, condition, facts, moment, pressure, readings, triggers
from ecrm.mail import MARKETING
from ecrm.moment import CustomerId, Instant
from ecrm.programme import MailStep
from ecrm.rules import Rules
from ecrm.state import State
from proto import record

PAGE = 500
UNSENT = facts.MailWithheld | facts.MailDeferred | facts.MailRetracted | facts.Left | facts.Heard


class Decided(msgspec.Struct, frozen=True):
    """A fact with the state right before it; `place` is its own in the life, `turn` its turn's."""

    place: int
    fact: facts.AnyFact
    before: State
    at: Instant
    turn: int


class Life(msgspec.Struct, frozen=True):
    """All that a customer's journal says: its turns as (message, facts), and each fact."""

    customer: CustomerId
    messages: tuple[bytes, ...]
    turns: tuple[tuple[facts.AnyFact, ...], ...]
    told: tuple[Decided, ...]


class Proof:
    """`mails` counts by kind the mails whose `why` was asked, `unsent` by outcome and reason the
    answers of why-not, `sent` the mails that were handed over, `fates` what became of what was put
    off; `messages` are those by which the mails came about, `over` counts the mails that gave way.
    """

    def __init__(self, store, rules, insight) -> None:
        self.mails: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.unsent: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.messages: set[str] = set()
        self.over = 0
        self.problems: list[str] = []
        self._store = store
        self._rules = rules
        self._insight = insight

    async def of_everybody(self, most: int = sys.maxsize) -> None:
        after, seen = "", 0
        while page := await self._store.register.named("", after, PAGE):
            for row in page:
                await self.of(row.customer_id)
                seen += 1
                if seen >= most:
                    return
            after = page[-1].customer_id

    async def of(self, customer: CustomerId) -> None:
        life = await self._read(customer)
        for decided in life.told:
            if isinstance(decided.fact, facts.MailRequested):
                found = await why.why(
                    self._store, self._rules.programmes, decided.fact.mail.mail_id
                )
                self.mails[found.kind] += 1
                self.over += len(found.over)
                self.messages |= {found.message} - {""}
                self._hold(life, decided, _wrong_with(self._rules, life, decided, found))
        self.sent.update(
            one.fact.kind
            for one in life.told
            if isinstance(one.fact, facts.Heard) and one.fact.outcome in triggers.SENT
        )
        await self._not_sent(life)

    async def _not_sent(self, life: Life) -> None:
        """Ask once of each programme at each instant at which a mail of it was not sent."""
        asked: dict[tuple[str, Instant], list[Decided]] = {}
        for one in life.told:
            if _is_unsent(one.fact):
                asked.setdefault((_programme_of(one), one.at), []).append(one)
        for (programme, at), decided in asked.items():
            request = Request(
                1, "why-not", customer=life.customer, programme=programme,
                at=moment.format_instant(at),
            )  # fmt: skip
            try:
                answer = await self._insight.why_not(request)
            except Refused as refused:
                self.problems.append(f"{life.customer} {programme} {at}: {refused}")
                continue
            self._hold(life, decided[-1], _wrong_with_answer(self._rules, life, decided, answer))
            for one in decided:
                self.unsent[_outcome_of(one.fact)] += 1
                if isinstance(one.fact, facts.MailDeferred):
                    fate, wrong = _fate(life, one, one.fact)
                    self.fates[fate] += 1
                    self._hold(life, one, wrong)

    def _hold(self, life: Life, one: Decided, wrong: Iterator[str]) -> None:
        at = moment.format_instant(one.at)
        self.problems += [f"{life.customer} {at} {type(one.fact).__name__}: {it}" for it in wrong]

    async def _read(self, customer: CustomerId) -> Life:
        rows = await self._store.journal(customer, before=None, limit=sys.maxsize)
        turns = tuple(facts.decode(row.facts) for row in rows)
        state, told = State(customer_id=customer), list[Decided]()
        for turn, made in enumerate(turns):
            for fact in made:
                after = apply.apply(state, fact)
                told.append(Decided(len(told), fact, state, after.now, turn))
                state = after
        return Life(customer, tuple(row.message for row in rows), turns, tuple(told))


def _is_unsent(fact: facts.AnyFact) -> bool:
    match fact:
        case facts.Left(kind=kind):
            return bool(kind)
        case facts.Heard(outcome=outcome, key=key):
            return outcome not in triggers.SENT and bool(key)
        case facts.MailWithheld() | facts.MailDeferred() | facts.MailRetracted():
            return True
        case _:
            return False


def _key_of(one: Decided) -> str:
    fact = one.fact
    if isinstance(fact, facts.MailRetracted):
        return one.before.waiting[fact.mail_id].key
    assert isinstance(fact, UNSENT)
    return fact.key


def _programme_of(one: Decided) -> str:
    return _key_of(one).partition("/")[0]


def _outcome_of(fact: facts.AnyFact) -> str:
    match fact:
        case facts.MailWithheld(reason=reason):
            return f"withheld: {reason}"
        case facts.MailDeferred(reason=reason):
            return f"deferred: {reason}"
        case facts.MailRetracted():
            return "retracted"
        case facts.Left(reason=reason):
            return f"left: {reason}"
        case facts.Heard(outcome=outcome):
            return f"unsent: {outcome}"
        case _:
            raise AssertionError(fact)


# Why a mail went.


def _wrong_with(rules, life: Life, one: Decided, found: why.Why) -> Iterator[str]:
    fact = one.fact
    assert isinstance(fact, facts.MailRequested)
    mail, stay = fact.mail, one.before.enrolments[fact.key]
    programme = rules.programmes[mail.programme]
    step = programme.step(mail.step)
    assert isinstance(step, MailStep)
    if (found.mail, found.customer, found.kind, found.to) != (
        mail.mail_id, life.customer, mail.kind, mail.to,
    ):  # fmt: skip
        yield f"{found.mail} is told of another mail"
    yield from _wrong_with_event(life, one, fact, programme, found)
    yield from _wrong_with_values(one, fact, step, found)
    for part in (f"{programme.name}/{step.name}", f"enrols when {programme.when}",
                 f"sends when {step.when}", f"basis {step.basis}"):  # fmt: skip
        if part not in found.rule:
            yield f"the rule does not say {part!r}: {found.rule}"
    if found.decided != _local(rules, one.before, one.at, "{0:%Y-%m-%d %H:%M} {1}"):
        yield f"decided {found.decided}"
    if one.before.timers[fact.key] != one.at:
        yield f"went though {fact.key} was due {one.before.timers[fact.key]}"
    if mail.mail_class == MARKETING:
        yield from _wrong_with_pressure(rules, one, step)
    yield from _wrong_with_losers(rules, life, one, fact, found)
    yield from _wrong_with_story(life, one, fact, stay.began_at, found)


def _wrong_with_event(life, one, fact, programme, found: why.Why) -> Iterator[str]:
    """The event is one of the journal, before the decision, and opens that very stay."""
    began = _opened(life, one, fact.key)
    if began is None:
        yield "nothing in the journal opened its stay"
        return
    name = began.fact.because
    if name not in programme.enrol:
        yield f"{name} does not open {programme.name}"
    if found.heard_at != moment.format_instant(began.at) or began.at > one.at:
        yield f"heard at {found.heard_at}, not {moment.format_instant(began.at)}"
    if not found.event.startswith(f"{name}: ") or found.heard_at not in found.event:
        yield f"the event is told as {found.event!r}"
    yield from _wrong_with_message(life, began, found)
    if not _sets_off(life, began, programme, fact.key):
        yield f"no fact of its turn sets off {name} for {fact.key}"
    if not readings.judge(programme.when, began.before, began.fact.refs).holds:
        yield f"entered though {programme.when} did not hold"


def _wrong_with_message(life: Life, began: Decided, found: why.Why) -> Iterator[str]:
    about = life.turns[began.turn][0]
    if not isinstance(about, facts.Happened):
        if found.message:
            yield f"message {found.message} of a turn about {about}"
        return
    said = record.read(life.messages[began.turn])
    if (said.message_id, said.event_name) != (found.message, about.event):
        yield f"message {found.message}, the journal has {said.message_id} {said.event_name}"
    if about.event not in found.event:
        yield f"{about.event} is not in {found.event!r}"


def _opened(life: Life, one: Decided, key: str) -> Decided | None:
    """The enrolment that began the stay, in its first round."""
    for earlier in reversed(life.told[: one.place]):
        began = earlier.fact
        if isinstance(began, facts.Enrolled) and (began.key, began.round) == (key, 0):
            return earlier
    return None


def _sets_off(life: Life, began: Decided, programme, key: str) -> bool:
    """Is there a fact before the enrolment, in its turn, whose trigger opens that stay?"""
    for earlier in life.told[: began.place]:
        if earlier.turn != began.turn:
            continue
        after = apply.apply(earlier.before, earlier.fact)
        for trigger in triggers.triggers_of(after, earlier.fact):
            same = admission.key_of(programme, trigger.refs) == key
            if trigger.name == began.fact.because and same:
                return True
    return False


def _wrong_with_values(one, fact, step, found: why.Why) -> Iterator[str]:
    refs = one.before.enrolments[fact.key].refs
    judged = readings.judge(step.when, one.before, refs)
    seen = dict(judged.seen)
    for variant in step.variants:
        verdict = readings.judge(variant.when, one.before, refs)
        if verdict.holds:
            seen |= verdict.seen
            break
    if not judged.holds:
        yield f"went though {judged.failed}"
    if found.seen != seen:
        yield f"saw {found.seen}, and there was {seen}"


def _wrong_with_pressure(rules, one: Decided, step: MailStep) -> Iterator[str]:
    limits = pressure.wished(rules.limits, one.before.wish)
    pressed = tuple(mail.at for mail in one.before.pressed)
    zone = _zone(rules, one.before)
    room = pressure.room(limits, pressed, one.at, zone, by_night=step.by_night)
    if room.at != one.at:
        yield f"went though there was no room before {room.at}: {room.detail}"


def _wrong_with_losers(rules, life: Life, one, fact, found: why.Why) -> Iterator[str]:
    """Those that gave way are those of this turn that the journal says gave way to this kind."""
    losers = [
        other.fact
        for other in life.told
        if other.turn == one.turn
        and isinstance(other.fact, facts.MailDeferred | facts.MailWithheld)
        and other.fact.reason == "arbitration"
        and fact.mail.mail_class == MARKETING
    ]
    named = [f"{loser.kind} {loser.step} of {loser.key}" for loser in losers]
    if [line.partition(", ")[0] for line in found.over] != named:
        yield f"over {found.over}, and there gave way {named}"
    for loser in losers:
        if not loser.detail.startswith(f"{fact.mail.kind} went first"):
            yield f"{loser.key} gave way to another: {loser.detail}"
        mine, other = (rules.priority[key.partition("/")[0]] for key in (fact.key, loser.key))
        if mine > other:
            yield f"{loser.key} has precedence"


def _wrong_with_story(life: Life, one, fact, began: Instant, found: why.Why) -> Iterator[str]:
    """It begins with the stay, has each delay and the decision, and ends with what became of it."""
    instants = [moment.parse_instant(at) for at, _ in found.story]
    if instants != sorted(instants):
        yield "the story is not in order"
    if not found.story[0][1].startswith(f"entered {fact.key} because of"):
        yield f"the story begins: {found.story[0][1]}"
    at = moment.format_instant(one.at)
    if (at, fact.mail.mail_id) not in {
        (when, what.partition(" as ")[2].partition(" ")[0]) for when, what in found.story
    }:
        yield "the decision is not in its story"
    told = {(when, what) for when, what in found.story}
    for other in life.told[: one.place]:
        delay = other.fact
        if isinstance(delay, facts.MailDeferred) and delay.key == fact.key and other.at >= began:
            until = moment.format_instant(delay.until)
            words = f"mail {delay.kind} {delay.step} waits until {until}: {delay.reason}, "
            if (moment.format_instant(other.at), words + delay.detail) not in told:
                yield f"the delay until {until} is not in its story"
    ends = [
        other
        for other in life.told
        if isinstance(other.fact, facts.Heard) and other.fact.mail_id == fact.mail.mail_id
    ]
    if not ends:
        yield "nobody knows what became of it"
    elif not any(
        what.startswith(f"mail {fact.mail.kind} is {ends[-1].fact.outcome}")
        and when == moment.format_instant(ends[-1].at)
        for when, what in found.story
    ):
        yield f"that it is {ends[-1].fact.outcome} is not in its story"


# Why a mail did not go.


def _wrong_with_answer(rules, life: Life, decided: list[Decided], found) -> Iterator[str]:
    """The answer is of one of these facts, and the story has all of them."""
    answer, text = found["answer"], found["why_not"]
    wrongs = [list(_unlike(one, answer)) for one in decided]
    if [] not in wrongs:
        yield f"answers {answer}: {'; '.join(wrongs[-1])}"
        return
    one = decided[wrongs.index([])]
    local = _local(rules, one.before, one.at, "{0:%Y-%m-%d %H:%M} ({1})")
    told = [line["what"] for line in found["story"]]
    if isinstance(one.fact, facts.MailDeferred):
        local = _local(rules, one.before, one.fact.until, "{0:%Y-%m-%d %H:%M} ({1})")
    for part in (answer["kind"], answer["step"], answer["key"], local):
        if part not in text:
            yield f"{part!r} is not in {text!r}"
    for other in decided:
        if not isinstance(other.fact, facts.MailDeferred) and not any(
            _key_of(other) in line and other.fact.kind in line for line in told
        ):
            yield f"{other.fact} is not in the story {told}"
    if isinstance(one.fact, facts.MailWithheld):
        yield from _wrong_with_failure(rules, one, one.fact, answer)
    if not found["changes"]:
        yield f"nothing is said of what would have sent it: {text}"


def _unlike(one: Decided, answer) -> Iterator[str]:
    """How an answer differs from what the journal says was decided."""
    fact = one.fact
    key, at = _key_of(one), moment.format_instant(one.at)
    wanted = {"key": key, "kind": fact.kind}
    match fact:
        case facts.MailWithheld():
            wanted |= {"outcome": "withheld", "reason": fact.reason, "detail": fact.detail}
            wanted |= {"at": at, "step": fact.step}
        case facts.MailDeferred():
            wanted |= {"until": moment.format_instant(fact.until), "step": fact.step}
            # Put off for one reason, to be withheld for another as things stand: that one is told.
            if answer["outcome"] != "not_due":
                wanted |= {"outcome": "deferred", "reason": fact.reason, "detail": fact.detail}
        case facts.Left():
            wanted |= {"outcome": "left", "reason": fact.reason, "detail": fact.detail}
            wanted |= {"at": at, "step": fact.step}
        case facts.MailRetracted():
            wanted |= {"outcome": "retracted", "detail": fact.because, "at": at}
        case facts.Heard():
            wanted |= {"outcome": "unsent", "reason": fact.outcome, "at": at}
    for name, value in wanted.items():
        if answer.get(name) != value:
            yield f"{name} is {answer.get(name)!r}, not {value!r}"


def _wrong_with_failure(rules, one: Decided, fact, answer) -> Iterator[str]:
    """What failed is what is looked at, and fails; what gave way gave way to a mail of the turn."""
    stay = one.before.enrolments.get(fact.key)
    failed = answer.get("failed")
    if fact.reason == "condition":
        if stay is None or failed is None:
            yield "the condition that failed is not named"
            return
        saw = readings.READINGS[failed["reading"]](one.before, stay.refs)
        again = condition.Compare(failed["reading"], failed["operator"], failed["value"])
        held = condition.judge(again, lambda _: saw).holds
        if saw != failed["saw"] or held or str(condition.Failure(**failed)) not in fact.detail:
            yield f"{failed} against {saw!r}, and the journal has {fact.detail}"
    elif failed is not None:
        yield f"a condition failed, and the reason is {fact.reason}"
    if fact.reason == "condition":
        step = rules.programmes[fact.key.partition("/")[0]].step(fact.step)
        if readings.judge(step.when, one.before, stay.refs).holds:
            yield "withheld though its condition held"


def _fate(life: Life, one: Decided, fact: facts.MailDeferred) -> tuple[str, Iterator[str]]:
    """What became of a mail that was put off, by then or before."""
    for later in life.told[one.place + 1 :]:
        made = later.fact
        if getattr(made, "key", None) != fact.key:
            continue
        on_time = iter(()) if later.at == fact.until else iter((f"{fact} became {made}",))
        match made:
            case facts.MailRequested():
                return "went then", on_time
            case facts.MailWithheld():
                return f"withheld then: {made.reason}", on_time
            case facts.MailDeferred() if later.at > one.at:
                return f"put off again then: {made.reason}", on_time
            case facts.Left():
                sooner = later.at <= fact.until
                wrong = () if sooner else (f"{fact} was left only at {later.at}",)
                return f"left before: {made.reason}", iter(wrong)
            case facts.ClockSet() | facts.Awaits():
                return "counted anew", iter(())
            case _:
                pass
    still = life.told[-1].at < fact.until
    return "still waits", iter(()) if still else iter((f"{fact} came to nothing",))


def _zone(rules, state: State):
    return calendar.zone_of(state.person.zone) or rules.zone


def _local(rules, state: State, at: Instant, form: str) -> str:
    zone = _zone(rules, state)
    return form.format(calendar.local(at, zone), zone.key)


async def proved(folder: Path, most: int = sys.maxsize) -> Proof:
    """The proof of a data folder that nobody uses."""
    configured = settings.load(Path("no-such.toml"), folder, {})
    rules = Rules(configured.shop, configured.limits, configured.programmes, configured.thresholds)
    async with insight_at_rest(configured) as insight:
        proof = Proof(insight.store, rules, insight)
        await proof.of_everybody(most)
        return proof


def main() -> None:
    began = time.monotonic()
    proof = trio.run(proved, Path(sys.argv[1]))
    for name in ("mails", "sent", "unsent", "fates"):
        counts = getattr(proof, name)
        print(f"{name}: {counts.total():,}")
        for what, count in sorted(counts.items()):
            print(f"  {what:<40} {count:>7,}")
    print(f"mails that gave way and are named so: {proof.over:,}")
    print(f"problems: {len(proof.problems):,}, after {time.monotonic() - began:.0f} s")
    for problem in proof.problems[:200]:
        print(f"  {problem}")
    sys.exit(1 if proof.problems else 0)


if __name__ == "__main__":
    main()
