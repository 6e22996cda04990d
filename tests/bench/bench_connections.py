"""What connections cost, and what hostile ones do to honest ones: `python
tests/bench/bench_connections.py [idle] [hostile]`.

The service is a process of its own with its real store, on loopback. First `idle` browser
connections (2 000), each welcomed, which then say nothing: resident memory before and after. Then
`hostile` ones (5 000) beside a shop's back end that tells 500 events a second: a part say nothing, a
part send a request byte by byte, a part send rubbish, wrong keys, frames without an end and as many
messages as they can, from a few addresses; the latency of the honest acknowledgements before and
during that. Budgets: 60 MB for 2 000 idle ones; p99 100 ms (design §11).
"""

from __future__ import annotations

import os
import random
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors import logs, service, settings
from actors.clock import WallClock
from actors.commands.serve import collect_seldom
from actors.gateway import EVENTS_PATH
from actors.outside import open_outside
from actors.store.sqlite import open_store

SECRET, PUBLISHABLE = "sk_bench", "pk_bench"
IDLE, HOSTILE = 2_000, 5_000
PER_ADDRESS = 50
PACE, PACED_FOR = 500, 8.0

encode = msgspec.json.encode


def request():
    lines = (
        f"GET {EVENTS_PATH} HTTP/1.1", "Host: shop.example", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Origin: https://shop.example",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


def frame(content, size=None):
    """A text frame with a mask of zeros; with `size` it claims to be so long."""
    data = content if isinstance(content, bytes) else encode(content)
    length = size or len(data)
    if length < 126:
        head = bytes([0x80 | length])
    elif length < 65_536:
        head = b"\xfe" + struct.pack("!H", length)
    else:
        head = b"\xff" + struct.pack("!Q", length)
    return b"\x81" + head + b"\0\0\0\0" + data


# The service.


async def serve(folder):
    loaded = settings.load(Path("no-such.toml"), folder, {})
    keys = (
        settings.Key("back", "secret", settings.hashed("secret", SECRET)),
        settings.Key("front", "publishable", PUBLISHABLE),
    )
    at = msgspec.structs.replace(loaded, keys=keys)
    clock = WallClock()
    async with (
        open_outside() as outside,
        open_store(at.database, outside, clock.now) as store,
        service.running(at, store, clock, outside) as running,
        trio.open_nursery() as nursery,
    ):
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(running.gateway.listen, listeners, nursery)
        collect_seldom()
        print(listeners[0].socket.getsockname()[1], flush=True)


def resident(pid):
    """MB that the process holds in memory."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return int(kilobytes) / 1e3


# The clients.


async def dial(port, number):
    """A socket from one of the loopback's many addresses, so many from each."""
    place = number // PER_ADDRESS
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    await sock.bind((f"127.1.{place // 250}.{place % 250 + 1}", 0))
    await sock.connect(("127.0.0.1", port))
    return trio.SocketStream(sock)


async def talk(port, number, key=PUBLISHABLE):
    """A connection that was welcomed."""
    stream = await dial(port, number)
    await stream.send_all(request())
    heard = b""
    while b"\r\n\r\n" not in heard:
        part = await stream.receive_some()
        assert part, heard
        heard += part
    assert b"101" in heard[:20], heard
    assert b"permessage-deflate" not in heard
    await stream.send_all(frame({"type": "hello", "key": key}))
    heard = heard.partition(b"\r\n\r\n")[2]
    while b"welcome" not in heard:
        part = await stream.receive_some()
        assert part, heard
        heard += part
    return stream


async def idle(port, pid, wanted):
    before = resident(pid)
    began = time.perf_counter()
    streams = []
    gate = trio.CapacityLimiter(50)

    async def one(number):
        async with gate:
            streams.append(await talk(port, number))

    async with trio.open_nursery() as nursery:
        for number in range(wanted):
            nursery.start_soon(one, number)
    took = time.perf_counter() - began
    await trio.sleep(2)
    after = resident(pid)
    print(
        f"{wanted:,} idle browsers: {after - before:.1f} MB ({1e3 * (after - before) / wanted:.1f} "
        f"kB each), service {after:.0f} MB, {wanted / took:,.0f} welcomed a second"
    )
    for stream in streams:
        await stream.aclose()


def told(number, **more):
    who = {"messageId": f"m{number}", "userId": f"c{number % 1000}", **more}
    return {
        "type": "track", **who, "event": "Product Viewed", "properties": {"product_id": "cup"},
    }  # fmt: skip


async def honest(stream, base):
    """Milliseconds from each event to its acknowledgement, sorted."""
    sent_at, took, left = {}, [], b""
    total = int(PACE * PACED_FOR)

    async def hear():
        nonlocal left
        while len(took) < total:
            left += await stream.receive_some(65_536)
            while len(left) >= 4:
                size, start = left[1], 2
                if size == 126:
                    size, start = struct.unpack_from("!H", left, 2)[0], 4
                if len(left) < start + size:
                    break
                answer, left = msgspec.json.decode(left[start : start + size]), left[start + size :]
                assert answer["type"] == "ack", answer
                now = time.perf_counter()
                took.extend(1e3 * (now - sent_at[one]) for one in answer["ids"])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        start = trio.current_time()
        for number in range(total):
            await trio.sleep_until(start + number / PACE)
            message = told(base + number)
            sent_at[message["messageId"]] = time.perf_counter()
            await stream.send_all(frame(message))
    return sorted(took)


async def hostile(port, number, kind):
    """One of those who are not there to buy; comes again when it is thrown out."""
    rng, turned_away = random.Random(number), 0
    while True:
        try:
            await kind(port, number, rng)
        except* GONE:
            turned_away += 1
        await trio.sleep(1 + rng.random())


async def _silent(port, number, _rng):
    async with await dial(port, number) as stream:
        await stream.receive_some()


async def _slow(port, number, _rng):
    async with await dial(port, number) as stream:
        for byte in request():
            await stream.send_all(bytes([byte]))
            await trio.sleep(0.5)


async def _rubbish(port, number, rng):
    async with await dial(port, number) as stream:
        await stream.send_all(request())
        await stream.send_all(b"\x82\xfe\xff\xff\0\0\0\0" + rng.randbytes(65_535))
        await _drain(stream)


async def _guess(port, number, _rng):
    async with await dial(port, number) as stream:
        await stream.send_all(request() + frame({"type": "hello", "key": f"ok_{number}"}))
        await _drain(stream)


async def _huge(port, number, _rng):
    async with await talk(port, number) as stream:
        await stream.send_all(frame(b"", 100_000_000))
        for _ in range(1_500):
            await stream.send_all(b"x" * 65_536)


async def _flood(port, number, _rng):
    batch = [told(n, userId=None, anonymousId=f"v{number}") for n in range(500)]
    many = frame({"type": "batch", "batch": batch})
    async with await talk(port, number) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(_drain, stream)
        while True:
            await stream.send_all(many)
            await trio.sleep(0.1)


async def _idle(port, number, _rng):
    async with await talk(port, number) as stream:
        await _drain(stream)


async def _drain(stream):
    while await stream.receive_some(65_536):
        pass
    raise trio.BrokenResourceError


PAGES = (_idle, _silent, _slow)
KINDS = (_idle,) * 12 + (_silent,) * 3 + (_slow,) * 3 + (_rubbish, _guess, _huge, _flood)
GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, AssertionError)


