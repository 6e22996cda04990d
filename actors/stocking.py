"""Stocking: a file of products goes into the catalogue, of a store at rest or of a running service.

Either way a row is told as `Product Upserted` is: what is known of a product and not said again
stays, and importing a file twice changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from actors.catalogue import Catalogue
from actors.client import Client
from actors.imports import Ignored, Row
from actors.store import port
from actors.tables import Refused
from ecrm.moment import Instant
from proto import events

AT_ONCE: Final = 500

Products = list[tuple[int, events.ProductUpserted]]
# Hears how many lines of the file are done.
Progress = Callable[[int], None]


class Stocked(msgspec.Struct):
    """How many rows were taken, which were refused and why, and what else to say, by line."""

    products: int = 0
    refused: list[tuple[int, str]] = []
    notes: list[tuple[int, str]] = []


async def into_store(
    rows: Iterable[Row], store: port.Store, currency: str, now: Instant, progress: Progress
) -> Stocked:
    """Write the products into a store that no service is running on."""
    catalogue = Catalogue(currency)
    await catalogue.load(store)

    async def write(products: Products) -> list[tuple[int, str]]:
        told = [catalogue.upsert(product, now) for _, product in products]
        await store.commit(port.Commit(products=told))
        return []

    return await _stock(rows, write, progress)


async def through_service(
    rows: Iterable[Row], client: Client, name: str, progress: Progress
) -> Stocked:
    """Tell the products to a running service; `name` tells this import from every other."""

    async def tell(products: Products) -> list[tuple[int, str]]:
        messages = {f"{name}/{line}": (line, product) for line, product in products}
        refused = await client.send(
            [
                {
                    "type": "track",
                    "messageId": message_id,
                    "event": "Product Upserted",
                    "anonymousId": "catalogue",
                    "properties": msgspec.to_builtins(product),
                }
                for message_id, (_, product) in messages.items()
            ]
        )
        return [(messages[one.message_id][0], one.reason) for one in refused]

    return await _stock(rows, tell, progress)


async def _stock(
    rows: Iterable[Row],
    take: Callable[[Products], Awaitable[list[tuple[int, str]]]],
    progress: Progress,
) -> Stocked:
    done = Stocked()
    waiting: Products = []

    async def flush(line: int) -> None:
        wrong = await take(waiting)
        done.refused += wrong
        done.products += len(waiting) - len(wrong)
        waiting.clear()
        progress(line)

    line = 0
    for row in rows:
        line = row.line
        match row:
            case Refused(reason=reason):
                done.refused.append((line, reason))
            case Ignored(reason=reason):
                done.notes.append((line, reason))
            case _:
                waiting.append((line, row.event))
        if len(waiting) == AT_ONCE:
            await flush(line)
    if waiting:
        await flush(line)
    progress(line)
    done.refused.sort()
    return done
