"""The SQLite store's numbers: sums that triggers and commits keep, and the lives that stand."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from actors.store import transactions
from actors.store.counted import CountRow, Standing
from actors.store.statements import Value
from actors.store.transactions import Row, Work
from ecrm.moment import CustomerId, Instant

Lone = Callable[[Work[list[Row]]], Coroutine[object, None, list[Row]]]
Whole = Callable[[Work[Any]], Coroutine[object, None, Any]]


class Numbers:
    """The port's numbers; `lone` does work on the connection while nobody else is at it."""

    def __init__(self, lone: Lone, whole: Whole) -> None:
        self._lone = lone
        self._whole = whole

    async def since(self) -> Instant:
        [(at,)] = await self._rows("counted_since")
        return Instant(at)

    async def counts(self, month: str = "") -> list[CountRow]:
        found = self._rows("counts_of_month", month=month) if month else self._rows("counts")
        return [CountRow(*row) for row in await found]

    async def stands(self) -> dict[tuple[str, str], int]:
        rows = await self._rows("stand_totals")
        return {(programme, step): count for programme, step, count in rows}

    async def whole(self) -> bool:
        return bool(await self._rows("whole"))

    async def place(self, found: list[Standing]) -> list[CustomerId]:
        left: list[CustomerId] = await self._whole(partial(transactions.place, found))
        return left

    async def complete(self) -> None:
        row: dict[str, Value] = {"name": "numbers:whole", "value": 1}
        await self._whole(partial(transactions.write, [("set_meta", [row])]))

    async def _rows(self, name: str, **params: Value) -> list[Row]:
        return await self._lone(partial(transactions.rows, name, params))
