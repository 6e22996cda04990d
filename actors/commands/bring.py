"""`import`: bring in what a shop has already: products here, the past in `past.py`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec
import trio

from actors import imports, stocking, tables
from actors.client import connect
from actors.commands import Words, past
from actors.commands.resting import at_rest, bar, wall_now
from actors.gateway import EVENTS_PATH
from actors.settings import Settings


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    bring = commands.add_parser("import")
    brought = bring.add_subparsers(required=True, metavar="WHAT")
    goods = brought.add_parser("products", parents=[shared], help="the catalogue")
    columns = "the header names properties of Product Upserted; lists between |"
    goods.add_argument("file", type=Path, help=f".csv ({columns}) or .jsonl, or these as .gz")
    goods.add_argument("--key", help="a secret key: import through the service that is running")
    goods.set_defaults(run=_import_products)
    past.add(brought, shared)


def _import_products(options: argparse.Namespace, configured: Settings) -> int:
    lines = tables.count_lines(options.file)
    with bar("products", lines) as told:
        done = trio.run(_stock, options, configured, told)
    for line, note in done.notes:
        print(f"ecrm: {options.file}:{line}: {note}", file=sys.stderr)
    for line, reason in done.refused:
        print(f"ecrm: {options.file}:{line}: refused: {reason}", file=sys.stderr)
    if options.json:
        rows = [{"line": line, "reason": reason} for line, reason in done.refused]
        answer = {"products": done.products, "refused": rows}
        print(msgspec.json.encode(answer).decode())
    else:
        print(
            f"{done.products:,} products are in the catalogue, {len(done.refused):,} rows refused"
        )
    return 1 if done.refused else 0


async def _stock(
    options: argparse.Namespace, configured: Settings, told: stocking.Progress
) -> stocking.Stocked:
    rows = imports.read_products(options.file)
    if options.key:
        at = configured.gateway
        name = f"import/{wall_now()}"
        async with connect(f"ws://{at.host}:{at.port}{EVENTS_PATH}", options.key) as client:
            return await stocking.through_service(rows, client, name, told)
    async with at_rest(configured) as store:
        currency = configured.shop.currency
        return await stocking.into_store(rows, store, currency, wall_now(), told)
