"""The rows of the store: what goes into it, and what comes out.

Values only, for the port (`actors/store/port.py`), the two stores behind it, and whoever calls
them. Instants are UTC milliseconds; sums are minor units; bytes are encoded by who asks for them
to be kept. `partition_of` is the same for all rows of a customer, for ever (design §10).
"""

from __future__ import annotations

from typing import Literal
from zlib import crc32

import msgspec

from actors.store.counted import CountRow, StandRow
from ecrm.moment import CustomerId, Instant, Seq
from ecrm.tracking import Deed

# delivery.md §1.2
OutboxState = Literal[
    "queued", "held", "leased", "submitting",
    "accepted", "accepted_unknown", "cancelled", "expired", "suppressed", "dead",
    "stale",  # its turn came too late to go as it was decided: its customer decides again
]  # fmt: skip
TERMINAL: frozenset[OutboxState] = frozenset(
    ("accepted", "accepted_unknown", "cancelled", "expired", "suppressed", "dead", "stale")
)
# The ids of mails that go once in a lifetime (R67) begin so: their rows stay, for what they forbid.
FOR_EVER = "00000000-0000-"
# What an address is not written to about; each scope holds those after it.
Scope = Literal["all", "marketing", "invitation"]
SCOPES: tuple[Scope, ...] = ("all", "marketing", "invitation")
# The name of the secret that hashes the addresses of the suppression list.
SUPPRESSION = "suppressions"


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
    `kept` is the same mail without its secret, where it has one: all that anybody sees who looks,
    and all that is left once the row is terminal (mission §9.11).
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
    kept: bytes | None = None
    opens: bool = False  # its recipient agreed to have them seen
    clicks: bool = False


class ClaimedRow(msgspec.Struct, frozen=True, gc=False):
    """A row this process has leased; `body` is set once the message was built before, `doubted_at`
    when it was first handed over without anybody knowing whether it was taken.
    """

    mail_id: str
    customer_id: CustomerId
    lane: int
    domain: str
    due: Instant
    not_after: Instant
    attempts: int
    mail: bytes
    body: bytes | None
    doubted_at: Instant | None = None


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What became of one attempt. `due` is read where `state == "queued"`: try again then. `bounce`
    is what a refusal says about the recipient, `provider_id` the other side's name for the mail.
    `doubted_at`: it is tried again though it may have been taken then; the first instant stays.
    """

    mail_id: str
    state: OutboxState
    response: str = ""
    due: Instant = Instant(0)
    attempts: int = 0
    bounce: str = ""
    provider_id: str = ""
    doubted_at: Instant | None = None


class ReportRow(msgspec.Struct, frozen=True, gc=False):
    """A terminal outbox row of which its customer has not heard yet."""

    mail_id: str
    customer_id: CustomerId
    state: OutboxState
    response: str
    settled_at: Instant
    bounce: str = ""


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
    number: int = 0  # the store's, by which it is asked for

    def numbered(self, number: int) -> QuarantineRow:
        return msgspec.structs.replace(self, number=number)


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


class BoughtRow(msgspec.Struct, frozen=True, gc=False):
    """A product that a customer bought with an order."""

    product_id: str
    customer_id: CustomerId
    order_id: str
    at: Instant


class BuyerRow(msgspec.Struct, frozen=True, gc=False):
    """A customer's orders in sum (R46); `count == 0` removes the row. `total` is minor units."""

    customer_id: CustomerId
    count: int
    total: int
    first_at: Instant
    last_at: Instant


class CutsRow(msgspec.Struct, frozen=True, gc=False):
    """Where the classes of all buyers begin and end; `body` is encoded."""

    version: int
    at: Instant
    body: bytes


class BroadcastRow(msgspec.Struct, frozen=True, gc=False):
    """One message for many customers, told from `start` on.

    `audience` are product ids: to whoever bought one of them; empty: to everybody. `cursor` is
    the last customer whom it has reached.
    """

    broadcast_id: str
    at: Instant
    start: Instant
    audience: tuple[str, ...]
    message: bytes
    cursor: str = ""
    done: bool = False


