"""History: what a shop knew of somebody before we did becomes part of that life.

It is told by a file, once, of months and years ago. Orders, traits and consents are taken by the
rules of their events, with the instants of the past, so that a second order is a second order and
the scores are what they would be. What differs from an event is what comes of it: no programme
begins, no clock starts and no mail is wanted, because who bought last week was thanked last week.
Stays that it makes pointless end. The one timer it may set is the next look at the tier, which
sends nothing by itself.

What was heard live counts more than a file: it fills what is missing, and mends what a file has
told before.
"""

from __future__ import annotations

from ecrm import facts, standing
from ecrm.acceptance import past
from ecrm.acceptance.told import Told
from ecrm.messages import History
from ecrm.moment import Instant
from ecrm.turn import Turn


def remember(turn: Turn, told: History) -> None:
    """Take in what is told of the past; a life that is over stays so."""
    now, rules = turn.moment.now, turn.rules
    if turn.state.closed_at is not None:
        return
    traits = past.traits_in(told)
    turn.record(facts.Remembered(now, told.source, past.remembered(turn.state, traits)))
    for one in told.past:
        about = Told(turn.state, min(one.at, now), rules.shop.currency, turn.around.shelf)
        turn.tell(*past.recalled(about, one.deed, turn.before.remembered), past=True)
    if not _is_due(turn.before.assess_at, now):
        # A look that is due is the tick's: what it finds may set something off.
        found = standing.changes(rules, turn.around, turn.before, turn.state, now)
        turn.tell(*found, past=True)


def _is_due(look: Instant | None, now: Instant) -> bool:
    return look is not None and look <= now
