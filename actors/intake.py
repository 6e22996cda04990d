"""The intake: the one bounded door of the turn loop.

Bounded in count and in bytes, with a share for each customer, and for all browsers together, so
that neither a flood nor one noisy customer can fill it for the others; and back ends do not wait
behind browsers, of which a batch takes only few while a back end has something in it. A full intake
refuses at once (`Busy`); it never makes the caller wait, who has pings to answer, and never drops.
Words from inside the house (ticks, reports) are always taken: they are derived from rows, and there
is at most one of a kind per row.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from hashlib import blake2b
from itertools import repeat
from typing import Final, Literal

import msgspec
import trio

from actors.clock import Bell
from ecrm import messages
from ecrm.errors import Busy
from ecrm.moment import CustomerId, Duration

MESSAGES: Final = 8_192
BYTES: Final = 16 * 1024 * 1024
SHARE: Final = 1_024
# Of the intake, what pages may fill together: back ends find room, whatever browsers do.
PAGES_SHARE: Final = 8

BATCH: Final = 256
BATCH_BYTES: Final = 1024 * 1024
# Of a batch, what is kept for words from inside while events wait too: a backlog of ticks then
# drains behind live events, and still drains.
INWARD_SHARE: Final = 64
# Of a batch with events of back ends in it, what pages may have: an answer comes when all of its
# batch is durable.
PAGES_BESIDE: Final = 32

# Milliseconds that a sender is asked to wait: no sooner, so that it is not asked for nothing, and
# no later, so that a pause is not taken for the end.
SOONEST: Final = 100
LATEST: Final = 10_000

Outcome = Literal["taken", "repeated", "held", "invalid", "poisoned", "unknown"]


def dedupe_key(customer_id: CustomerId, message_id: str) -> bytes:
    """Scoped by the customer as the sender named it: a browser that counts its ids from 1 must not
    swallow another's events, and a retry names the same customer.
    """
    return blake2b(f"{customer_id}\0{message_id}".encode(), digest_size=16).digest()


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of a message, once it is durable (or known not to be)."""

    outcome: Outcome
    reason: str = ""
    path: str = ""


class Item(msgspec.Struct, gc=False):
    """A message on its way into a turn; `answered` hears its outcome, in the trio thread.

    `dedupe` is empty for what cannot come twice; `size` counts against the bytes of the intake;
    `row_id` names the row that a word from inside stands for; `page` says that a browser sent it;
    `since` is when an event came, in seconds of the machine.
    """

    customer_id: CustomerId
    message: messages.Incoming
    answered: Callable[[Answer], None]
    size: int = 0
    dedupe: bytes = b""
    row_id: str = ""
    page: bool = False
    since: float = 0.0


class Intake:
    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._backs: deque[Item] = deque()
        self._pages: deque[Item] = deque()
        self._inward: deque[Item] = deque()
        self._shares: Counter[CustomerId] = Counter()
        self._bytes = self._page_bytes = 0
        self.refused = 0
        # Messages a second, as measured while some were waiting; the last batch, and when it was
        # taken.
        self._pace = 2_000.0
        self._taken = 0
        self._taken_at = 0.0

    def __len__(self) -> int:
        return self._events + len(self._inward)

    @property
    def _events(self) -> int:
        return len(self._backs) + len(self._pages)

    @property
    def bytes(self) -> int:
        return self._bytes

    def wait_of_pages(self, count: int) -> Duration:
        """0 where so many messages of browsers find room; else milliseconds to wait. Asked before
        they are read: what is to be refused shall cost little.
        """
        full = len(self._pages) + count > MESSAGES // PAGES_SHARE
        return self._patience() if full else Duration(0)

    def offer(self, item: Item) -> None:
        """Take an event in. Raises `Busy` where it, or the sender's share of it, is full."""
        full = self._events >= MESSAGES or self._bytes + item.size > BYTES
        if item.page:
            full = full or len(self._pages) >= MESSAGES // PAGES_SHARE
            full = full or self._page_bytes + item.size > BYTES // PAGES_SHARE
        if full or self._shares[item.customer_id] >= SHARE:
            self.refused += 1
            raise Busy(self._patience())
        self._shares[item.customer_id] += 1
        self._bytes += item.size
        if item.page:
            self._page_bytes += item.size
        (self._pages if item.page else self._backs).append(item)
        self._bell.ring()

    def _patience(self) -> Duration:
        """How long until half of what waits is committed, at the pace of late: then there is room,
        and the queue does not run empty before those come who were sent away.
        """
        needed = round(1_000 * self._events / 2 / self._pace)
        return Duration(min(max(needed, SOONEST), LATEST))

    def _measure(self, count: int) -> None:
        """Between two batches lies the time that the first one took, if there was a queue."""
        now = trio.current_time()
        if self._taken and now > self._taken_at:
            pace = self._taken / (now - self._taken_at)
            self._pace = max(1.0, self._pace + (pace - self._pace) / 8)
        self._taken, self._taken_at = (count if self._events else 0), now

    def put(self, item: Item) -> None:
        """Take in a word from inside the house."""
        self._inward.append(item)
        self._bell.ring()

    async def relay(self, words: list[tuple[CustomerId, messages.Inward]], about: str = "") -> bool:
        """Put in words from inside, and wait until every one was answered; False where the store
        did not take some of them. Words that are `about` something are taken once by each customer.
        """
        left, durable = len(words), True
        done = trio.Event()

        def answered(answer: Answer) -> None:
            nonlocal left, durable
            durable = durable and answer.outcome != "unknown"
            left -= 1
            if not left:
                done.set()

        for customer_id, message in words:
            dedupe = dedupe_key(customer_id, about) if about else b""
            self.put(Item(customer_id, message, answered, dedupe=dedupe))
        await done.wait()
        return durable

    async def say(self, customer_id: CustomerId, message: messages.Inward, about: str) -> Answer:
        """Put in one word from inside, and wait for its answer; what is `about` the same thing is
        taken once.
        """
        answers: list[Answer] = []
        done = trio.Event()

        def answered(answer: Answer) -> None:
            answers.append(answer)
            done.set()

        self.put(Item(customer_id, message, answered, dedupe=dedupe_key(customer_id, about)))
        await done.wait()
        return answers[0]

    def take(self) -> list[Item]:
        """What waits, up to a batch; the first always, however large it is."""
        room = BATCH - min(len(self._inward), INWARD_SHARE)
        beside = PAGES_BESIDE if self._backs else room
        backs = min(len(self._backs), room - min(len(self._pages), beside))
        pages = min(len(self._pages), beside, room - backs)
        inward = min(len(self._inward), BATCH - backs - pages)
        batch = [self._inward.popleft() for _ in range(inward)]
        taken = 0
        for waiting in (*repeat(self._backs, backs), *repeat(self._pages, pages)):
            if batch and taken + waiting[0].size > BATCH_BYTES:
                break
            item = waiting.popleft()
            taken += item.size
            self._let_go(item)
            batch.append(item)
        self._measure(len(batch))
        return batch

    def _let_go(self, item: Item) -> None:
        self._bytes -= item.size
        if item.page:
            self._page_bytes -= item.size
        self._shares[item.customer_id] -= 1
        if not self._shares[item.customer_id]:
            del self._shares[item.customer_id]
