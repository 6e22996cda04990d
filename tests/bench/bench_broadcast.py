"""What a release to many costs live events: `python tests/bench/bench_broadcast.py [owners] [folder]`.

The service, a process of its own with its real store, has so many owners of an earlier edition
(20 000 unless said otherwise). Events of other customers come at a steady pace, first alone, then
while a release is told to all owners: each of them is woken from disk, decides, and gets a mail in
the queue. The promise is that nobody feels it: the two latencies of an acknowledgement stand beside
each other, as a ratio. Then how fast the owners were told, and how much memory that took.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import msgspec
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors import logs, service, settings
from actors.clock import WallClock
from actors.commands.serve import collect_seldom
from actors.outside import open_outside
from actors.store.port import AlarmRow, BoughtRow, Commit, JournalRow
from actors.store.sqlite import open_store
from ecrm import customer, facts, messages, moment
from ecrm.moment import DAY, CustomerId, Instant
from ecrm.rules import Rules
from ecrm.state import State
from proto import envelope, events
from tests.bench.bench_events import KEY, WINDOW, Talk, frame, told

OWNERS = 20_000
PACE, ALONE_FOR = 500, 15.0
STEP = 0.02
AT_ONCE = 1_000


# The owners, as their journals tell of them.


def lived(rules):
    """The journal of somebody who bought the earlier edition a month ago, to be copied."""
    state, rows = State(customer_id=CustomerId("one")), []
    began = WallClock().now() - 30 * DAY
    line = events.Product(product_id="game-1", name="Game 1", price=50, currency="EUR")
    for n, (kind, event) in enumerate(
        (
            ("identify", envelope.Traits(email="owner@customers.example", first_name="Zoé")),
            ("track", events.ConsentUpdated(purpose="email_marketing", state="granted")),
            ("track", events.OrderCompleted(order_id="o1", total=50, products=(line,))),
        )
    ):
        now = Instant(began + n * 1_000)
        name = envelope.IDENTIFIED if kind == "identify" else events.NAMES[type(event)]
        message = envelope.Message(
            kind=kind,
            message_id=f"m{n}",
            event_name=name,
            event=event,
            timestamp=now,
            user_id="one",
        )
        taken = customer.turn(rules, state, message, moment.moment_of("one", state.seq, now))
        encoded = facts.encode(_of_a_series(taken.facts))
        rows.append((state.seq, len(taken.facts), now, messages.encode(message), encoded))
        state = taken.after
    return rows, taken.alarm


def _of_a_series(made):
    """The order's line as the catalogue would have completed it."""

    def completed(fact):
        if not isinstance(fact, facts.OrderPlaced):
            return fact
        lines = [
            msgspec.structs.replace(line, series_id="game", edition="1")
            for line in fact.order.lines
        ]
        order = msgspec.structs.replace(fact.order, lines=tuple(lines))
        return msgspec.structs.replace(fact, order=order)

    return tuple(map(completed, made))


async def settle_in(folder, owners):
    """Write so many owners into a new store."""
    loaded = settings.load(Path("no-such.toml"), folder, {})
    rows, alarm = lived(Rules(loaded.shop))
    async with (
        open_outside() as outside,
        open_store(loaded.database, outside, WallClock().now) as store,
    ):
        for start in range(0, owners, AT_ONCE):
            made = Commit()
            for n in range(start, min(owners, start + AT_ONCE)):
                who = CustomerId(f"owner{n * 7_919 % 1_000_003:07}")
                made.journal += [JournalRow(who, *row) for row in rows]
                made.alarms.append(AlarmRow(who, alarm))
                made.bought.append(BoughtRow("game-1", who, f"o{n}", rows[-1][2]))
            await store.commit(made)


# The service.


async def serve(folder, owners):
    loaded = settings.load(Path("no-such.toml"), folder, {})
    key = settings.Key("bench", "secret", settings.hashed("secret", KEY))
    at = msgspec.structs.replace(loaded, keys=(key,))
    clock = WallClock()
    async with (
        open_outside() as outside,
        open_store(at.database, outside, clock.now) as store,
        service.running(at, store, clock, outside) as running,
        trio.open_nursery() as nursery,
    ):
        # As `run.py serve` does: what lives for ever is looked through once.
        gc.collect()
        collect_seldom()
        listeners = await nursery.start(
            partial(trio.serve_tcp, running.gateway.serve_stream, 0, host="127.0.0.1")
        )
        print(listeners[0].socket.getsockname()[1], flush=True)
        while running.broadcasts.told < owners:  # noqa: ASYNC110 - nothing of the product tells
            await trio.sleep(0.05)
        queued = sum(row.count for row in await store.queue_counts())
        print(f"{queued} {_peak() / 2**20:.0f}", flush=True)
        await trio.sleep_forever()


