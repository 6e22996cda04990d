"""Why not: the first thing that kept a programme's mail from a customer, and what would change it.

The answer is read from the facts. The smallest change is found by trying: the state in which the
mail was refused is forked, the reason is taken away, and the forecast says whether the mail goes
then; if another reason stands behind the first, that is taken away too. The rules are those of
today, also for what was decided by yesterday's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from ecrm import admission, calendar, consent, facts, forecast, readings, request
from ecrm.explain import remedies
from ecrm.explain.answers import Answer, Change, WhyNot
from ecrm.explain.episodes import Episode, Episodes
from ecrm.explain.remedies import Refused
from ecrm.forecast import Coming, Forecast, Surrounding, Unsent
from ecrm.moment import DAY, Duration, Instant, moment_of
from ecrm.programme import MailStep, Programme
from ecrm.programmes import ALL
from ecrm.rules import Rules
from ecrm.state import State
from ecrm.triggers import Trigger
from ecrm.turn import Turn

# So many reasons can stand behind each other before nobody would call the change small.
MOST: Final = 8
# As far as a mail is looked for; longer than any step waits.
AHEAD: Final = Duration(200 * DAY)

# What is an answer about a mail of a stay that goes on.
_DUE: Final = frozenset(("withheld", "unsent", "retracted", "queued"))
# What ends a mail, so that whoever asks about that very instant asks about it.
_ENDS: Final = frozenset(("withheld", "unsent", "retracted", "left"))


def why_not(
    rules: Rules,
    state: State,
    past: Iterable[facts.AnyFact],
    programme: str,
    at: Instant,
    around: Surrounding = forecast.nothing_around,
) -> WhyNot:
    """Why this customer got no mail of `programme` until `at`: what was decided at that very
    instant, if anything was; otherwise what is awaited, or what was decided last.

    `past` are all facts until then, `state` what they made. Raises LookupError for a name that is
    no programme's.
    """
    one = rules.programmes.get(programme)
    at = max(at, state.now)
    zone = calendar.zone_of(state.person.zone) or rules.zone
    blank = WhyNot(state.customer_id, programme, at, zone.key, Answer("switched_off"))
    if one is None:
        if programme not in {known.name for known in ALL}:
            raise LookupError(programme)
        return replace(blank, changes=(Change("enable", programme),))
    if state.bound_to is not None:
        return replace(blank, answer=Answer("elsewhere", detail=state.bound_to))
    told = Episodes(one, state.customer_id).read(past)
    return _Search(rules, one, state, at, around, told).answer(blank)


class _Search:
    def __init__(
        self,
        rules: Rules,
        one: Programme,
        state: State,
        at: Instant,
        around: Surrounding,
        told: Episodes,
    ) -> None:
        self.rules = rules
        self.one = one
        self.state = state
        self.at = at
        self.around = around
        self.told = told

    def answer(self, blank: WhyNot) -> WhyNot:
        story = tuple(episode.answer for episode in self.told.told)
        blank = replace(blank, story=story)
        if (ended := self._ended_now()) is not None:
            return self._past(replace(blank, answer=ended.answer), ended)
        live = self._live()
        last = self.told.told[-1] if self.told.told else None
        # A mail of this very stay that was due says more than the next one that is not.
        if last is not None and (live is None or self._is_nearer(last.answer, live)):
            return self._past(replace(blank, answer=last.answer), last)
        if live is not None:
            return self._future(replace(blank, answer=live))
        return replace(blank, answer=self._outside(), changes=self._to_begin())

    # What is.

    def _ended_now(self) -> Episode | None:
        """The last mail that came to nothing at this very instant."""
        ended = (
            episode
            for episode in reversed(self.told.told)
            if episode.answer.at == self.at and episode.answer.outcome in _ENDS
        )
        return next(ended, None)

    def _live(self) -> Answer | None:
        """The mail that is awaited first; of those put off at this very instant, if any was."""
        stays = [
            (key not in self.told.deferred or self.told.deferred[key].at != self.at, until, key)
            for key, until in self.state.timers.items()
            if self.state.enrolments[key].programme == self.one.name
        ]
        if not stays:
            return None
        _, until, key = min(stays)
        stay = self.state.enrolments[key]
        step = self.one.step(stay.step)
        waits = Answer("not_due", stay.began_at, key, stay.step, trigger=stay.because)
        waits = replace(waits, kind=step.kind if isinstance(step, MailStep) else "", until=until)
        if until == stay.due:
            return waits
        put_off = self.told.deferred.get(key)
        reason, detail = ("", "") if put_off is None else (put_off.fact.reason, put_off.fact.detail)
        return replace(waits, outcome="deferred", reason=reason, detail=detail)

    def _is_nearer(self, last: Answer, live: Answer) -> bool:
        """Was a mail of this very stay decided on, and none put off since?"""
        since = live.at or 0
        if live.outcome == "deferred" and live.key in self.told.deferred:
            since = self.told.deferred[live.key].at
        return last.key == live.key and last.outcome in _DUE and (last.at or 0) >= since

    def _outside(self) -> Answer:
        """Nothing was heard that opens the programme."""
        return Answer("no_trigger", trigger=" | ".join(self.one.enrol))

    def _to_begin(self) -> tuple[Change, ...]:
        """An event that opens it, and what is missing for any mail of it beside that."""
        changes = [Change("tell", name) for name in self.one.enrol[:1]]
        first = next((step for step in self.one.steps if isinstance(step, MailStep)), None)
        found = admission.kept_out(self.one, self.state, self.at)
        if found is not None and found.by == "again":
            changes.append(Change("wait", at=found.until))
        if first is not None and consent.objection(self.state, first.basis):
            changes.append(Change("consent", consent.MARKETING_PURPOSE))
        if (
            first is not None
            and first.to == "customer"
            and request.fault_of(self.state.person.email)
        ):
            changes.append(Change("address"))
        return tuple(changes)

    # What would be.

    def _past(self, blank: WhyNot, last: Episode) -> WhyNot:
        answer = last.answer
        if answer.outcome == "withheld":
            return self._tried(blank, last, last.before, answer.at or self.at)
        if last.trigger is not None:
            return self._let_in(blank, last, last.trigger)
        return replace(blank, changes=self._untried(answer))

    def _untried(self, answer: Answer) -> tuple[Change, ...]:
        """What can only be named."""
        match answer.outcome:
            case "left" if answer.reason == "switched_off":
                return (Change("enable", self.one.name),)
            case "left" | "retracted":
                return (Change("unhappened", answer.detail),)
            case "unsent" if answer.reason == "suppressed":
                return (Change("free", self.state.person.email),)
            case "unsent" | "queued":
                return (Change("delivery"),)
            case _:
                return ()

    def _future(self, blank: WhyNot) -> WhyNot:
        """What waits: when it goes, or what will keep it back then as things stand."""
        answer = blank.answer
        stay = self.state.enrolments[answer.key]
        episode = Episode(answer, self.state, stay.refs)
        of = (answer.key, answer.step)
        said = forecast.forecast(
            self.rules, self.state, self.at, span=AHEAD, around=self.around, of=of
        )
        met = forecast.fate(said.mails, said.unsent, of)
        if isinstance(met, Unsent) and met.reason != answer.reason:
            # Put off for one reason, to be withheld for another: the last is the one that counts.
            answer = replace(answer, outcome="not_due", reason=met.reason, detail=met.detail)
        wait = (Change("wait", at=answer.until),)
        return self._tried(replace(blank, answer=answer), episode, self.state, self.at, wait)

    def _let_in(self, blank: WhyNot, last: Episode, trigger: Trigger) -> WhyNot:
        state, now, changes = last.before, last.answer.at or self.at, list[Change]()
        while (bar := admission.barred(self.one, state, trigger.refs, now)) is not None:
            change = self._opened(bar, state, trigger)
            changed = None if change is None else remedies.applied(state, change, trigger.refs)
            changes += [] if change is None or change in changes else [change]
            if changed is None or change is None or len(changes) > MOST:
                return replace(blank, changes=tuple(changes))
            if change.kind == "wait" and change.at is not None:
                now = max(now, change.at)
            elif changed == state:
                return replace(blank, changes=tuple(changes))
            state = changed
        fork = Turn(self.rules, state, moment_of(state.customer_id, state.seq, now))
        fork.enrol(self.one, trigger)
        return self._tried(blank, last, fork.state, now, tuple(changes))

    def _opened(self, bar: admission.Barred, state: State, trigger: Trigger) -> Change | None:
        match bar.by:
            case "condition":
                failed = readings.first_failure(self.one.when, state, trigger.refs)
                return remedies.made(failed)
            case "once":
                return Change("first", self.one.name)
            case "again":
                return Change("wait", at=bar.until)
            case _:
                return Change("unhappened", "Account Deleted") if bar.by == "closed" else None

    def _tried(
        self,
        blank: WhyNot,
        episode: Episode,
        state: State,
        now: Instant,
        before: tuple[Change, ...] = (),
    ) -> WhyNot:
        """Take away one reason after the other until the mail goes."""
        changes, begun, key = list(before), now, episode.answer.key
        for _ in range(MOST):
            of = (key, episode.answer.step)
            said = forecast.forecast(self.rules, state, now, span=AHEAD, around=self.around, of=of)
            met = forecast.fate(said.mails, said.unsent, of)
            if met is None:
                break
            if isinstance(met, Coming):
                changes = _awaited(changes, met, begun)
                return replace(blank, changes=tuple(changes), tried=True, goes_at=met.at)
            refused = self._refused(state, now, met, episode)
            change = _located(remedies.remedy(self.rules, refused), said)
            changed = remedies.applied(state, change, episode.refs)
            if change in changes:
                break
            changes.append(change)
            if changed is None:
                break
            state = changed
            if change.kind == "sooner" and change.at is not None:
                state, now = _turned_back(state, key, change.at), change.at
        return replace(blank, changes=tuple(changes))

    def _refused(self, state: State, now: Instant, met: Unsent, episode: Episode) -> Refused:
        """What refused it, in the state right before."""
        before = state
        mails = dict(self.told.mails)
        if met.at > now:
            span = Duration(met.at - 1 - now)
            said = forecast.forecast(self.rules, state, now, span=span, around=self.around)
            before = said.after
            mails |= {coming.mail.mail_id: coming.mail.kind for coming in said.mails}
        return Refused(
            before=before,
            now=met.at,
            key=met.key,
            step=met.step,
            reason=met.reason,
            detail=met.detail,
            refs=episode.refs,
            mails=mails,
        )


def _located(change: Change, said: Forecast) -> Change:
    """A mail that would go first, by its stay: not to send it is not to be in that."""
    coming = (one.key for one in said.mails if one.mail.mail_id == change.name)
    return replace(change, about=next(coming, "")) if change.kind == "without" else change


def _turned_back(state: State, key: str, at: Instant) -> State:
    """As if that stay had been looked at by then."""
    timers = {**state.timers, key: min(state.timers.get(key, at), at)}
    return replace(state, now=min(state.now, at), timers=timers)


def _awaited(changes: list[Change], met: Coming, now: Instant) -> list[Change]:
    """The wait as it turns out: a mail that goes later than it was looked for says until when."""
    others = [change for change in changes if change.kind != "wait"]
    if met.at <= now:
        return others
    return [*others, Change("wait", at=met.at)]
