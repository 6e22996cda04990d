"""The memory twin's register: what operators look up, and what they have done.

Plain values that `actors/store/memory.py` asks under its lock; the rules are the port's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager

from actors.store.queued import Queued
from actors.store.rows import (
    FOR_EVER,
    Commit,
    CustomerRow,
    LetterRow,
    OperationRow,
    QuarantineRow,
)
from actors.store.trail import Trail
from ecrm.moment import CustomerId, Instant


class Register:
    """The port's register; `turn` takes the store's lock, `lives` are who has one."""

    def __init__(
        self,
        turn: Callable[[], AbstractAsyncContextManager[None]],
        outbox: dict[str, Queued],
        trail: Trail,
        lives: Collection[CustomerId],
    ) -> None:
        self.quarantine: list[QuarantineRow] = []
        self._turn = turn
        self._outbox = outbox
        self._trail = trail
        self._lives = lives
        self._operations: list[OperationRow] = []
        self._emails: dict[CustomerId, str] = {}

    async def note(self, row: OperationRow) -> None:
        async with self._turn():
            self._operations.append(row)

    async def operations(self, limit: int) -> list[OperationRow]:
        async with self._turn():
            return self._operations[::-1][:limit]

    async def letter(self, mail_id: str) -> LetterRow | None:
        async with self._turn():
            queued = self._outbox.get(mail_id)
            if queued is None:
                return None
            secret = queued.row.kept is not None
            return LetterRow(queued.state, queued.shown_mail, secret, queued.body)

    async def quarantined(self, number: int) -> QuarantineRow | None:
        async with self._turn():
            return next((row for row in self.quarantine if row.number == number), None)

    async def named(self, prefix: str, after: str, limit: int) -> list[CustomerRow]:
        async with self._turn():
            found = sorted(who for who in self._lives if who.startswith(prefix) and who > after)
            return [CustomerRow(who, self._emails.get(who, "")) for who in found[:limit]]

    async def addressed(self, prefix: str, limit: int) -> list[CustomerRow]:
        async with self._turn():
            found = sorted((email, who) for who, email in self._emails.items())
            rows = [CustomerRow(who, email) for email, who in found if email.startswith(prefix)]
            return rows[:limit]

    async def emails(self, customer_ids: list[CustomerId]) -> dict[CustomerId, str]:
        async with self._turn():
            found = {one: self._emails.get(one, "") for one in customer_ids}
            return {one: email for one, email in found.items() if email}

    async def prune_mails(self, before: Instant, limit: int) -> int:
        async with self._turn():
            old = sorted(
                (queued.settled_at, queued.arrival, mail_id)
                for mail_id, queued in self._outbox.items()
                if queued.settled_at is not None
                and queued.settled_at < before
                and queued.reported
                and not mail_id.startswith(FOR_EVER)
            )[:limit]
            for _, _, mail_id in old:
                del self._outbox[mail_id]
            self._trail.erase({mail_id for _, _, mail_id in old})
            return len(old)

    # What a commit says.

    def keep(self, commit: Commit) -> None:
        self._emails |= {row.customer_id: row.email for row in commit.addresses}
        first = self.quarantine[-1].number + 1 if self.quarantine else 1
        for number, row in enumerate(commit.quarantine, first):
            self.quarantine.append(row.numbered(number))

    def erase(self, customer_ids: set[CustomerId]) -> None:
        self.quarantine = [row for row in self.quarantine if row.customer_id not in customer_ids]
        for customer_id in customer_ids:
            self._emails.pop(customer_id, None)
