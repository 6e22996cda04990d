"""What watching costs: run it as `python tests/bench/bench_tail.py [folder]`.

The service, a process of its own, is told batches of events while nobody, one or five operators
watch its turns (`tail`), with and without a filter, one of them without ever reading what it is
sent. The rounds take turns, so that a slow minute of the machine meets all alike; compared is what
the service's threads ran on a processor for an event, and the events a second. Budget: at most 5 %
more than with nobody watching.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import bench_events
from tests.bench.bench_events import BATCH, Talk, frame, told

EVENTS = 4_000
ROUNDS = 7
OPERATOR = "ok_bench"

WATCHED = {
    "nobody": (),
    "one": ({},),
    "one, filtered": ({"programme": "cart", "outcome": "mail"},),
    "five": ({}, {}, {}, {}, {}),
    "five, filtered, a slow one": (
        {"rate": 500}, {"name": "Order Paid"}, {"programme": "cart"}, {"outcome": "mail"},
        {"customer": "c7", "rate": 500},
    ),
}  # fmt: skip


async def watch(port, requests, ready, done):
    """Operators who watch until `done`; the first of many does not read."""
    async with trio.open_nursery() as nursery:
        for place, request in enumerate(requests):
            talk = Talk(await trio.open_tcp_stream("127.0.0.1", port))
            await talk.open("/v1/console", OPERATOR)
            begun = {"id": 1, "op": "tail", **request}
            await talk.stream.send_all(frame(begun))
            await talk.hear()
            if place or len(requests) == 1:
                nursery.start_soon(_read, talk)
        ready.set()
        await done.wait()
        nursery.cancel_scope.cancel()


async def _read(talk):
    while True:
        await talk.hear()


def ran(process):
    """Nanoseconds that the threads of a process were on a processor."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


async def measured(talk, process, port, requests, numbers):
    """Microseconds of processor for an event, and events a second."""
    events = ("Product Viewed", "Product Viewed", "Product Viewed", "Product Added")
    batches = [
        frame({"type": "batch", "batch": [
            told(n, f"c{n % 1000}", events[n % 4]) for n in itertools.islice(numbers, BATCH)
        ]})
        for _ in range(EVENTS // BATCH)
    ]  # fmt: skip
    ready, done = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, port, requests, ready, done)
        await ready.wait()
        before = ran(process)
        seconds = await bench_events.push(talk, batches, BATCH)
        took = ran(process) - before
        done.set()
    return took / EVENTS / 1e3, EVENTS / seconds


async def main(folder):
    numbers = itertools.count()
    found = {name: [] for name in WATCHED}
    async with bench_events.served("ecrm", folder) as talk:
        port = talk.stream.socket.getpeername()[1]
        for _ in range(ROUNDS):
            for name, requests in WATCHED.items():
                found[name].append(await measured(talk, talk.process, port, requests, numbers))
    alone = found["nobody"]
    print(f"{'watched by':<28} {'us/event':>9} {'events/s':>9}   more than with nobody, of a round")
    for name, rounds in found.items():
        more = [mine[0] / other[0] - 1 for mine, other in zip(rounds, alone, strict=True)]
        cost, rate = (statistics.median(each) for each in zip(*rounds, strict=True))
        print(
            f"{name:<28} {cost:>9.1f} {rate:>9,.0f}   {statistics.median(more):+.1%} "
            f"({min(more):+.1%} to {max(more):+.1%})"
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as made:
        trio.run(main, Path(made))
