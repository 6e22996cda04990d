"""The judge of hits: keeps them, and tells customers what a person did with their mails.

A hit is judged two seconds after it came, when those that came with it are known (delivery §5.2):
a machine that follows all links of a mail is only seen by all of them. Hits wait in the store, so a
stop in between loses none; a verdict is kept once its customer has heard it, and a word that is
said twice is heard once. An opening by a machine is told as well, for the day it was (mission
§9.3); a click or a score of no person is told to nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVarTuple

import structlog
import trio

from actors.intake import Intake
from actors.store.rows import HitRow, JudgedRow, UnjudgedRow
from actors.web import scores
from actors.web.desk import Desk, Untold, Visit
from ecrm import links, mail, messages, tracking
from ecrm.moment import MINUTE, CustomerId, Duration, Instant

log = structlog.get_logger()

Ts = TypeVarTuple("Ts")

AT_ONCE: Final = 64
# What waits to be written down; a flood beyond it is not worth more than that it was one.
WAITING: Final = 2_000
AGAIN: Final = MINUTE


class Judge:
    def __init__(self, desk: Desk, intake: Intake) -> None:
        self.dropped = 0
        self._desk = desk
        self._intake = intake
        self._clock = desk.clock
        self._trail = desk.store.trail
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self.bell = desk.clock.bell()

    def later(self, record: Callable[[*Ts], Awaitable[None]], *args: *Ts) -> None:
        """Record something once the answer is on its way."""
        if len(self._waiting) >= WAITING:
            self.dropped += 1
            return
        self._waiting.append(partial(record, *args))
        self.bell.ring()

    async def keep(self, hit: HitRow) -> None:
        """Write a hit down; it is judged when what came with it is known."""
        await self._trail.keep_hit(hit)
        self.bell.expect(_due(hit.at))

    async def run(self) -> None:
        """Judge until stopped; what was answered is written down first."""
        while not self.bell.stopping or self._waiting:
            with self._clock.working():
                await self._record()
                due = await self._round()
            if not self.bell.stopping:
                await self.bell.rest(due)
        self._clock.dismiss(self.bell)

    async def _record(self) -> None:
        while self._waiting:
            await self._waiting.popleft()()

    async def _round(self) -> Instant | None:
        """Judge what is ripe; when there is more to look at."""
        now = self._clock.now()
        rows = await self._trail.unjudged(AT_ONCE)
        ripe = [row for row in rows if _due(row.at) <= now]
        judged = await self._tell_all(ripe)
        await self._trail.judge(judged)
        if len(judged) < len(ripe):
            return Instant(now + AGAIN)
        if ripe and len(rows) == AT_ONCE:
            return now
        return min((_due(row.at) for row in rows if row not in ripe), default=None)

    async def _tell_all(self, rows: list[UnjudgedRow]) -> list[JudgedRow]:
        judged: list[JudgedRow] = []

        async def tell(row: UnjudgedRow) -> None:
            found = tracking.verdict(_hit(row))
            if await self._told(row, found):
                judged.append(JudgedRow(row.arrival, found.sort, found.reason, found.rules))

        async with trio.open_nursery() as nursery:
            for row in rows:
                nursery.start_soon(tell, row)
        return judged

    async def _told(self, row: UnjudgedRow, verdict: tracking.Verdict) -> bool:
        """Has the customer heard what there is to hear?"""
        human = verdict.sort == "human"
        log.info("hit_judged", mail=row.mail_id, deed=row.deed, verdict=verdict.sort)
        if row.deed == "rated":
            return not human or await self._score(row)
        if row.deed == "clicked" and not human:
            return True
        seen = messages.Seen(row.mail_id, row.deed, human, row.programme, row.step, row.decided_at)
        words: list[tuple[CustomerId, messages.Inward]] = [(row.customer_id, seen)]
        return await self._intake.relay(words, about=f"hit/{row.mail_id}/{row.arrival}")

    async def _score(self, row: UnjudgedRow) -> bool:
        found = await self._desk.store.mail(row.mail_id)
        if found is None:
            return True
        wanted = mail.decode(found)
        # The same star counts once, whenever it is followed again.
        visit = Visit(f"rated {row.mail_id}", links.Link(row.mail_id, row.place), wanted)
        try:
            await self._desk.tell(visit, [scores.score_of(wanted, row.place)], once="star")
        except Untold as error:
            return not error.again
        return True


def _due(at: Instant) -> Instant:
    return Instant(at + tracking.TOGETHER + 1)


def _hit(row: UnjudgedRow) -> tracking.Hit:
    since = None if row.accepted_at is None else Duration(row.at - row.accepted_at)
    return tracking.Hit(
        deed=row.deed,
        agent=row.agent,
        since=since,
        prefetch=row.prefetch,
        trapped=row.trapped,
        together=row.together,
        crowd=row.crowd,
    )
