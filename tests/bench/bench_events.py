"""How many events a second the service takes: run it as `python tests/bench/bench_events.py [folder]`.

The service, a process of its own with its real store, is told events over one websocket on
loopback; beside it a bare trio-websocket loop that decodes the same frames with msgspec and only
counts. The client writes ready-made frames on a plain socket, so that what is measured is the
other side. Then the latency of an acknowledgement at 2 000 events/s, and whole turns that each set
a timer. Budgets: design §11.
"""

from __future__ import annotations

import gc
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import trio
import trio_websocket

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors import logs, service, settings
from actors.clock import WallClock
from actors.commands.serve import collect_seldom
from actors.gateway import EVENTS_PATH
from actors.outside import open_outside
from actors.store.sqlite import open_store

KEY = "sk_bench"
WINDOW = 1_024
SINGLES, BATCHED, BATCH = 20_000, 60_000, 100
PACE, PACED_FOR = 2_000, 5.0
TIMERS = 40_000
MIB = 2**20

encode = msgspec.json.encode
decode = msgspec.json.decode


# The two services.


async def serve_bare():
    """Decode and count; say how many there were when asked."""
    message = msgspec.json.Decoder(Told | Batch)

    async def count(request):
        websocket = await request.accept()
        await websocket.get_message()
        await websocket.send_message('{"type":"welcome"}')
        counted = 0
        while True:
            told = message.decode(await websocket.get_message())
            counted += len(told.batch) if isinstance(told, Batch) else 1
            if counted % BATCH == 0:
                await websocket.send_message(f'{{"type":"counted","counted":{counted}}}')

    async def serve(stream):
        async with trio.open_nursery() as nursery:
            try:
                await count(await trio_websocket.wrap_server_stream(nursery, stream))
            except trio_websocket.ConnectionClosed:
                nursery.cancel_scope.cancel()

    await _listen(serve)


class Said(msgspec.Struct):
    messageId: str  # noqa: N815 - the wire's own name
    userId: str  # noqa: N815
    event: str
    properties: dict[str, object]


class Told(Said, tag="track", tag_field="type"):
    pass


class Batch(msgspec.Struct, tag="batch", tag_field="type"):
    batch: list[Said]


async def serve_ecrm(folder):
    loaded = settings.load(Path("no-such.toml"), folder, {})
    key = settings.Key("bench", "secret", settings.hashed("secret", KEY))
    operator = settings.Key("ops", "operator", settings.hashed("operator", "ok_bench"))
    at = msgspec.structs.replace(loaded, keys=(key, operator))
    clock = WallClock()
    async with (
        open_outside() as outside,
        open_store(at.database, outside, clock.now) as store,
        service.running(at, store, clock, outside) as running,
    ):
        await _listen(running.gateway.serve_stream)


async def _listen(serve):
    # As `run.py serve` does: what lives for ever is looked through once.
    gc.collect()
    collect_seldom()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        print(listeners[0].socket.getsockname()[1], flush=True)


# The client.


