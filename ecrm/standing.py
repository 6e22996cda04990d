"""Standing: where a customer is on the two axes, tier and RFM, and whether it came back.

Looked at in a turn that may have changed it, and when the next look is due: a tier changes by mere
silence, and recency wears off (delivery §5.3, §5.4).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ecrm import consent, engagement, facts, rfm
from ecrm.around import Around
from ecrm.moment import Instant
from ecrm.rules import Rules
from ecrm.state import State


def changes(
    rules: Rules, around: Around, before: State, state: State, now: Instant
) -> Iterator[facts.AnyFact]:
    """What is new of the standing of `state`, which was `before` when the turn began."""
    if state.is_visitor:
        return
    was, is_now = before.engagement, state.engagement
    due = state.assess_at is not None and state.assess_at <= now
    if is_now is not was and _was_given_up(state) and _evidence(is_now) != _evidence(was):
        yield facts.CameBack()
    yield from _scored(around, before, state, now, due=due)
    # A mere visit only puts off the next look; it need not be written down.
    told = replace(is_now, seen_at=was.seen_at) != was or state.tier == "inactive"
    if due or (is_now is not was and told):
        yield from _assessed(rules, around, state, now)


def _evidence(of: engagement.Engagement) -> Instant | None:
    """The day of an open that nobody was allowed to see is kept for hygiene, and is no evidence."""
    return engagement.last_evidence(replace(of, opened_on=None))


def _was_given_up(state: State) -> bool:
    return state.tier == "inactive" or consent.SUNSET in state.marks


def _buyer(state: State) -> rfm.Buyer | None:
    sums = state.purchases
    if sums.count == 0 or sums.first_at is None or sums.last_at is None:
        return None
    return rfm.Buyer(sums.count, sums.total, sums.first_at, sums.last_at)


def _scored(
    around: Around, before: State, state: State, now: Instant, *, due: bool
) -> Iterator[facts.AnyFact]:
    buyer, known = _buyer(state), state.rfm
    current = known is not None and known.version == around.cuts.version
    if buyer is None or (current and not due and state.purchases is before.purchases):
        return
    score = rfm.score(buyer, around.cuts, now)
    if known is not None and replace(score, at=known.at) == known:
        return
    yield facts.Scored(score, rfm.segment(score), rfm.segment(known) if known is not None else "")


def _assessed(rules: Rules, around: Around, state: State, now: Instant) -> Iterator[facts.AnyFact]:
    tier = engagement.tier(state.engagement, now, rules.thresholds)
    buyer = _buyer(state)
    looks = (
        engagement.next_change(state.engagement, now, rules.thresholds),
        None if buyer is None else rfm.next_change(buyer, around.cuts, now),
    )
    until = min((at for at in looks if at is not None), default=None)
    if (tier, until) != (state.tier, state.assess_at):
        yield facts.Assessed(tier, until, state.tier)
