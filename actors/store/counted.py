"""The rows of what is counted: who stands where, what became of mails, what they led to."""

from __future__ import annotations

import msgspec

from ecrm.moment import CustomerId, Seq


class StandRow(msgspec.Struct, frozen=True, gc=False):
    """How often a life stands at a step; `count == 0` removes the row. Without a programme, `step`
    is the tier.
    """

    customer_id: CustomerId
    programme: str
    step: str
    count: int


class CountRow(msgspec.Struct, frozen=True, gc=False):
    """So many more (or, below zero, less) of something, about the mails of a step that were decided
    on in a month ("2026-03", UTC).
    """

    month: str
    programme: str
    step: str
    what: str
    count: int


class Standing(msgspec.Struct, frozen=True, gc=False):
    """All places of a life, as they were before fact `seq`."""

    customer_id: CustomerId
    seq: Seq
    rows: tuple[StandRow, ...]
