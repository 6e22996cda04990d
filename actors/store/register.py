"""The SQLite store's register: what operators look up, and what they have done."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TypeVar

from msgspec.structs import asdict

from actors.store import transactions
from actors.store.rows import CustomerRow, LetterRow, OperationRow, QuarantineRow
from actors.store.statements import Value
from actors.store.transactions import Row, Work
from ecrm.moment import CustomerId, Instant

T = TypeVar("T")
Door = Callable[[Work[T]], Coroutine[object, None, T]]
# After every text that begins alike.
LAST = "\U0010ffff"


class Register:
    """The port's register; `lone` does work on the connection while nobody else is at it."""

    def __init__(self, lone: Door[list[Row]], whole: Door[int]) -> None:
        self._lone = lone
        self._whole = whole

    async def note(self, row: OperationRow) -> None:
        await self._whole(partial(transactions.write, [("insert_operation", [asdict(row)])]))

    async def operations(self, limit: int) -> list[OperationRow]:
        return [OperationRow(*row) for row in await self._rows("operations", limit=limit)]

    async def letter(self, mail_id: str) -> LetterRow | None:
        rows = await self._rows("letter", mail_id=mail_id)
        if not rows:
            return None
        state, mail, secret, packed = rows[0]
        return LetterRow(state, mail, bool(secret), packed and zlib.decompress(packed))

    async def quarantined(self, number: int) -> QuarantineRow | None:
        rows = await self._rows("quarantined_one", number=number)
        return QuarantineRow(*rows[0]) if rows else None

    async def named(self, prefix: str, after: str, limit: int) -> list[CustomerRow]:
        start = max(prefix, f"{after}\0" if after else "")
        rows = await self._rows("named", start=start, stop=prefix + LAST, limit=limit)
        return [CustomerRow(*row) for row in rows]

    async def addressed(self, prefix: str, limit: int) -> list[CustomerRow]:
        rows = await self._rows("addressed", start=prefix, stop=prefix + LAST, limit=limit)
        return [CustomerRow(*row) for row in rows]

    async def emails(self, customer_ids: list[CustomerId]) -> dict[CustomerId, str]:
        return dict(await self._lone(partial(transactions.rows_for, "emails", customer_ids)))

    async def prune_mails(self, before: Instant, limit: int) -> int:
        params: dict[str, Value] = {"before": before, "limit": limit}
        return await self._whole(partial(transactions.write, [("prune_mails", [params])]))

    async def _rows(self, name: str, **params: Value) -> list[Row]:
        return await self._lone(partial(transactions.rows, name, params))
