"""A customer's year on the virtual clock, through the real gateway, SQLite and delivery.

    .venv/bin/python -m tests.bench.bench_year

Prints the wall and the processor time of one year, templates compiled before. The promise is less
than a second; what a slow machine makes of it is for a person to judge, not for a test.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import trio
from trio.testing import MockClock

from actors import logs
from tests.stories.test_a_year import SENT, YEAR, lived_in
from tests.worlds import open_world


async def year(clock: MockClock) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_world(Path(folder), clock, YEAR[0][0]) as world:
            wall, cpu = time.perf_counter(), time.process_time()
            await lived_in(world)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert len(world.letters()) == len(SENT)
    print(f"a year, {len(SENT)} mails: {wall:.2f} s of wall time, {cpu:.2f} s of processor time")


if __name__ == "__main__":
    logs.configure(json=False, quiet=True)
    clock = MockClock(autojump_threshold=0)
    for _ in range(3):
        trio.run(year, clock, clock=clock)
