"""An import that dies at a named commit: `python tests/crash/import_driver.py FOLDER FILE [STEP]`.

`-N` is the moment before the N-th commit of turns, `+N` the one after it; without a step it lives.
Everything else is what `run.py import orders FILE --map retail` does.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors import columns, past, past_orders, remembering, settings, tables
from actors.outside import open_outside
from actors.store.sqlite import open_store
from ecrm.moment import NEVER, Instant
from ecrm.rules import Rules

NOW = Instant(1_770_000_000_000)


class Mortal:
    """A store whose process dies at a commit."""

    def __init__(self, store, step):
        self._store = store
        self._left = abs(int(step)) if step else 0
        self._before = step.startswith("-")

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, rows):
        turns = bool(rows.journal)
        self._left -= turns
        if turns and not self._left and self._before:
            os.kill(os.getpid(), signal.SIGKILL)
        await self._store.commit(rows)
        if turns and not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(folder, file, step):
    configured = settings.load(Path("no-such.toml"), folder, {})
    rules = Rules(configured.shop)
    reader = columns.Reader(columns.load("retail", columns.ORDER), rules.zone)
    with tables.read(file, "order") as table:
        found = past_orders.orders(table, reader, file.name, past.Limits(NOW, NEVER), "EUR")
    async with (
        open_outside() as outside,
        open_store(folder / "ecrm.db", outside, lambda: NOW) as store,
    ):
        done = await remembering.into_store(
            found, Mortal(store, step), rules, NOW, lambda _: None, trio.Event()
        )
    sys.stdout.write(f"{done.told} {done.known}\n")


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), Path(sys.argv[2]), "".join(sys.argv[3:]))
