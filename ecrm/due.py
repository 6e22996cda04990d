"""When a step of a stay is due: the step's delay, resolved for this person."""

from __future__ import annotations

from datetime import date, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from ecrm import calendar, delays, programme
from ecrm.matters import Cadence, Notice
from ecrm.moment import DAY, Instant
from ecrm.state import Enrolment, State


def due(step: programme.Step, stay: Enrolment, state: State, zone: ZoneInfo) -> Instant:
    """The instant of a step, before any deferral; a local time is the next after the delay."""
    found = _delayed(step.delay, stay, state, zone)
    return found if step.at is None else calendar.next_local(found, step.at, zone)


def _delayed(delay: delays.Delay, stay: Enrolment, state: State, zone: ZoneInfo) -> Instant:
    match delay:
        case delays.After() | delays.Earliest() | delays.Latest():
            return delays.due_of(delay, stay.began_at, stay.clocks)
        case delays.Before(span):
            begins = stay.matter.ends if stay.matter is not None else None
            return stay.began_at if begins is None else Instant(begins - span)
        case delays.Cycle(usual, least, more):
            order = state.orders.get(stay.refs.get("order", ""))
            known = [line.cycle_days for line in order.kept if line.cycle_days] if order else []
            lasts = min(known) * DAY if known else usual
            return Instant(stay.began_at + max(least, lasts) + more)
        case delays.Gathered(at):
            return end_of_period(stay.began_at, stay.refs.get("cadence", ""), at, zone)
        case _:
            assert_never(delay)


def end_of_period(began: Instant, cadence: str, at: calendar.LocalTime, zone: ZoneInfo) -> Instant:
    """The first such time after `began` on a day that ends a day, a week or a month."""
    day = calendar.local(calendar.next_local(Instant(began + 1), at, zone), zone).date()
    while not _ends(day, cadence):
        day += timedelta(days=1)
    return calendar.resolve(day, at, zone)


def is_told_in_time(
    digests: tuple[programme.Programme, ...],
    cadence: Cadence,
    notice: Notice,
    now: Instant,
    zone: ZoneInfo,
) -> bool:
    """Does the next digest of that cadence go before what the notice is about?"""
    for digest in digests:
        delay = digest.steps[0].delay
        if isinstance(delay, delays.Gathered):
            goes = end_of_period(now, cadence, delay.at, zone)
            return notice.ends is None or goes < notice.ends
    return False


def _ends(day: date, cadence: str) -> bool:
    match cadence:
        case "weekly":
            return day.weekday() == 0
        case "monthly":
            return day.day == 1
        case _:
            return True
