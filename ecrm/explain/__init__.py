"""Explain: what was decided about a customer, in words and as values.

    sentences   each fact in one sentence, with the values that decided
    why_not     why a programme's mail was not sent, and the smallest change that would have sent it
    words       such an answer for a person, in French and in English
    difference  what lies between two states, line by line

All of it is pure, and reads nothing but the facts, the state and the rules.
"""

from __future__ import annotations

from ecrm.explain.sentences import sentence

__all__ = ["sentence"]
