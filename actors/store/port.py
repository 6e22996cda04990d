"""What the service asks of a store: rows in, rows out.

The turn loop and the delivery actor know this port and nothing behind it. Two stores keep it,
SQLite and the twin in memory, and pass the same tests. Rules:

- `commit` is one transaction: all of it or nothing, durable when it returns (law 2). It cannot be
  cancelled half-way. So are `claim`, `submitting` and `settle`.
- Rows carry `partition`; a turn's rows all belong to one partition (design §10).
- `outbox` rows are unique by `mail_id`: a second insert of the same id is ignored (law 4).
- `erase` comes last in its commit, and leaves nothing of the customer but its message ids.
- A page is the next `limit` rows strictly after `after`, by UTF-8 bytes; "" is the start.
- `load` answers for every id it is asked, with an empty life where nothing is known. A journal row
  without facts is not written; one whose place is taken fails the commit.
- A failing disk is `errors.StoreBroken`.
"""

from __future__ import annotations

from typing import Protocol

from actors.store.counted import CountRow, Standing, StandRow
from actors.store.rows import (
    SUPPRESSION,
    TERMINAL,
    AddressRow,
    AlarmRow,
    BoughtRow,
    BroadcastRow,
    BuyerRow,
    ClaimedRow,
    Commit,
    CustomerRow,
    CutsRow,
    DedupeRow,
    HitRow,
    HoldRow,
    JournalRow,
    JudgedRow,
    KeyRow,
    LetterRow,
    Life,
    LinkRow,
    OperationRow,
    OutboxRow,
    OutboxState,
    PauseRow,
    PauseScope,
    ProductRow,
    QuarantineRow,
    QueueCount,
    QueueRow,
    RatingRow,
    ReportRow,
    Scope,
    Settled,
    SnapshotRow,
    SpentRow,
    StoreSize,
    SuppressionRow,
    TellRow,
    UnjudgedRow,
    partition_of,
)
from ecrm.moment import CustomerId, Instant, Seq

__all__ = [
    "SUPPRESSION",
    "TERMINAL",
    "AddressRow",
    "AlarmRow",
    "BoughtRow",
    "BroadcastRow",
    "BuyerRow",
    "ClaimedRow",
    "Commit",
    "CountRow",
    "CustomerRow",
    "CutsRow",
    "DedupeRow",
    "HitRow",
    "HoldRow",
    "JournalRow",
    "JudgedRow",
    "KeyRow",
    "LetterRow",
    "Life",
    "LinkRow",
    "Numbers",
    "OperationRow",
    "OutboxRow",
    "OutboxState",
    "PauseRow",
    "PauseScope",
    "ProductRow",
    "QuarantineRow",
    "QueueCount",
    "QueueRow",
    "RatingRow",
    "Register",
    "ReportRow",
    "Scope",
    "Settled",
    "SnapshotRow",
    "SpentRow",
    "StandRow",
    "Standing",
    "Store",
    "StoreSize",
    "SuppressionRow",
    "TellRow",
    "Trail",
    "UnjudgedRow",
    "partition_of",
]


class Trail(Protocol):
    """What is known of followed mails: where links lead, and who fetched what."""

    async def keep_links(self, rows: list[LinkRow]) -> None:
        """Remember where links lead, before anybody can follow them; the last word counts."""
        ...

    async def link(self, mail_id: str, place: int) -> str | None: ...

    async def accepted_at(self, mail_id: str) -> Instant | None:
        """When a mail was handed over; None where it was not."""
        ...

    async def keep_hit(self, row: HitRow) -> None:
        """Keep a hit until it is judged, and 30 days. Of a mail that is gone nothing is kept."""
        ...

    async def unjudged(self, limit: int) -> list[UnjudgedRow]:
        """Hits without a verdict, the oldest first."""
        ...

    async def judge(self, rows: list[JudgedRow]) -> None:
        """Keep verdicts; of a rating, agent and network are forgotten with it."""
        ...


class Register(Protocol):
    """What operators look up, and what they have done."""

    async def note(self, row: OperationRow) -> None:
        """Remember what an operator did."""
        ...

    async def operations(self, limit: int) -> list[OperationRow]:
        """The newest first."""
        ...

    async def letter(self, mail_id: str) -> LetterRow | None: ...
    async def quarantined(self, number: int) -> QuarantineRow | None: ...
    async def named(self, prefix: str, after: str, limit: int) -> list[CustomerRow]:
        """A page of the customers with a life whose id begins so, by id."""
        ...

    async def addressed(self, prefix: str, limit: int) -> list[CustomerRow]:
        """Customers whose (folded) address begins so, by (email, customer_id)."""
        ...

    async def emails(self, customer_ids: list[CustomerId]) -> dict[CustomerId, str]:
        """Where these are written to (folded); who is written to nowhere is left out."""
        ...

    async def prune_mails(self, before: Instant, limit: int) -> int:
        """Forget at most `limit` mails that ended before an instant and whose customers have heard
        of it, with their links and hits; return how many. Those that go once in a lifetime stay.
        """
        ...


