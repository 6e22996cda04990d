"""What the service asks of a store: rows in, rows out.

The turn loop and the delivery actor know this port and nothing behind it. Two stores keep it,
SQLite and the twin in memory, and pass the same tests. Rules:

- `commit` is one transaction: all of it or nothing, durable when it returns (law 2). It cannot be
  cancelled half-way. So are `claim`, `submitting` and `settle`.
- Rows carry `partition`; a turn's rows all belong to one partition (design §10).
- `outbox` rows are unique by `mail_id`: a second insert of the same id is ignored (law 4).
- `load` answers for every id it is asked, with an empty life where nothing is known. A journal row
  without facts is not written; one whose place is taken fails the commit.
- A failing disk is `errors.StoreBroken`.
"""

from __future__ import annotations

from typing import Literal, Protocol
from zlib import crc32

import msgspec

from ecrm.moment import CustomerId, Instant, Seq

# delivery.md §1.2
OutboxState = Literal[
    "queued", "held", "leased", "submitting",
    "accepted", "accepted_unknown", "cancelled", "expired", "suppressed", "dead",
]  # fmt: skip
TERMINAL: frozenset[OutboxState] = frozenset(
    ("accepted", "accepted_unknown", "cancelled", "expired", "suppressed", "dead")
)


def partition_of(customer_id: CustomerId) -> int:
    return crc32(customer_id.encode()) % 256


class JournalRow(msgspec.Struct, frozen=True, gc=False):
    """One turn: the message that caused it and the facts it made, both encoded.

    `seq` numbers the first of `count` facts; the next turn's `seq` is `seq + count`. A turn that
    accepted a message but made no fact has `count == 0` and is not written.
    """

    customer_id: CustomerId
    seq: Seq
    count: int
    at: Instant
    message: bytes
    facts: bytes


class SnapshotRow(msgspec.Struct, frozen=True, gc=False):
    """A customer's state after the fact before `seq`; `state_hash` is checked when read."""

    customer_id: CustomerId
    seq: Seq
    at: Instant
    schema: int
    state_hash: bytes
    state: bytes


class AlarmRow(msgspec.Struct, frozen=True, gc=False):
    """The earliest of a customer's timers; `due is None` removes the row."""

    customer_id: CustomerId
    due: Instant | None


class OutboxRow(msgspec.Struct, frozen=True, gc=False):
    """A mail waiting to be handed over. `mail` is the encoded `ecrm.mail.Mail`.

    `domain` is the recipient's, for limits; `due` the earliest instant for the (next) attempt.
    """

    mail_id: str
    customer_id: CustomerId
    kind: str
    programme: str
    step: str
    lane: int
    domain: str
    at: Instant
    due: Instant
    not_after: Instant
    mail: bytes


class ClaimedRow(msgspec.Struct, frozen=True, gc=False):
    """A row this process has leased; `body` is set once the message was built before."""

    mail_id: str
    customer_id: CustomerId
    lane: int
    domain: str
    due: Instant
    not_after: Instant
    attempts: int
    mail: bytes
    body: bytes | None


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What became of one attempt. `due` is read where `state == "queued"`: try again then."""

    mail_id: str
    state: OutboxState
    response: str = ""
    due: Instant = Instant(0)
    attempts: int = 0


class ReportRow(msgspec.Struct, frozen=True, gc=False):
    """A terminal outbox row of which its customer has not heard yet."""

    mail_id: str
    customer_id: CustomerId
    state: OutboxState
    response: str
    settled_at: Instant


class DedupeRow(msgspec.Struct, frozen=True, gc=False):
    """A message id once seen. `key` scopes the id by the sender's name for the customer."""

    key: bytes
    customer_id: CustomerId
    at: Instant
    answer: bytes


class QuarantineRow(msgspec.Struct, frozen=True, gc=False):
    """A message on which a turn raised (law 8)."""

    customer_id: CustomerId
    at: Instant
    message: bytes
    traceback: str
    version: str


class HoldRow(msgspec.Struct, frozen=True, gc=False):
    customer_id: CustomerId
    at: Instant
    reason: str


class TellRow(msgspec.Struct, frozen=True, gc=False):
    """A message from one customer to another, kept until the other's turn is durable."""

    tell_id: str
    customer_id: CustomerId
    at: Instant
    message: bytes


class ProductRow(msgspec.Struct, frozen=True, gc=False):
    product_id: str
    at: Instant
    body: bytes


class KeyRow(msgspec.Struct, frozen=True, gc=False):
    """A key that may come in. `secret` is the key itself (publishable) or its SHA-256 in hex."""

    key_id: str
    kind: str
    secret: str
    origins: str
    at: Instant


class Commit(msgspec.Struct):
    """All rows of one group commit (law 2)."""

    journal: list[JournalRow] = []
    snapshots: list[SnapshotRow] = []
    alarms: list[AlarmRow] = []
    outbox: list[OutboxRow] = []
    # (mail_id, why): queued, held or leased → cancelled; submitting → cancelled if it is not taken
    cancels: list[tuple[str, str]] = []
    reported: list[str] = []  # mail ids whose customer has heard the outcome
    dedupe: list[DedupeRow] = []
    quarantine: list[QuarantineRow] = []
    holds: list[HoldRow] = []
    tells: list[TellRow] = []
    told: list[str] = []  # tell ids whose receiver has taken its turn
    products: list[ProductRow] = []


