"""`clean --rehearse`: who would be struck off the list; nothing is changed."""

from __future__ import annotations

import argparse

import msgspec
import trio
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors import cleaning
from actors.commands import Words
from actors.commands.resting import at_rest, there_is, wall_now
from actors.settings import Settings


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    clean = commands.add_parser("clean", parents=[shared])
    clean.add_argument(
        "--rehearse", action="store_true", required=True, help="say who would go; change nothing"
    )
    clean.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    there_is(configured.database)

    async def rehearse() -> cleaning.Rehearsal:
        async with at_rest(configured) as store:
            # A clock that was pushed forward has seen more than the wall's.
            now = max(wall_now(), await store.last_at() or wall_now())
            return await cleaning.rehearse(store, now, configured.thresholds)

    found = trio.run(rehearse)
    if options.json:
        print(msgspec.json.encode(found).decode())
        return 0
    out = Console(highlight=False)
    out.print(f"{found.customers:,} customers looked at; nothing was changed.")
    for one in found.definitions:
        out.print(f"\n[bold]{one.name}: {len(one.gone):,}[/] ({one.says})")
        if not one.gone:
            continue
        table = Table()
        for column in ("customer", "tier", "last sign of life"):
            table.add_column(column)
        for gone in one.gone:
            table.add_row(Text(gone.customer), gone.tier, gone.alive or "none")
        out.print(table)
    return 0
