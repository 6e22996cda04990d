"""Lateness: what becomes of a mail that came to its turn late (design §5).

A step's `late` says what is done, and each part is done where what it needs is known:

- `skip after` is a deadline: the customer keeps it when it decides, the queue while the mail waits.
- `recompute after` needs both. Only the queue knows that a mail's turn came too late to send it as
  it was decided, and only the customer knows what is true by then. So the queue gives the row back
  (state `stale`), which is told to the customer like any other end of a mail, and the customer puts
  the stay back to that step, due as it was. From there it is a step like any other: its condition,
  the deadline, consent and pressure are asked again, and a mail that is still wanted is another one
  (another id, for the bytes differ) with what is known now; otherwise it has its one reason. That
  is one fact, and no second interpreter.
- `merge` is the customer's alone: the queue cannot write one mail out of two. When a mail is
  decided, earlier ones of the same stay (or of the one before it, about the same) that still wait
  are taken back, as they are when an order comes; and of two steps that are due the later speaks.
  Only mails about the same thing are merged: one about another order says nothing of this one.

A step is considered again while its stay has not gone further, and so often and no more: every stay
ends, however long the outage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from ecrm import due, facts, matters, readings
from ecrm.mail import TRANSACTIONAL
from ecrm.moment import Instant
from ecrm.programme import MailStep, Programme
from ecrm.rules import Rules
from ecrm.state import NOTICES_KEPT, Enrolment, State, Waiting

# At two hours each, a day: as long as the queue itself has patience with what nobody is owed.
AGAIN_AT_MOST: Final = 12


def again(rules: Rules, state: State, mail_id: str, was: Waiting) -> facts.AnyFact | None:
    """What to do about a mail that was given back; None where it was taken back before."""
    stay = was.stay
    if stay is None:
        return None
    reason, why = _gone_on(rules, state, was, stay)
    if why:
        return facts.MailWithheld(was.key, was.step, was.kind, reason, f"came too late; {why}")
    live = state.enrolments.get(was.key, stay)
    back = replace(live, step=stay.step, due=stay.due, again=stay.again + 1)
    return facts.Reconsidered(was.key, mail_id, was.kind, back)


def _gone_on(  # noqa: PLR0911 - one line a reason
    rules: Rules, state: State, was: Waiting, stay: Enrolment
) -> tuple[facts.Reason, str]:
    """Why a stay cannot be put back to its step; without words it can."""
    one, live = rules.programmes.get(stay.programme), state.enrolments.get(was.key)
    if one is None or one.step(stay.step) is None:
        return "switched_off", f"{stay.programme}/{stay.step} is gone or switched off"
    if state.closed_at is not None and was.mail_class != TRANSACTIONAL:
        return "stop_condition", "the account was deleted"
    if stay.again >= AGAIN_AT_MOST:
        return "deadline", f"it was decided {AGAIN_AT_MOST} times again"
    if live is None:
        return "deadline", ""
    if (live.began_at, live.nth) != (stay.began_at, stay.nth):
        return "deadline", f"{was.key} has begun anew"
    following = one.after(stay.step)
    if following is None or live.step != following.name:
        return "deadline", f"{was.key} has gone on to {live.step}"
    return "deadline", ""


def successor(
    one: Programme, step: MailStep, stay: Enrolment, state: State, now: Instant, zone: ZoneInfo
) -> str:
    """The step that says what this one would have, because it is due as well; empty: none is."""
    following = one.after(step.name)
    if not step.late.merges or not isinstance(following, MailStep):
        return ""
    if due.due(following, stay, state, zone) > now:
        return ""
    return following.name if readings.judge(following.when, state, stay.refs).holds else ""


def retractions(state: State, key: str, step: MailStep) -> Iterator[facts.MailRetracted]:
    """What takes back the mails that are merged into the one of this step."""
    for mail_id, was in _overtaken(state, key, step):
        yield facts.MailRetracted(mail_id, was.kind, f"merged into {step.kind} {step.name}")


def _overtaken(state: State, key: str, step: MailStep) -> list[tuple[str, Waiting]]:
    """The mails about the same that still wait, by id; none for a step that does not merge."""
    waiting = sorted(state.waiting.items()) if step.late.merges else ()
    return [(mail_id, was) for mail_id, was in waiting if was.key == key]


def merged(state: State, key: str, step: MailStep, digest: matters.Digest) -> matters.Digest:
    """A digest, and before it what those would have said that are merged into it."""
    told = [was.digest for _, was in _overtaken(state, key, step) if was.digest is not None]
    every = (*told, digest)
    return matters.Digest(
        cadence=digest.cadence,
        comments=tuple(x for one in every for x in one.comments)[-NOTICES_KEPT:],
        carriages=tuple(x for one in every for x in one.carriages)[-NOTICES_KEPT:],
        appointments=tuple(x for one in every for x in one.appointments)[-NOTICES_KEPT:],
    )
