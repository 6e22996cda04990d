"""The meter of the turn loop: what became of events, and how long turns, commits and answers took.

Plain numbers, noted where it happens and read when somebody asks (`actors/figures.py`). Times are
of the machine, not of the domain's clock: a virtual day is no slow commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from time import perf_counter
from typing import get_args

from actors.intake import Answer, Item, Outcome
from actors.spread import ACKS, COMMITS, TURNS, Spread


class Meter:
    """`answers` counts events by what they were answered; words from inside are none."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter(dict.fromkeys(get_args(Outcome), 0))
        self.turns = Spread(TURNS)
        self.commits = Spread(COMMITS)
        self.acks = Spread(ACKS)

    def answered(self, answers: Iterable[tuple[Item, Answer]]) -> None:
        """These are about to hear their answers."""
        now = perf_counter()
        events = [(answer.outcome, now - item.since) for item, answer in answers if item.since]
        self.answers.update([outcome for outcome, _ in events])
        self.acks.note_all([took for _, took in events])
