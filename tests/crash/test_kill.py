"""`kill -9` at any moment loses nothing acknowledged and sends nothing twice (issue 2, laws 2 to 6).

A shop tells some weeks to a real service process over a real websocket; the process is killed
again and again, at random moments and at named ones, and started anew on the same folder at the
instant the shop had reached. What was not acknowledged is told again, nothing else is. In the end
every event is in the journal once, and the mails are those of a run that nobody killed, byte for
byte.

`ECRM_CRASHES` sets how many random kills there are (6), `ECRM_CRASH_SEED` which ones.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import trio
import trio_websocket

from actors.gateway import CONSOLE_PATH, EVENTS_PATH
from actors.outside import open_outside
from actors.slot import wake
from actors.store.sqlite import open_store
from ecrm import facts
from ecrm.moment import DAY, HOUR, MINUTE
from proto import record

DRIVER = Path(__file__).with_name("driver.py")
SECRET, OPERATOR = "sk_crash", "ok_crash"

START = 1_772_442_000_000  # Monday 2 March 2026, ten in the morning in Paris
CUSTOMERS = 160
AFTERWARDS = 12  # days

# Before and after each step of a delivery, and around a commit of events.
STEPS = (
    "+claim:4", "-submitting:3", "+submitting:3", "-settle:3", "+settle:3", "-commit:2", "+commit:2",
)  # fmt: skip

GONE = (OSError, trio.BrokenResourceError, trio_websocket.ConnectionClosed)
GONE += (trio_websocket.HandshakeError, trio.ClosedResourceError)


# What the shop has to tell.


class Load(NamedTuple):
    """Instants and what is told at each, in order."""

    instants: tuple[tuple[int, tuple[dict, ...]], ...]

    @property
    def events(self):
        return [message for _, told in self.instants for message in told]


def load(customers=CUSTOMERS):
    """Lives that begin on two days: all register, most fill a cart, half of them order."""
    rng, told, numbers = random.Random(7), {}, iter(range(10**6))

    def tell(at, user, event, **properties):
        kind = "identify" if event == "identify" else "track"
        said = (
            {"traits": properties}
            if kind == "identify"
            else {"event": event, "properties": properties}
        )
        message = {"type": kind, "messageId": f"m{next(numbers)}", "userId": user, **said}
        told.setdefault(START + at, []).append(message)

    for n in range(customers):
        user = f"c{n}"
        at = rng.randrange(4) * 12 * HOUR
        tell(at, user, "identify", email=f"{user}@customers.example", firstName=f"Zoé {n}")
        tell(at, user, "Signed Up")
        if rng.random() < 0.8:
            tell(at, user, "Consent Updated", purpose="email_marketing", state="granted")
        if rng.random() < 0.3:
            continue
        at += rng.choice((20 * MINUTE, 2 * HOUR))
        lines = [
            {"product_id": f"p{rng.randrange(40)}", "price": 12.5, "name": "Thé"} for _ in range(2)
        ]
        for line in lines:
            tell(at, user, "Product Added", **line)
        if rng.random() < 0.5:
            continue
        at += rng.choice((40 * MINUTE, 5 * HOUR, 3 * DAY))
        order = {"order_id": f"o{n}", "total": 25, "currency": "EUR", "products": lines}
        tell(at, user, "Order Completed", **order)
        tell(at, user, "Order Paid", **order)
        tell(at + 2 * HOUR, user, "Order Prepared", order_id=f"o{n}")
        tell(at + DAY, user, "Order Fulfilled", order_id=f"o{n}", tracking_number=f"T{n}")
    last = max(told)
    days = {last + day * DAY: () for day in range(1, AFTERWARDS + 1)}
    return Load(tuple((at, tuple(told.get(at, ()))) for at in sorted({*told, *days})))


# A life of the service.


class Killed(Exception):
    """The process is gone."""


@asynccontextmanager
async def living(folder, start, step=""):
    """Start a service; leaving kills it. Gives the process and its port, None if it died young."""
    command = [sys.executable, str(DRIVER), str(folder), str(start), *([step] if step else [])]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.stdout.aclose()
            await process.wait()


async def port_of(process):
    line = b""
    while not line.endswith(b"\n"):
        part = await process.stdout.receive_some(100)
        if not part:
            raise Killed
        line += part
    return int(line)


class Talk:
    """One websocket; JSON both ways."""

    def __init__(self, websocket):
        self._websocket = websocket

    async def say(self, frame):
        await self._websocket.send_message(msgspec.json.encode(frame).decode())

    async def hear(self):
        return msgspec.json.decode(await self._websocket.get_message())


@asynccontextmanager
async def talking(port, path, key):
    # Our own stream: `open_websocket` leaves its socket open when the other side dies.
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    try:
        async with trio.open_nursery() as nursery:
            talk = Talk(
                await trio_websocket.wrap_client_stream(nursery, stream, "crash.test", path)
            )
            await talk.say({"type": "hello", "key": key})
            await talk.hear()
            yield talk
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


class Teller:
    """The shop: where in the load it is, and which messages were acknowledged."""

    def __init__(self, of):
        self.load = of
        self.place = 0
        self.now = START
        self.acked = set()
        self.doom = trio.Event()
        self.doomed_at = None

    @property
    def is_done(self):
        return self.place == len(self.load.instants)

    async def go_on(self, port):
        async with (
            talking(port, EVENTS_PATH, SECRET) as shop,
            talking(port, CONSOLE_PATH, OPERATOR) as console,
        ):
            while not self.is_done:
                if self.place == self.doomed_at:
                    self.doom.set()
                at, told = self.load.instants[self.place]
                await self._advance(console, at)
                await self._tell(shop, told)
                await self._advance(console, at)
                self.place += 1

    async def _advance(self, console, at):
        """Returns when everything due by then is handed over."""
        await console.say(
            {"id": 1, "op": "clock", "advance": f"{at - self.now}ms" if at > self.now else "0s"}
        )
        answer = await console.hear()
        assert answer["ok"], answer
        self.now = at

    async def _tell(self, shop, told):
        left = [message for message in told if message["messageId"] not in self.acked]
        if not left:
            return
        await shop.say({"type": "batch", "batch": left})
        waiting = {message["messageId"] for message in left}
        while waiting:
            answer = await shop.hear()
            assert answer["type"] == "ack", answer
            self.acked.update(answer["ids"])
            waiting.difference_update(answer["ids"])


class Doom(NamedTuple):
    """When a life ends: so many seconds after the shop has reached an instant of its load, or, where
    that is None, after the process was started.
    """

    place: int | None
    seconds: float


async def live(folder, teller, step="", doom=None):
    """One life: until all is told, or the process is gone."""
    async with living(folder, teller.now, step) as process, trio.open_nursery() as nursery:
        # A handshake with a process that dies in it would be waited for in vain.
        nursery.start_soon(_leave_with, process, nursery.cancel_scope)
        if doom is not None:
            nursery.start_soon(_end, process, teller, doom)
        try:
            await teller.go_on(await port_of(process))
        except* (Killed, *GONE):
            assert await process.wait() == -signal.SIGKILL
        nursery.cancel_scope.cancel()


async def _end(process, teller, doom):
    teller.doom, teller.doomed_at = trio.Event(), doom.place
    if doom.place is not None:
        await teller.doom.wait()
    await trio.sleep(doom.seconds)
    process.kill()


async def _leave_with(process, scope):
    await process.wait()
    scope.cancel()


# What is left in the end.


class Left(NamedTuple):
    """What a run leaves behind."""

    mails: dict
    events: Counter
    states: dict
    queue: Counter
    unreported: int
    held: int
    quarantined: int


async def left_in(folder, customers=CUSTOMERS):
    mails = {file.name: file.read_bytes() for file in (folder / "mail" / "new").iterdir()}
    users = [f"c{n}" for n in range(customers)]
    events, states = Counter(), {}
    async with (
        open_outside() as outside,
        open_store(folder / "ecrm.db", outside, lambda: START) as store,
    ):
        lives = await store.load(users)
        for user in users:
            states[user] = wake(user, lives[user]).state
            for row in await store.journal(user, before=None, limit=10_000):
                if isinstance(facts.decode(row.facts)[0], facts.Happened):
                    events[record.read(row.message).message_id] += 1
        size = await store.size()
        queue = Counter({row.state: row.count for row in await store.queue_counts()})
        unreported = len(await store.unreported(100))
    return Left(mails, events, states, queue, unreported, size.held, size.quarantined)


class Unkilled(NamedTuple):
    load: Load
    left: Left
    seconds: float


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory):
    """The run that nobody kills."""
    folder, told = tmp_path_factory.mktemp("unkilled"), load()
    teller = Teller(told)
    began = time.monotonic()
    trio.run(live, folder, teller)
    seconds = time.monotonic() - began
    assert teller.is_done
    left = trio.run(left_in, folder)
    print(f"\nunkilled: {len(told.events)} events, {len(left.mails)} mails in {seconds:.1f} s")
    return Unkilled(told, left, seconds)


def compare(left, unkilled):
    """Everything acknowledged is there once, and the mails and lives are the same."""
    assert left.events == Counter(message["messageId"] for message in unkilled.load.events)
    assert left.mails.keys() == unkilled.left.mails.keys()
    assert [name for name, body in left.mails.items() if body != unkilled.left.mails[name]] == []
    assert {u for u, state in left.states.items() if state != unkilled.left.states[u]} == set()
    assert (left.unreported, left.held, left.quarantined) == (0, 0, 0)
    assert left.queue == unkilled.left.queue


def test_the_unkilled_run_sends_what_it_should(unkilled):
    """So that the others compare with something."""
    kinds = Counter(_kind(body) for body in unkilled.left.mails.values())
    orders = sum(message.get("event") == "Order Paid" for message in unkilled.load.events)
    assert kinds["k01"] == CUSTOMERS
    assert kinds["k11"] == kinds["k13"] == kinds["k14"] == orders > 25
    assert kinds["k07"] + kinds["k10"] > 25
    assert set(unkilled.left.queue) <= {"accepted", "cancelled"}
    compare(unkilled.left, unkilled)


def _kind(body):
    return body.partition(b"X-Ecrm-Kind: ")[2][:3].decode()


async def test_a_kill_at_any_step_of_a_delivery_or_commit_loses_and_repeats_nothing(
    tmp_path, unkilled
):
    teller = Teller(unkilled.load)
    for step in STEPS:
        place = teller.place
        await live(tmp_path, teller, step)
        assert not teller.is_done, step
        print(f"{step}: told instants {place} to {teller.place} of {len(teller.load.instants)}")
    await live(tmp_path, teller)
    compare(await left_in(tmp_path), unkilled)


async def test_random_kills_lose_nothing_acknowledged_and_send_nothing_twice(tmp_path, unkilled):
    crashes = int(os.environ.get("ECRM_CRASHES", "6"))
    seed = int(os.environ.get("ECRM_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"ECRM_CRASHES={crashes} ECRM_CRASH_SEED={seed}")
    rng, teller = random.Random(seed), Teller(unkilled.load)
    weights = [2 + len(told) for _, told in unkilled.load.instants]
    places = rng.choices(range(len(weights)), weights, k=crashes)
    for number, place in enumerate(sorted(places), 1):
        doom = Doom(place, rng.uniform(0, 0.1) * rng.choice((1, 1, 1, 6)))
        if place < teller.place or rng.random() < 0.1:
            doom = Doom(None, rng.uniform(0, 1.2))
        before = teller.place
        await live(tmp_path, teller, doom=doom)
        print(
            f"kill {number} at instants {before} to {teller.place}, {len(teller.acked)} events acked"
        )
    await live(tmp_path, teller)
    assert teller.is_done
    compare(await left_in(tmp_path), unkilled)
