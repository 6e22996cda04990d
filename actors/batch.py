"""A batch: what one round of the turn loop makes, and the rows that turns become."""

from __future__ import annotations

from collections.abc import Callable

from actors.intake import Answer, Item
from actors.store import port
from ecrm import customer, effects, facts, mail, messages
from ecrm.delivery import suppression
from ecrm.moment import NEVER, CustomerId, Instant, Seq
from proto import notices

Watcher = Callable[[CustomerId, customer.Facts], None]
# Who watches all turns of a round at once.
Onlooker = Callable[[list[tuple[CustomerId, customer.Facts]]], None]
Mourner = Callable[[port.QuarantineRow], None]


class Batch:
    """What one round of the loop makes: the rows to commit, and whom to answer after."""

    def __init__(self) -> None:
        self.rows = port.Commit()
        self.slots: set[CustomerId] = set()
        self.answers: list[tuple[Item, Answer]] = []
        self.tells: list[tuple[port.TellRow, messages.Inward]] = []
        self.notices: list[notices.Notice] = []
        self.turns: list[tuple[CustomerId, customer.Facts]] = []
        self.seen: dict[bytes, Answer] = {}
        # How long each turn took, in seconds.
        self.took: list[float] = []

    def ban(self, effect: effects.Suppress | effects.Free, key: bytes, now: Instant) -> None:
        """An address goes on the suppression list, or leaves it; `key` hashes it."""
        name = suppression.hash_of(effect.address, key)
        if isinstance(effect, effects.Free):
            self.rows.freed.append(name)
            # What an earlier turn of this batch put there was there before.
            self.rows.suppressions = [r for r in self.rows.suppressions if r.address != name]
            return
        ends = None if effect.until == NEVER else effect.until
        row = port.SuppressionRow(name, effect.scope, effect.reason, now, ends)
        self.rows.suppressions.append(row)

    def show(
        self, watchers: list[Watcher], onlookers: list[Onlooker], mourners: list[Mourner]
    ) -> None:
        """Tell who watches of every turn, and who mourns of every one that failed."""
        for watcher in watchers:
            for customer_id, made in self.turns:
                watcher(customer_id, made)
        if self.turns:
            for onlooker in onlookers:
                onlooker(self.turns)
        for mourner in mourners:
            for row in self.rows.quarantine:
                mourner(row)

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self.rows, name) for name in self.rows.__struct_fields__)


def journal_row(item: Item, seq: Seq, taken: customer.Taken) -> port.JournalRow:
    return port.JournalRow(
        customer_id=item.customer_id,
        seq=seq,
        count=len(taken.facts),
        at=taken.after.now,
        message=messages.encode(item.message),
        facts=facts.encode(taken.facts),
    )


def outbox_row(wanted: mail.Mail, kept: mail.Mail | None) -> port.OutboxRow:
    return port.OutboxRow(
        mail_id=wanted.mail_id,
        customer_id=wanted.customer_id,
        kind=wanted.kind,
        programme=wanted.programme,
        step=wanted.step,
        lane=wanted.lane,
        domain=wanted.to.rpartition("@")[2].casefold(),
        at=wanted.at,
        due=wanted.at,
        not_after=wanted.not_after,
        mail=mail.encode(wanted),
        kept=None if kept is None else mail.encode(kept),
        opens=wanted.track_opens,
        clicks=wanted.track_clicks,
    )
