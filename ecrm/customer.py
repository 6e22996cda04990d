"""A customer: what it is told, what it decides, what that changes.

This is the functional core. The runtime knows one function of it, `turn`, a pure call (law 1): the
same rules, state, message and moment always give the same facts.

    decide : what a message means, as facts            may change in every release
    apply  : what a fact changes in the state          only grows (ecrm/apply.py)
    effects: what a fact asks of the world outside

`decide` says first what happened (`ecrm/acceptance/`), then lets the programmes answer
(`ecrm/turn.py`).
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from ecrm import (
    acceptance,
    condition,
    credit,
    effects,
    facts,
    history,
    lateness,
    mailboxes,
    merging,
    messages,
    readings,
)
from ecrm.around import NOTHING, Around
from ecrm.mail import Mail
from ecrm.matters import Campaign, Release
from ecrm.moment import Instant, Moment
from ecrm.rules import Rules
from ecrm.state import State, earliest_timer
from ecrm.turn import Turn
from proto.envelope import Message

Facts = tuple[facts.AnyFact, ...]


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A turn that was taken: the facts, the state after them, what they ask for, and the earliest
    timer (`None`: nothing to wait for).
    """

    facts: Facts
    after: State
    effects: tuple[effects.Effect, ...]
    alarm: Instant | None


def turn(
    rules: Rules,
    state: State,
    message: messages.Incoming,
    moment: Moment,
    around: Around = NOTHING,
) -> Taken:
    """Take one turn. It changes nothing: what it returns is all that happens."""
    taken = _take(rules, state, message, moment, around)
    made = tuple(taken.facts)
    who, now = state.customer_id, taken.state.now
    asked = tuple(effect for fact in made for effect in effects.effects_of(who, fact, now))
    if taken.sealed:
        asked = tuple(_unsealed(effect, taken.sealed) for effect in asked)
    if made and isinstance(made[-1], facts.Erased):
        asked = (*asked, effects.Erase((who, *state.visitors)))
    return Taken(made, taken.state, asked, earliest_timer(taken.state))


def _unsealed(effect: effects.Effect, sealed: dict[str, Mail]) -> effects.Effect:
    """The mail as the queue needs it: its fact does not tell the secret (mission §9.11)."""
    if not isinstance(effect, effects.Send) or effect.mail.mail_id not in sealed:
        return effect
    return effects.Send(sealed[effect.mail.mail_id], kept=effect.mail)


def decide(
    rules: Rules,
    state: State,
    message: messages.Incoming,
    moment: Moment,
    around: Around = NOTHING,
) -> Facts:
    """The facts that a message makes; none for a tick with nothing due."""
    return tuple(_take(rules, state, message, moment, around).facts)


def _take(
    rules: Rules, state: State, message: messages.Incoming, moment: Moment, around: Around
) -> Turn:
    secret = acceptance.secret_of(message.event) if isinstance(message, Message) else None
    turn = Turn(rules, state, moment, around, secret)
    _tell(turn, message)
    if not turn.facts:
        return turn
    if not isinstance(message, messages.History):
        window = rules.thresholds.after_click
        turn.record(*credit.credited(turn.before, turn.state, window))
        # What is due already waits for its tick: nobody is written to because of the past.
        turn.run_due()
    if _is_done_with(turn.state):
        turn.record(facts.Erased(turn.state.now))
    return turn


def _tell(turn: Turn, message: messages.Incoming) -> None:
    """The facts that a message makes by itself; without any, nothing happened."""
    now, state = turn.moment.now, turn.state
    match message:
        case Message():
            currency, shelf = turn.rules.shop.currency, turn.around.shelf
            turn.tell(*acceptance.accept(state, message, now, currency, shelf))
        case messages.Tick():
            _ring(turn)
        case messages.Report():
            _hear(turn, message)
        case messages.Returned() | messages.Free():
            turn.tell(*mailboxes.told(state, message, now))
        case messages.Seen():
            _see(turn, message)
        case messages.Bind(to):
            merging.bind(turn, to)
        case messages.Inherit():
            merging.inherit(turn, message)
        case messages.Announce():
            _announce(turn, message)
        case messages.History():
            history.remember(turn, message)
        case _:
            assert_never(message)


def _ring(turn: Turn) -> None:
    alarm = earliest_timer(turn.state)
    if alarm is not None and alarm <= turn.moment.now:
        turn.record(facts.Ticked(turn.moment.now))


def _hear(turn: Turn, report: messages.Report) -> None:
    mail_id, outcome, response = report.mail_id, report.outcome, report.response
    waiting = turn.state.waiting.get(mail_id)
    heard = facts.Heard(turn.moment.now, mail_id, outcome, response)
    if waiting is not None:
        heard = msgspec.structs.replace(
            heard, kind=waiting.kind, key=waiting.key, refs=waiting.refs
        )
    finding = mailboxes.finding_of(report)
    if finding is not None:
        heard = msgspec.structs.replace(heard, address=report.address, bounce=finding.verdict)
    turn.tell(heard, *mailboxes.refused(turn.state, report, turn.moment.now))
    if waiting is not None and outcome == "stale":
        found = lateness.again(turn.rules, turn.state, mail_id, waiting)
        turn.record(*(() if found is None else (found,)))


def _see(turn: Turn, seen: messages.Seen) -> None:
    now = turn.moment.now
    if seen.deed == "opened":
        turn.tell(facts.Opened(now, seen.mail_id, seen.human))
    elif seen.human:
        # A machine that follows links tells nothing about anybody (delivery §5.2).
        told = facts.Clicked(now, seen.mail_id, seen.programme, seen.step, seen.decided_at)
        turn.tell(told)


def _is_done_with(state: State) -> bool:
    """The account is gone, and so is the last mail about it (R63)."""
    return state.closed_at is not None and not state.waiting and not state.enrolments


def _announce(turn: Turn, message: messages.Announce) -> None:
    """What is told to many, where it concerns this person."""
    matter, state = message.matter, turn.state
    if not state.person.email:
        return
    announced = facts.Announced(turn.moment.now, message.broadcast_id)
    match matter:
        case Release(product_id=product_id, series_id=series_id):
            owned = [
                (had.at, had.name or had.edition)
                for had_id, had in sorted(state.had.items())
                if had.series_id == series_id and had_id != product_id and not had.back
            ]
            if not owned:
                return
            matter = msgspec.structs.replace(matter, owned=max(owned)[1])
            refs, name = {"product": product_id, "series": series_id}, "Product Released"
        case Campaign(campaign_id=campaign_id, segment=segment):
            if not readings.judge(condition.parse(segment), state, {}).holds:
                return
            refs, name = {"campaign": campaign_id}, "Campaign Launched"
    turn.tell(announced, facts.Raised(name, turn.moment.now, matter, refs))
