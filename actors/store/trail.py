"""The memory twin's trail: where followed links lead, and who fetched what of which mail.

Plain values that `actors/store/memory.py` asks under its lock; the rules are the port's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from itertools import count

from msgspec.structs import replace

from actors.store.counters import Numbers
from actors.store.queued import Queued
from actors.store.rows import HitRow, JudgedRow, LinkRow, UnjudgedRow
from ecrm.moment import Instant
from ecrm.tracking import CROWD_WITHIN, TOGETHER, TRAP

ACCEPTED = frozenset(("accepted", "accepted_unknown"))


class Trail:
    """The port's trail; `turn` takes the store's lock."""

    def __init__(
        self,
        turn: Callable[[], AbstractAsyncContextManager[None]],
        outbox: Mapping[str, Queued],
        numbers: Numbers,
    ) -> None:
        self._turn = turn
        self._links: dict[tuple[str, int], str] = {}
        self._outbox = outbox
        self._numbers = numbers
        self._hits: dict[int, HitRow] = {}
        self._judged: dict[int, JudgedRow] = {}
        self._arrivals = count(1)

    async def keep_links(self, rows: list[LinkRow]) -> None:
        async with self._turn():
            self._links |= {(row.mail_id, row.place): row.url for row in rows}

    async def link(self, mail_id: str, place: int) -> str | None:
        async with self._turn():
            return self._links.get((mail_id, place))

    async def accepted_at(self, mail_id: str) -> Instant | None:
        async with self._turn():
            return self._accepted_at(mail_id)

    async def keep_hit(self, row: HitRow) -> None:
        async with self._turn():
            if row.mail_id in self._outbox:
                self._hits[next(self._arrivals)] = row

    async def judge(self, rows: list[JudgedRow]) -> None:
        async with self._turn():
            for row in rows:
                if row.arrival in self._hits:
                    if row.arrival not in self._judged:
                        hit = self._hits[row.arrival]
                        self._numbers.seen(self._outbox[hit.mail_id], hit.deed, row.verdict)
                    self._judged[row.arrival] = row
                    if self._hits[row.arrival].deed == "rated":
                        hit = replace(self._hits[row.arrival], agent="", network="")
                        self._hits[row.arrival] = hit

    async def unjudged(self, limit: int) -> list[UnjudgedRow]:
        async with self._turn():
            waiting = sorted(
                (hit.at, arrival)
                for arrival, hit in self._hits.items()
                if arrival not in self._judged
            )
            return [self._with_others(arrival) for _, arrival in waiting[:limit]]

    def _accepted_at(self, mail_id: str) -> Instant | None:
        queued = self._outbox.get(mail_id)
        return queued.settled_at if queued and queued.state in ACCEPTED else None

    def _with_others(self, arrival: int) -> UnjudgedRow:
        hit = self._hits[arrival]
        followed = {
            (one.deed, one.place)
            for one in self._hits.values()
            if one.mail_id == hit.mail_id
            and one.deed != "opened"
            and abs(one.at - hit.at) <= TOGETHER
        }
        crowd = {
            one.mail_id
            for one in self._hits.values()
            if one.network == hit.network and abs(one.at - hit.at) <= CROWD_WITHIN
        }
        return UnjudgedRow(
            arrival=arrival,
            mail_id=hit.mail_id,
            customer_id=self._outbox[hit.mail_id].row.customer_id,
            deed=hit.deed,
            place=hit.place,
            at=hit.at,
            agent=hit.agent,
            prefetch=hit.prefetch,
            accepted_at=self._accepted_at(hit.mail_id),
            together=len(followed),
            trapped=("clicked", TRAP) in followed,
            crowd=len(crowd) if hit.network else 1,
            programme=self._outbox[hit.mail_id].row.programme,
            step=self._outbox[hit.mail_id].row.step,
            decided_at=self._outbox[hit.mail_id].row.at,
        )

    def prune(self, before: Instant, limit: int) -> int:
        old = sorted((hit.at, arrival) for arrival, hit in self._hits.items() if hit.at < before)
        for _, arrival in old[:limit]:
            del self._hits[arrival]
            self._judged.pop(arrival, None)
        return len(old[:limit])

    def erase(self, mail_ids: set[str]) -> None:
        self._links = {place: url for place, url in self._links.items() if place[0] not in mail_ids}
        gone = [arrival for arrival, hit in self._hits.items() if hit.mail_id in mail_ids]
        for arrival in gone:
            del self._hits[arrival]
            self._judged.pop(arrival, None)
