"""The SQLite store's trail: where followed links lead, and who fetched what of which mail."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TypeVar

from msgspec.structs import asdict

from actors.store import transactions
from actors.store.rows import HitRow, JudgedRow, LinkRow, UnjudgedRow
from actors.store.statements import Params, Value
from actors.store.transactions import Row, Work
from ecrm import tracking
from ecrm.moment import Instant

T = TypeVar("T")
Door = Callable[[Work[T]], Coroutine[object, None, T]]


class Trail:
    """The port's trail; `lone` does work on the connection while nobody else is at it."""

    def __init__(self, lone: Door[list[Row]], whole: Door[int]) -> None:
        self._lone = lone
        self._whole = whole

    async def keep_links(self, rows: list[LinkRow]) -> None:
        await self._write("set_link", [asdict(row) for row in rows])

    async def link(self, mail_id: str, place: int) -> str | None:
        rows = await self._rows("link", mail_id=mail_id, place=place)
        return rows[0][0] if rows else None

    async def accepted_at(self, mail_id: str) -> Instant | None:
        rows = await self._rows("accepted_at", mail_id=mail_id)
        return Instant(rows[0][0]) if rows else None

    async def keep_hit(self, row: HitRow) -> None:
        await self._write("insert_hit", [asdict(row)])

    async def unjudged(self, limit: int) -> list[UnjudgedRow]:
        rows = await self._rows(
            "unjudged",
            limit=limit,
            together=tracking.TOGETHER,
            crowd=tracking.CROWD_WITHIN,
            trap=tracking.TRAP,
        )
        return [_unjudged(row) for row in rows]

    async def judge(self, rows: list[JudgedRow]) -> None:
        await self._write("judge", [asdict(row) for row in rows])

    async def _rows(self, name: str, **params: Value) -> list[Row]:
        return await self._lone(partial(transactions.rows, name, params))

    async def _write(self, name: str, rows: list[Params]) -> None:
        await self._whole(partial(transactions.write, [(name, rows)]))


def _unjudged(row: Row) -> UnjudgedRow:
    arrival, mail_id, customer_id, deed, place, at, agent, prefetch, *around = row
    accepted_at, together, trapped, crowd, programme, step, decided_at = around
    return UnjudgedRow(
        arrival=arrival,
        mail_id=mail_id,
        customer_id=customer_id,
        deed=deed,
        place=place,
        at=at,
        agent=agent,
        prefetch=bool(prefetch),
        accepted_at=accepted_at,
        together=together,
        trapped=bool(trapped),
        crowd=crowd,
        programme=programme,
        step=step,
        decided_at=decided_at,
    )