class SpentRow(msgspec.Struct, frozen=True, gc=False):
    """`cost`, in minor units, is added to what a programme spent in a month ("2026-03")."""

    programme: str
    month: str
    cost: int


class RatingRow(msgspec.Struct, frozen=True, gc=False):
    """One more answer with this score to a survey in a week ("2026-W10"), of nobody by name."""

    survey: str
    week: str
    score: int


class SuppressionRow(msgspec.Struct, frozen=True, gc=False):
    """An address that is not written to. `address` is a hash in hex, which erasure leaves; where it
    ends, `expires` is when.
    """

    address: str
    scope: Scope
    reason: str
    at: Instant
    expires: Instant | None = None


class AddressRow(msgspec.Struct, frozen=True, gc=False):
    """Where a customer is written to, case-folded; empty where nowhere."""

    customer_id: CustomerId
    email: str


class CustomerRow(msgspec.Struct, frozen=True, gc=False):
    """A customer as an operator finds it."""

    customer_id: CustomerId
    email: str


class LetterRow(msgspec.Struct, frozen=True, gc=False):
    """A mail as an operator looks at it: without its secret, and its bytes while there are any."""

    state: OutboxState
    mail: bytes
    secret: bool
    body: bytes | None


class OperationRow(msgspec.Struct, frozen=True, gc=False):
    """What an operator did, about whom or what, and with which key."""

    at: Instant
    key_id: str
    op: str
    about: str
    reason: str = ""


PauseScope = Literal["all", "lane", "programme", "domain", "transport"]


class PauseRow(msgspec.Struct, frozen=True, gc=False):
    """What an operator has stopped: everything (`name` is empty), a lane by its number, a
    programme, a domain or a transport by its name.
    """

    scope: PauseScope
    name: str
    reason: str
    at: Instant


class LinkRow(msgspec.Struct, frozen=True, gc=False):
    """Where a followed link of a mail leads; `place` is its number in the mail."""

    mail_id: str
    place: int
    url: str


class HitRow(msgspec.Struct, frozen=True, gc=False):
    """Something of a mail that was fetched: its picture, or the link at `place`."""

    mail_id: str
    deed: Deed
    place: int
    at: Instant
    agent: str = ""
    network: str = ""
    prefetch: bool = False


class UnjudgedRow(msgspec.Struct, frozen=True, gc=False):
    """A hit without a verdict, with what was fetched around it (`tracking.Hit`)."""

    arrival: int
    mail_id: str
    customer_id: CustomerId
    deed: Deed
    place: int
    at: Instant
    agent: str
    prefetch: bool
    accepted_at: Instant | None
    together: int
    trapped: bool
    crowd: int
    programme: str = ""
    step: str = ""
    decided_at: Instant = Instant(0)


class JudgedRow(msgspec.Struct, frozen=True, gc=False):
    """The verdict on a hit, its reason, and the version of the rules."""

    arrival: int
    verdict: str
    reason: str
    rules: int


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
    bought: list[BoughtRow] = []  # what is known already is left as it is
    buyers: list[BuyerRow] = []  # the last one of a customer counts
    broadcasts: list[BroadcastRow] = []  # one that is known already is left as it is
    spent: list[SpentRow] = []  # these two are counted up by every commit
    ratings: list[RatingRow] = []
    freed: list[str] = []  # addresses that leave the suppression list, before others go on it
    addresses: list[AddressRow] = []  # the last one of a customer counts
    suppressions: list[SuppressionRow] = []  # beside those known; of one scope the longer stands
    stands: list[StandRow] = []  # the last one of a life and place counts
    counts: list[CountRow] = []  # these are counted up by every commit
    # Last of all: these customers' rows, those of this commit too. Message ids, suppressions and
    # what counts nobody by name stay.
    erase: list[CustomerId] = []


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
