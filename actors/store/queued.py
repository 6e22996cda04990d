"""The memory twin's outbox row: where a mail stands on its way.

Plain values that `actors/store/memory.py` changes under its lock; the rules are the port's.
"""

from __future__ import annotations

import msgspec

from actors.store.rows import TERMINAL, ClaimedRow, OutboxRow, OutboxState, QueueRow, Settled
from ecrm.moment import Instant


class Queued(msgspec.Struct):
    """An outbox row and where it stands."""

    arrival: int
    row: OutboxRow
    due: Instant
    state: OutboxState = "queued"
    epoch: str = ""
    attempts: int = 0
    response: str = ""
    unwanted: str | None = None
    settled_at: Instant | None = None
    reported: bool = False
    bounce: str = ""
    provider_id: str = ""
    body: bytes | None = None
    submitted_at: Instant | None = None
    doubted_at: Instant | None = None
    # Every sort of hit that there was.
    seen: set[str] = set()

    @property
    def order(self) -> tuple[int, int, int]:
        return self.row.lane, self.due, self.arrival

    @property
    def shown_mail(self) -> bytes:
        return self.row.mail if self.row.kept is None else self.row.kept

    def cancel(self, why: str, now: Instant) -> None:
        self.unwanted = why
        if self.state != "submitting":
            self.finish("cancelled", why, now)

    def submit(self, body: bytes, now: Instant) -> None:
        self.state, self.body, self.submitted_at = "submitting", body, now

    def settle(self, result: Settled, now: Instant) -> None:
        self.attempts = max(self.attempts, result.attempts)
        self.bounce, self.provider_id = result.bounce, result.provider_id or self.provider_id
        self.doubted_at = self.doubted_at or result.doubted_at
        if result.state in TERMINAL:
            self.finish(result.state, result.response, now)
        elif self.unwanted is not None:
            self.finish("cancelled", self.unwanted, now)
        else:
            self.state, self.response, self.epoch = result.state, result.response, ""
            if result.state == "queued":
                self.due, self.attempts = result.due, result.attempts

    def finish(self, state: OutboxState, response: str, now: Instant) -> None:
        self.state, self.response, self.epoch = state, response, ""
        self.settled_at, self.body = now, None
        self.row = msgspec.structs.replace(self.row, mail=self.shown_mail, kept=None)

    def requeue(self, now: Instant, not_after: Instant) -> None:
        self.state, self.due, self.attempts = "queued", now, 0
        self.settled_at, self.reported, self.unwanted = None, False, None
        self.doubted_at = None
        self.response = "queued again by an operator"
        until = max(self.row.not_after, not_after)
        self.row = msgspec.structs.replace(self.row, not_after=until)

    def claimed(self) -> ClaimedRow:
        in_doubt = self.submitted_at if self.state == "submitting" else None
        return ClaimedRow(
            mail_id=self.row.mail_id,
            customer_id=self.row.customer_id,
            lane=self.row.lane,
            domain=self.row.domain,
            due=self.due,
            not_after=self.row.not_after,
            attempts=self.attempts,
            mail=self.row.mail,
            body=self.body,
            doubted_at=self.doubted_at or in_doubt,
        )

    def shown(self) -> QueueRow:
        return QueueRow(
            mail_id=self.row.mail_id,
            customer_id=self.row.customer_id,
            kind=self.row.kind,
            programme=self.row.programme,
            step=self.row.step,
            lane=self.row.lane,
            state=self.state,
            at=self.row.at,
            due=self.due,
            not_after=self.row.not_after,
            attempts=self.attempts,
            response=self.response,
        )