@asynccontextmanager
async def served(name, folder):
    """A service in a process of its own; gives a conversation that has been welcomed."""
    command = [sys.executable, __file__, "--serve", name, str(folder)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        port = int(await process.stdout.receive_some(16))
        talk = Talk(await trio.open_tcp_stream("127.0.0.1", port))
        talk.process = process.pid
        await talk.open()
        yield talk
        await talk.stream.aclose()
    finally:
        process.kill()
        await process.stdout.aclose()
        await process.wait()


class Talk:
    """One websocket, its frames made and taken apart by hand (RFC 6455 §5.2)."""

    def __init__(self, stream):
        self.stream = stream
        self.answered = 0
        self.process = 0
        self._left = b""

    async def open(self, path=EVENTS_PATH, key=KEY):
        lines = (
            f"GET {path} HTTP/1.1", "Host: bench", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", "",
        )  # fmt: skip
        await self.stream.send_all("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self._left:
            self._left += await self.stream.receive_some()
        self._left = self._left.partition(b"\r\n\r\n")[2]
        await self.stream.send_all(frame({"type": "hello", "key": key}))
        [welcome] = await self.hear()
        assert welcome["type"] == "welcome", welcome

    async def hear(self):
        """The frames that came; at least one."""
        while not (found := self._frames()):
            self._left += await self.stream.receive_some(MIB)
        return found

    def _frames(self):
        found, data, at = [], self._left, 0
        while at + 4 <= len(data):
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = struct.unpack_from("!H", data, at + 2)[0], at + 4
            elif size == 127:
                size, start = struct.unpack_from("!Q", data, at + 2)[0], at + 10
            if start + size > len(data):
                break
            found.append(decode(data[start : start + size]))
            at = start + size
        self._left = data[at:]
        return found

    async def count(self):
        """Hear answers; count the messages that they answer."""
        for answer in await self.hear():
            match answer["type"]:
                case "ack":
                    self.answered += len(answer["ids"])
                case "counted":
                    self.answered = answer["counted"]
                case _:
                    raise AssertionError(answer)


def frame(content):
    """A text frame with a mask of zeros."""
    data = encode(content)
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
    if len(data) > 65_535:
        size = b"\xff" + struct.pack("!Q", len(data))
    return b"\x81" + size + b"\0\0\0\0" + data


def told(n, user, event="Product Viewed"):
    product = {"product_id": f"p{n % 200}", "name": "Thé noir", "price": 12.5, "currency": "EUR"}
    who = {"messageId": f"m{n}", "userId": user}
    return {"type": "track", **who, "event": event, "properties": product}


async def push(talk, frames, each):
    """Send all frames of `each` messages within the window; seconds until all were answered."""
    total, sent = len(frames) * each, 0
    base = talk.answered
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:

        async def count():
            while talk.answered - base < total:
                await talk.count()
                more.set()

        more = trio.Event()
        nursery.start_soon(count)
        for start in range(0, len(frames), step := max(1, 64 // each)):
            part = frames[start : start + step]
            while sent + len(part) * each - (talk.answered - base) > WINDOW:
                more = trio.Event()
                await more.wait()
            await talk.stream.send_all(b"".join(part))
            sent += len(part) * each
    return time.perf_counter() - began


async def paced(talk):
    """Milliseconds from each event's sending to its acknowledgement, at `PACE` a second."""
    step, sent_at, took = 0.01, {}, []
    total = int(PACE * PACED_FOR)

    async def hear():
        while len(took) < total:
            for answer in await talk.hear():
                now = time.perf_counter()
                took.extend(1e3 * (now - sent_at[one]) for one in answer["ids"])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        start = trio.current_time()
        for n in range(0, total, int(PACE * step)):
            await trio.sleep_until(start + n / PACE)
            messages = [told(m, f"c{m % 1000}") for m in range(n, n + int(PACE * step))]
            now = time.perf_counter()
            sent_at.update((message["messageId"], now) for message in messages)
            await talk.stream.send_all(b"".join(frame(message) for message in messages))
    return sorted(took)


async def throughput(name, folder):
    singles = [frame(told(n, f"c{n % 1000}")) for n in range(SINGLES)]
    batches = [
        frame({"type": "batch", "batch": [told(m, f"c{m % 1000}") for m in range(n, n + BATCH)]})
        for n in range(SINGLES, SINGLES + BATCHED, BATCH)
    ]
    async with served(name, folder) as talk:
        return SINGLES / await push(talk, singles, 1), BATCHED / await push(talk, batches, BATCH)


async def timers(folder):
    """New customers put something into a cart: each turn sets a timer."""
    batches = [
        frame(
            {
                "type": "batch",
                "batch": [told(m, f"new{m}", "Product Added") for m in range(n, n + BATCH)],
            }
        )
        for n in range(0, TIMERS, BATCH)
    ]
    async with served("ecrm", folder) as talk:
        seconds = await push(talk, batches, BATCH)
    # Opened and closed once more, so that the log is in the file.
    async with open_outside() as outside, open_store(folder / "ecrm.db", outside, WallClock().now):
        pass
    return TIMERS / seconds, (folder / "ecrm.db").stat().st_size


async def main(folder):
    ratios = []
    for turn in range(3):
        bare = await throughput("bare", folder)
        ours = await throughput("ecrm", _fresh(folder, f"events{turn}"))
        ratios.append(tuple(a / b for a, b in zip(ours, bare, strict=True)))
        print(
            f"single frames: bare {bare[0]:,.0f}/s, ecrm {ours[0]:,.0f}/s ({ratios[-1][0]:.0%}); "
            f"batches of {BATCH}: bare {bare[1]:,.0f}/s, ecrm {ours[1]:,.0f}/s ({ratios[-1][1]:.0%})"
        )
    single, batched = (statistics.median(each) for each in zip(*ratios, strict=True))
    print(f"median ratios: single {single:.0%}, batches {batched:.0%}")
    async with served("ecrm", _fresh(folder, "paced")) as talk:
        took = await paced(talk)
    print(
        f"ack at {PACE:,}/s: median {statistics.median(took):.1f} ms, "
        f"p99 {took[len(took) * 99 // 100]:.1f} ms, worst {took[-1]:.1f} ms"
    )
    rate, size = await timers(_fresh(folder, "timers"))
    print(
        f"turns that set a timer: {rate:,.0f}/s; "
        f"{size / TIMERS * 100_000 / MIB:.1f} MiB of disk per 100 000"
    )


def _fresh(folder, name):
    made = folder / name
    made.mkdir()
    return made


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        logs.configure(json=False, quiet=True)
        if sys.argv[2] == "bare":
            trio.run(serve_bare)
        else:
            trio.run(serve_ecrm, Path(sys.argv[3]))
        os._exit(0)
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as made:
        trio.run(main, Path(made))