def _peak():
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1_024


# The client.


class Pace:
    """Events at a steady pace, and how long after its time each was acknowledged: one that had to
    wait for room in the window has waited as well.
    """

    def __init__(self, talk):
        self.talk = talk
        self.took = []
        self._due = {}
        self._number = 0

    async def hear(self):
        while True:
            for answer in await self.talk.hear():
                assert answer["type"] == "ack", answer
                now = time.perf_counter()
                self.took += [1e3 * (now - self._due.pop(one)) for one in answer["ids"]]

    async def keep(self, until):
        """Send until `until()`."""
        lot, due = int(PACE * STEP), time.perf_counter()
        while not until():
            await trio.sleep(max(0, due - time.perf_counter()))
            await self.room(WINDOW - lot)
            said = [told(n, f"c{n % 1000}") for n in range(self._number, self._number + lot)]
            await self.say(due, *said)
            self._number += lot
            due += STEP

    async def say(self, due, *said):
        self._due.update((one["messageId"], due) for one in said)
        await self.talk.stream.send_all(b"".join(map(frame, said)))

    async def room(self, most=0):
        """Wait until no more than so many are not answered."""
        while len(self._due) > most:  # noqa: ASYNC110 - whoever hears does not know who waits
            await trio.sleep(0.005)

    def take(self):
        """What was measured since the last time."""
        took, self.took = sorted(self.took), []
        return took


def release():
    """The two editions, and that the later one is out."""
    editor = {"type": "track", "anonymousId": "editor"}
    for n in (1, 2):
        product = {"product_id": f"game-{n}", "name": f"Game {n}", "price": 60, "edition": n}
        about = {**product, "currency": "EUR", "series_id": "game"}
        yield {**editor, "messageId": f"p{n}", "event": "Product Upserted", "properties": about}
    out = {"product_id": "game-2", "series_id": "game"}
    yield {**editor, "messageId": "r", "event": "Product Released", "properties": out}


def tell(name, took):
    print(
        f"{name}: {len(took):,} events at {PACE}/s, ack median {statistics.median(took):.1f} ms, "
        f"p99 {_p99(took):.1f} ms, worst {took[-1]:.1f} ms"
    )


def _p99(took):
    return took[len(took) * 99 // 100]


async def main(owners, folder):
    began = time.perf_counter()
    await settle_in(folder, owners)
    print(f"{owners:,} owners settled in {time.perf_counter() - began:.1f} s")
    command = [sys.executable, __file__, "--serve", str(owners), str(folder)]
    process = await trio.lowlevel.open_process(command, stdout=-1)
    try:
        port = int(await line_of(process.stdout))
        talk = Talk(await trio.open_tcp_stream("127.0.0.1", port))
        await talk.open()
        await measure(Pace(talk), process.stdout, owners)
    finally:
        process.kill()
        await process.stdout.aclose()
        await process.wait()


async def line_of(stdout):
    line = b""
    while not line.endswith(b"\n"):
        part = await stdout.receive_some(64)
        assert part, "the service is gone"
        line += part
    return line


async def measure(pace, stdout, owners):
    said = []

    async def wait():
        said.append((await line_of(stdout)).split())

    async def alone():
        await pace.keep(_after(ALONE_FOR))
        await pace.room()
        return pace.take()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.hear)
        # The first events wake everybody who speaks here: that is another benchmark's matter.
        await pace.keep(_after(3.0))
        await pace.room()
        pace.take()
        before = await alone()
        tell("before", before)
        nursery.start_soon(wait)
        began = time.perf_counter()
        await pace.say(began, *release())
        await pace.keep(lambda: bool(said))
        seconds = time.perf_counter() - began
        await pace.room()
        beside = pace.take()
        tell("beside", beside)
        # The queue goes on being delivered, and may be felt by itself.
        after = await alone()
        tell("after ", after)
        nursery.cancel_scope.cancel()
    [(queued, peak)] = said
    print(
        f"p99 beside a release to {owners:,}: {_p99(beside) / _p99(before):.2f} times as long as "
        f"before, {_p99(beside) / _p99(after):.2f} times as long as after; "
        f"{owners / seconds:,.0f} told a second, {int(queued):,} mails asked for, "
        f"{int(peak)} MiB at most"
    )


def _after(seconds):
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        logs.configure(json=False, quiet=True)
        trio.run(serve, Path(sys.argv[3]), int(sys.argv[2]))
        os._exit(0)
    many = int(sys.argv[1]) if sys.argv[1:] else OWNERS
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if sys.argv[2:] else None) as made:
        trio.run(main, many, Path(made))
