"""Admission: who may come into a programme when one of its triggers happens, and what bars others.

Asked by the turn that lets people in, and by whoever wants to know why somebody is not in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from ecrm import readings
from ecrm.moment import NEVER, Instant
from ecrm.programme import MarkStep, Programme
from ecrm.state import State

# In already; the account is gone; once in a lifetime; not again yet; the programme's condition.
Bar = Literal["inside", "closed", "once", "again", "condition"]


class Barred(msgspec.Struct, frozen=True, gc=False):
    """Why not; `until` is from when on it would be otherwise, where mere time makes it so."""

    by: Bar
    detail: str = ""
    until: Instant = NEVER


def key_of(one: Programme, refs: Mapping[str, str]) -> str:
    """The name of the stay that a trigger about `refs` begins."""
    about = refs.get(one.per, "")
    return f"{one.name}/{about}" if about else one.name


def barred(one: Programme, state: State, refs: dict[str, str], now: Instant) -> Barred | None:
    """What keeps somebody out of `one`; None where nothing does."""
    if key_of(one, refs) in state.enrolments:
        return Barred("inside")
    found = kept_out(one, state, now)
    if found is not None:
        return found
    verdict = readings.judge(one.when, state, refs)
    return None if verdict.holds else Barred("condition", verdict.failed)


def kept_out(one: Programme, state: State, now: Instant) -> Barred | None:
    """The same of what is not about the one trigger: the account, and the stays before."""
    if _is_closed(one, state):
        return Barred("closed")
    ended = state.ended.get(one.name)
    if ended is None:
        return None
    if one.again.after is None:
        return Barred("once")
    until = Instant(ended + one.again.after)
    return None if until <= now else Barred("again", until=until)


def _is_closed(one: Programme, state: State) -> bool:
    """Once the account is gone, only what is owed begins: the rest would keep the life."""
    return state.closed_at is not None and any(
        isinstance(step, MarkStep) or step.mail_class != "transactional" for step in one.steps
    )