async def attack(port, wanted):
    """All of the hostile ones, in a process of their own."""
    async with trio.open_nursery() as nursery:
        for number in range(wanted):
            # Rubbish and floods come from few addresses, pages from many.
            kind = KINDS[number % len(KINDS)]
            place = number if kind in PAGES else number % 1_000
            nursery.start_soon(hostile, port, place, kind)
            if number % 20 == 0:
                await trio.sleep(0.02)
        print("there", flush=True)


async def besieged(port, pid, wanted):
    back = await talk(port, 40_000, SECRET)
    calm = await honest(back, 0)
    command = [sys.executable, __file__, "--attack", str(port), str(wanted)]
    attackers = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        await attackers.stdout.receive_some(16)
        siege = await honest(back, 10**6)
        peak = resident(pid)
    finally:
        attackers.kill()
        await attackers.stdout.aclose()
        await attackers.wait()
    for name, took in (("alone", calm), (f"beside {wanted:,} hostile ones", siege)):
        print(
            f"honest acks {name}: median {statistics.median(took):.1f} ms, "
            f"p99 {took[len(took) * 99 // 100]:.1f} ms, worst {took[-1]:.1f} ms"
        )
    print(f"service at the end of it: {peak:.0f} MB")


async def main(folder, idle_wanted, hostile_wanted):
    for name, run, wanted in (("i", idle, idle_wanted), ("h", besieged, hostile_wanted)):
        if not wanted:
            continue
        made = Path(folder) / name
        made.mkdir()
        command = [sys.executable, __file__, "--serve", str(made)]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        try:
            port = int(await process.stdout.receive_some(16))
            await run(port, process.pid, wanted)
        finally:
            process.kill()
            await process.stdout.aclose()
            await process.wait()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if sys.argv[1:2] == ["--serve"]:
        logs.configure(json=False, quiet=True)
        trio.run(serve, Path(sys.argv[2]))
        os._exit(0)
    if sys.argv[1:2] == ["--attack"]:
        trio.run(attack, *map(int, sys.argv[2:]))
        os._exit(0)
    numbers = [int(one) for one in sys.argv[1:]] + [IDLE, HOSTILE][len(sys.argv) - 1 :]
    with tempfile.TemporaryDirectory() as made:
        trio.run(main, made, *numbers)
