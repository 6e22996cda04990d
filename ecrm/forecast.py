"""Forecast: what one customer is sent next if nothing else happens, to the instant.

It knows no rules of its own: it takes the very turns that will be taken, on a fork of the state,
from timer to timer, and answers each mail as the queue would on a good day: accepted at the instant
of its decision. So a forecast is wrong only where the world speaks up meanwhile, or where the queue
is paused, over its rate or refused. What already waits in the queue counts as handed over now.

What the shop around will be like nobody knows: `around` says what it is like today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from ecrm import customer, facts, messages
from ecrm.around import NOTHING, Around
from ecrm.mail import Mail
from ecrm.moment import DAY, Duration, Instant, moment_of
from ecrm.rules import Rules
from ecrm.state import State, earliest_timer

Surrounding = Callable[[State, messages.Incoming, Instant], Around]
Ends = Literal["", "known", "erased", "bound", "bounded"]

DAYS: Final = 60
# More turns than any life of a year takes: a bound, should a programme ever turn on the spot.
STEPS: Final = 5_000


class Moved(msgspec.Struct, frozen=True, gc=False):
    """A mail was put off: by a cap, the night, a mail that went first, an address that is missing.
    Without a reason it had been before the forecast began.
    """

    since: Instant
    until: Instant
    reason: facts.Reason | Literal[""] = ""
    detail: str = ""


class Coming(msgspec.Struct, frozen=True):
    """A mail that will be sent. `due` is its step's instant before anything moved it; `cancels` are
    the triggers that would end the stay before, `needs` the step's condition.
    """

    at: Instant
    key: str
    mail: Mail
    due: Instant
    moved: tuple[Moved, ...] = ()
    cancels: tuple[str, ...] = ()
    needs: str = ""


class Unsent(msgspec.Struct, frozen=True, gc=False):
    """A mail that will be due and will not be sent, for one reason (law 9)."""

    at: Instant
    key: str
    step: str
    kind: str
    reason: facts.Reason
    detail: str
    moved: tuple[Moved, ...] = ()


class Forecast(msgspec.Struct, frozen=True):
    """`queued` are the mails that wait in the queue already; `after` is the state at the end;
    `ends` says why the forecast ended before `until`, where it did.
    """

    now: Instant
    until: Instant
    mails: tuple[Coming, ...]
    unsent: tuple[Unsent, ...]
    queued: tuple[str, ...]
    turns: int
    after: State
    ends: Ends = ""


def nothing_around(_state: State, _message: messages.Incoming, _now: Instant) -> Around:
    return NOTHING


def forecast(
    rules: Rules,
    state: State,
    now: Instant,
    *,
    span: Duration = Duration(DAYS * DAY),  # noqa: B008 - an immutable number
    around: Surrounding = nothing_around,
    first: Iterable[messages.Incoming] = (),
    past: Iterable[facts.AnyFact] = (),
    steps: int = STEPS,
    of: tuple[str, str] | None = None,
) -> Forecast:
    """What becomes of `state` from `now` on, for so long and at most so many turns.

    `first` happens before anything else ("what if"). `past` are facts of before, to say why what
    waits now was put off; it changes nothing else. With `of`, a stay's key and a step of it, it
    goes no further than until what becomes of that mail is known (of any of the stay: "").
    """
    now = max(now, state.now)
    fork = _Fork(rules, state, now, around, steps)
    fork.remember(past)
    queued = tuple(sorted(state.waiting))
    fork.hand_over()
    for message in first:
        fork.take(message)
        fork.hand_over()
    until = Instant(now + span)
    fork.live(until, of)
    return Forecast(
        now=now,
        until=until,
        mails=tuple(fork.mails),
        unsent=tuple(fork.unsent),
        queued=queued,
        turns=fork.turns,
        after=fork.state,
        ends=fork.ends,
    )


def fate(
    mails: Iterable[Coming], unsent: Iterable[Unsent], of: tuple[str, str]
) -> Coming | Unsent | None:
    """What becomes first of the mail of that step of a stay; of any of the stay where it is "".

    None where that is not known.
    """
    key, step = of
    found: list[Coming | Unsent] = [
        *(one for one in mails if one.key == key and step in ("", one.mail.step)),
        *(one for one in unsent if one.key == key and step in ("", one.step)),
    ]
    return min(found, key=lambda one: one.at, default=None)


class _Fork:
    def __init__(
        self, rules: Rules, state: State, now: Instant, around: Surrounding, steps: int
    ) -> None:
        self.rules = rules
        self.state = state
        self.now = now
        self.around = around
        self.left = steps
        self.turns = 0
        self.ends: Ends = ""
        self.mails: list[Coming] = []
        self.unsent: list[Unsent] = []
        self._moved: dict[str, tuple[Moved, ...]] = {}
        self._before(state)

    def _before(self, state: State) -> None:
        """What was put off before the forecast began."""
        for key, stay in state.enrolments.items():
            if state.timers[key] != stay.due:
                self._moved[key] = (Moved(stay.due, state.timers[key]),)

    def remember(self, past: Iterable[facts.AnyFact]) -> None:
        for fact in past:
            match fact:
                case facts.MailDeferred(key=key, until=until) if key in self._moved:
                    (known,) = self._moved[key]
                    if known.until == until:
                        told = Moved(known.since, until, fact.reason, fact.detail)
                        self._moved[key] = (told,)
                case _:
                    pass

    def live(self, until: Instant, of: tuple[str, str] | None) -> None:
        while not self.ends and (due := earliest_timer(self.state)) is not None and due <= until:
            if of is not None and fate(self.mails, self.unsent, of) is not None:
                self.ends = "known"
                return
            self.now = max(self.now, due)
            if not self.take(messages.Tick()):
                # A tick that is due makes progress; where it did not, no later one would.
                self.ends = "bounded"
            self.hand_over()

    def hand_over(self) -> None:
        """The queue has handed over what it had; that may ask for more."""
        while not self.ends and self.state.waiting:
            self.take(messages.Report(min(self.state.waiting), "accepted"))

    def take(self, message: messages.Incoming) -> bool:
        if self.ends:
            return False
        if self.left <= 0:
            self.ends = "bounded"
            return False
        self.left -= 1
        self.turns += 1
        before = self.state
        at = moment_of(before.customer_id, before.seq, self.now)
        near = self.around(before, message, self.now)
        taken = customer.turn(self.rules, before, message, at, near)
        self._note(before, taken.facts)
        self.state = taken.after
        if taken.facts and isinstance(taken.facts[-1], facts.Erased):
            self.ends = "erased"
        elif taken.after.bound_to is not None:
            self.ends = "bound"
        return bool(taken.facts)

    def _note(self, before: State, made: customer.Facts) -> None:
        """Write down what a turn says of mails. What a step was due is told by the facts alone."""
        timers = dict(before.timers)
        dues = {key: stay.due for key, stay in before.enrolments.items()}
        for fact in made:
            match fact:
                case facts.Awaits(key=key, due=due):
                    # A step that is awaited anew was put off by nobody yet.
                    self._moved.pop(key, None)
                    timers[key] = dues[key] = due
                case facts.MailDeferred(key=key, until=until):
                    moved = Moved(timers.get(key, self.now), until, fact.reason, fact.detail)
                    self._moved[key] = (*self._moved.get(key, ()), moved)
                    timers[key] = until
                case facts.MailRequested(key=key, mail=mail):
                    self.mails.append(self._coming(key, mail, dues.get(key, self.now)))
                case facts.MailWithheld():
                    self._withhold(fact)
                case facts.Left(kind=kind) if kind or fact.reason == "switched_off":
                    self._withhold(fact)
                case _:
                    pass

    def _coming(self, key: str, mail: Mail, due: Instant) -> Coming:
        one = self.rules.programmes[mail.programme]
        step = one.step(mail.step)
        return Coming(
            at=mail.at,
            key=key,
            mail=mail,
            due=due,
            moved=self._moved.get(key, ()),
            cancels=one.leave,
            needs="" if step is None else str(step.when),
        )

    def _withhold(self, fact: facts.MailWithheld | facts.Left) -> None:
        moved = self._moved.pop(fact.key, ())
        self.unsent.append(
            Unsent(self.now, fact.key, fact.step, fact.kind, fact.reason, fact.detail, moved)
        )