class Numbers(Protocol):
    """What is counted as it happens. Of a mail that is when it was decided, when it ended, and when
    a hit of it was judged for the first time of its sort; forgotten and erased mails stay counted.
    """

    async def since(self) -> Instant:
        """From when on: of mails decided before nothing is counted."""
        ...

    async def counts(self, month: str = "") -> list[CountRow]:
        """All sums of a month of decisions; without one those of all together. `what` is "decided",
        a terminal state, "erased" (with its customer, before it ended), "opens" or "clicks" (handed
        over, and its opens or clicks can be seen), "opened" or "clicked" and the sort of who it
        was, or what `actors/numbers.py` counts.
        """
        ...

    async def stands(self) -> dict[tuple[str, str], int]:
        """How many stand at each step, by programme and step."""
        ...

    async def whole(self) -> bool:
        """Are all lives counted? Not before those of an older release are."""
        ...

    async def place(self, found: list[Standing]) -> list[CustomerId]:
        """Set where these lives stand, whatever was known; tell which have lived on meanwhile and
        were left as they are.
        """
        ...

    async def complete(self) -> None:
        """From now on all lives are counted."""
        ...


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
        left in `submitting`, whose outcome is unknown: `doubted_at` says since when.
        """
        ...

    async def claim(
        self,
        now: Instant,
        epoch: str,
        limit: int,
        lanes: tuple[int, ...],
        skip: frozenset[str],
        paused: frozenset[str] = frozenset(),
    ) -> list[ClaimedRow]:
        """Lease due rows of these lanes, by (lane, due, arrival), passing over the domains of
        `skip` and the programmes of `paused`.
        """
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
        self,
        lanes: tuple[int, ...],
        skip: frozenset[str] = frozenset(),
        paused: frozenset[str] = frozenset(),
    ) -> Instant | None:
        """The earliest `due` among the queued rows of these lanes, passed over as by `claim`."""
        ...

    async def pauses(self) -> list[PauseRow]:
        """What is stopped, the longest first."""
        ...

    async def pause(self, row: PauseRow) -> None: ...
    async def resume(self, scope: PauseScope, name: str) -> bool:
        """Let it go on; False where it was not stopped."""
        ...

    async def requeue(self, mail_id: str, now: Instant, not_after: Instant) -> bool:
        """Give a mail that is dead or expired another chance, as if it were new; False where there
        is no such mail, or it had a secret (lane 0), which is forgotten.
        """
        ...

    async def unreported(self, limit: int) -> list[ReportRow]:
        """Terminal rows, cancelled ones too, that no commit has named in `reported`; the
        longest settled first.
        """
        ...

    async def limiter_state(self) -> dict[str, int]: ...
    async def save_limiter(self, tats: dict[str, int]) -> None: ...

    # programmes about many customers
    async def owners(self, product_ids: list[str], after: str, limit: int) -> list[CustomerId]:
        """A page of the customers who bought any of these products, each once."""
        ...

    async def baskets(self, after: str, limit: int) -> list[tuple[str, tuple[str, ...]]]:
        """A page of the orders by id, each with its products' ids in order."""
        ...

    async def buyers(self, after: str, limit: int) -> list[BuyerRow]:
        """A page of the buyers by customer."""
        ...

    async def people(self, after: str, limit: int) -> list[CustomerId]:
        """A page of the customers with a life, without visitors and the house's own."""
        ...

    async def save_cuts(self, row: CutsRow) -> None:
        """Keep a version; one of the same number is replaced."""
        ...

    async def cuts(self) -> CutsRow | None:
        """The newest version."""
        ...

    async def broadcasts(self) -> list[BroadcastRow]:
        """Those that are not done, by (start, broadcast_id)."""
        ...

    async def advance(self, broadcast_id: str, cursor: str, *, done: bool) -> None:
        """Remember how far a broadcast has come."""
        ...

    async def spent(self, month: str) -> dict[str, int]:
        """What each programme spent in this month, in minor units."""
        ...

    async def ratings(self, survey: str) -> list[tuple[str, int, int]]:
        """(week, score, how many) of a survey, by week and score."""
        ...

    # suppressions
    async def suppressed(self, addresses: list[str]) -> dict[str, str]:
        """The widest scope of each of these hashed addresses that is suppressed now."""
        ...

    # the web
    @property
    def trail(self) -> Trail: ...

    # operators
    @property
    def register(self) -> Register: ...
    @property
    def numbers(self) -> Numbers: ...

    # start-up, console, keys
    async def tells(self) -> list[TellRow]: ...
    async def products(self) -> list[ProductRow]: ...
    async def keys(self) -> list[KeyRow]: ...
    async def add_keys(self, rows: list[KeyRow]) -> None: ...
    async def remove_key(self, key_id: str) -> bool:
        """Forget a key; False where there was none."""
        ...

    async def uses(self) -> dict[str, Instant]:
        """When each key was last used, as far as that was saved; keys that are gone too."""
        ...

    async def save_uses(self, used: dict[str, Instant]) -> None: ...
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
        """The encoded `Mail` of an outbox row, also after it is terminal; never with its secret."""
        ...

    async def mail_of_provider(self, provider_id: str) -> str | None:
        """The id of the mail that the other side calls so."""
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
        """Forget at most `limit` message ids, and as many hits, seen before an instant, and as many
        suppressions that ended before it, and return how many: the caller repeats it while there
        are any, so that no commit waits long.
        """
        ...

    async def secret(self, name: str) -> bytes:
        """32 random bytes, made and kept the first time that this name is asked for."""
        ...