class Life(msgspec.Struct, frozen=True, gc=False):
    """What the store knows of one customer: newest snapshots first, and the journal since
    the older of them (all of it where there is none).
    """

    customer_id: CustomerId
    snapshots: tuple[SnapshotRow, ...]
    journal: tuple[JournalRow, ...]
    held: str | None


class QueueCount(msgspec.Struct, frozen=True, gc=False):
    state: OutboxState
    lane: int
    count: int


class QueueRow(msgspec.Struct, frozen=True, gc=False):
    """One row of the queue as an operator sees it."""

    mail_id: str
    customer_id: CustomerId
    kind: str
    programme: str
    step: str
    lane: int
    state: OutboxState
    at: Instant
    due: Instant
    not_after: Instant
    attempts: int
    response: str


class StoreSize(msgspec.Struct, frozen=True, gc=False):
    customers: int
    events: int
    facts: int
    alarms: int
    quarantined: int
    held: int


class Store(Protocol):
    """The port. Every method may raise `errors.StoreBroken`."""

    # the turn loop
    async def load(self, customer_ids: list[CustomerId]) -> dict[CustomerId, Life]: ...
    async def repeats(self, keys: list[bytes]) -> dict[bytes, bytes]: ...
    async def commit(self, commit: Commit) -> None: ...

    # the alarm keeper
    async def due(self, now: Instant, limit: int) -> list[CustomerId]:
        """Customers whose alarm is due, by (due, customer_id), at most `limit`."""
        ...

    async def next_alarm(self) -> Instant | None: ...

    # the delivery actor
    async def reclaim(self, epoch: str) -> list[ClaimedRow]:
        """Give back what other epochs had leased (→ queued) and return, unchanged, the rows they
        left in `submitting`, whose outcome is unknown.
        """
        ...

    async def claim(
        self, now: Instant, epoch: str, limit: int, lanes: tuple[int, ...], skip: frozenset[str]
    ) -> list[ClaimedRow]:
        """Lease due rows of these lanes, by (lane, due, arrival), passing over `skip` domains."""
        ...

    async def submitting(self, bodies: list[tuple[str, bytes]], epoch: str) -> set[str]:
        """Record, before the byte that can cause acceptance, the built bytes of leased rows.
        Returns the ids still leased by `epoch`; the others were cancelled meanwhile.
        """
        ...

    async def settle(self, now: Instant, results: list[Settled]) -> None:
        """Record outcomes: terminal, `queued` (try again) or `held`. A terminal row stays as it
        is. Attempts are set where the row is queued again and never fall otherwise.
        """
        ...

    async def next_send(
        self, lanes: tuple[int, ...], skip: frozenset[str] = frozenset()
    ) -> Instant | None:
        """The earliest `due` among the queued rows of these lanes, passing over `skip` domains."""
        ...

    async def unreported(self, limit: int) -> list[ReportRow]:
        """Terminal rows, cancelled ones too, that no commit has named in `reported`; the
        longest settled first.
        """
        ...

    async def limiter_state(self) -> dict[str, int]: ...
    async def save_limiter(self, tats: dict[str, int]) -> None: ...

    # start-up, console, keys
    async def tells(self) -> list[TellRow]: ...
    async def products(self) -> list[ProductRow]: ...
    async def keys(self) -> list[KeyRow]: ...
    async def add_keys(self, rows: list[KeyRow]) -> None: ...
    async def journal(
        self, customer_id: CustomerId, *, before: Seq | None, limit: int
    ) -> list[JournalRow]:
        """The newest `limit` turns of a customer before fact `before`, oldest first."""
        ...

    async def queue_counts(self) -> list[QueueCount]: ...
    async def queue_rows(
        self, state: OutboxState | None, customer_id: CustomerId | None, limit: int
    ) -> list[QueueRow]:
        """Rows of this state and customer (None: any), the newest arrival first."""
        ...

    async def mail(self, mail_id: str) -> bytes | None:
        """The encoded `Mail` of an outbox row, kept after the row is terminal."""
        ...

    async def size(self) -> StoreSize: ...
    async def last_at(self) -> Instant | None:
        """The instant of the newest turn; None before the first."""
        ...

    async def holds(self) -> list[HoldRow]:
        """Customers who take no turns, the longest held first."""
        ...

    async def release(self, customer_id: CustomerId) -> bool:
        """Let a held customer live on; False where it was not held."""
        ...

    async def quarantined(self, limit: int) -> list[QuarantineRow]:
        """The newest first."""
        ...

    async def prune(self, before: Instant, limit: int) -> int:
        """Forget at most `limit` message ids seen before an instant, and return how many: the
        caller repeats it while there are any, so that no commit waits long.
        """
        ...

    async def secret(self, name: str) -> bytes:
        """32 random bytes, made and kept the first time that this name is asked for."""
        ...
