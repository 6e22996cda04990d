"""How fast mails leave: run it as `python tests/bench/bench_delivery.py [folder]` (design §11).

First, from rows in the queue to mails accepted by Postfix's smtp-sink, durable: composed, signed or
not, stored, handed over and settled. Beside it a bare loop that hands ready-made mails to the same
sink over as many connections and keeps nothing. Then the whole way of an order that was paid: from
the event's frame, at 200 a second, to its confirmation at a mail server, which notes when it had the
final dot. Service, sink and client are processes of their own.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors import logs, service, settings
from actors.batch import outbox_row
from actors.clock import WallClock
from actors.commands.serve import collect_seldom
from actors.delivery import Delivery
from actors.outside import open_outside
from actors.store.port import Commit
from actors.store.sqlite import open_store
from actors.transports.port import Letter
from actors.transports.smtp import SmtpSettings, open_smtp
from ecrm.delivery.limiter import limit
from ecrm.delivery.policy import Policy
from ecrm.moment import Instant
from tests.bench.bench_events import KEY, Talk, frame
from tests.post.dispatch import composer, letters, signers
from tests.post.ports import open_sink

MAILS = int(os.environ.get("ECRM_MAILS", "2000"))
KINDS = ("confirmation/confirmed", "cart/offer", "newsletter/news")
UNSIGNED, SIGNED = 800, 400
PACE, PACED_FOR, WITHIN = 200, 10.0, 250
CONNECTIONS = 4
ANY = Policy(limit(100_000))


def server(port):
    return SmtpSettings("127.0.0.1", port, tls="none", connections=CONNECTIONS)


class Watch:
    """Mails a second, and mails a second of our own processor time: that one says something too
    where others work on the machine.
    """

    def __init__(self, many):
        self.many = many
        self._began = time.perf_counter(), time.process_time()

    def rates(self):
        ended = time.perf_counter(), time.process_time()
        return tuple(self.many / (b - a) for a, b in zip(self._began, ended, strict=True))


# From the queue to a sink.


class Finish:
    """Who is told of every lot that is settled, and sees the last one."""

    def __init__(self, many):
        self.many = many
        self.line = trio.Event()
        self.delivery = None

    def expect(self, at):
        if self.delivery.sent >= self.many and self.delivery.in_hand <= 1:
            self.line.set()


async def bare(port, ready):
    """Mails a second without a queue."""
    async with open_smtp(server(port)) as transport, trio.open_nursery() as nursery:
        watch = Watch(len(ready))
        for line in range(CONNECTIONS):
            nursery.start_soon(transport.send, ready[line::CONNECTIONS])
    return watch.rates()


async def queued(folder, port, mails, press):
    """Mails a second from the queue."""
    clock = WallClock()
    async with (
        open_outside() as outside,
        open_store(folder / "ecrm.db", outside, clock.now) as store,
        open_smtp(server(port)) as transport,
        trio.open_nursery() as nursery,
    ):
        for at in range(0, len(mails), 500):
            rows = [outbox_row(one, None) for one in mails[at : at + 500]]
            await store.commit(Commit(outbox=rows))
        finish = Finish(len(mails))
        delivery = finish.delivery = Delivery(
            store, clock, press, transport, epoch="bench", policy=ANY, reports=finish
        )
        watch = Watch(len(mails))
        nursery.start_soon(delivery.run)
        await finish.line.wait()
        rates = watch.rates()
        nursery.cancel_scope.cancel()
    return rates


async def throughput(folder):
    now = Instant(WallClock().now() - 1_000)
    mails = letters(MAILS, kinds=KINDS, at=now)
    plain, signing = composer(), composer(signers()[0])
    ready = [Letter(one, plain.compose(one).bytes, sender="b@bounces.example") for one in mails]
    found = []
    async with open_sink() as port:
        for turn in range(3):
            rates = (
                await bare(port, ready),
                await queued(_fresh(folder, f"plain{turn}"), port, mails, plain),
                await queued(_fresh(folder, f"signed{turn}"), port, mails, signing),
            )
            found.append(rates)
            print("; ".join(map(told, ("bare", "queued", "signed"), rates)))
    for nth, of in enumerate(("each second", "each second of our processor")):
        loop, unsigned, signed = (
            statistics.median(one[nth] for one in each) for each in zip(*found, strict=True)
        )
        print(
            f"median of {of}: {unsigned:,.0f} unsigned ({unsigned / loop:.0%} of bare, budget {UNSIGNED}),"
            f" {signed:,.0f} signed ({signed / loop:.0%}, budget {SIGNED})"
        )


def told(name, rates):
    return f"{name} {rates[0]:,.0f}/s ({rates[1]:,.0f}/s of processor)"


# From an event to a mail server.


async def serve(folder, port):
    """The service, with the mail server at this port."""
    loaded = settings.load(Path("no-such.toml"), folder, {})
    key = settings.Key("bench", "secret", settings.hashed("secret", KEY))
    at = msgspec.structs.replace(
        loaded, keys=(key,), delivery=ANY, transport="smtp", smtp=server(port)
    )
    clock = WallClock()
    async with (
        open_outside() as outside,
        open_store(at.database, outside, clock.now) as store,
        service.running(at, store, clock, outside) as running,
    ):
        gc.collect()
        collect_seldom()
        async with trio.open_nursery() as nursery:
            handler = running.gateway.serve_stream
            listeners = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
            print(listeners[0].socket.getsockname()[1], flush=True)


@asynccontextmanager
async def served(folder, port):
    command = [sys.executable, __file__, "--serve", str(folder), str(port)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    try:
        talk = Talk(
            await trio.open_tcp_stream("127.0.0.1", int(await process.stdout.receive_some(16)))
        )
        await talk.open()
        yield talk
        await talk.stream.aclose()
    finally:
        process.kill()
        await process.stdout.aclose()
        await process.wait()


class Clerk:
    """A mail server that notes when it had the end of a mail, by recipient."""

    def __init__(self):
        self.had = {}
        self.many = trio.Event()
        self.awaited = 0

    async def serve(self, stream):
        # In the end the service is killed.
        with suppress(trio.BrokenResourceError):
            await self._converse(stream)

    async def _converse(self, stream):
        await stream.send_all(b"220 clerk\r\n")
        buffer, whom, text = b"", "", False
        async for data in stream:
            buffer += data
            while (at := buffer.find(b"\r\n.\r\n" if text else b"\r\n")) >= 0:
                line, buffer = buffer[:at], buffer[at + (5 if text else 2) :]
                if text:
                    self._note(whom)
                    text, answer = False, b"250 2.0.0 ok"
                elif line.upper() == b"DATA":
                    text, answer = True, b"354 go"
                elif line.upper().startswith(b"EHLO"):
                    answer = b"250-clerk\r\n250 PIPELINING"
                else:
                    if line.startswith(b"RCPT"):
                        whom = line.partition(b"<")[2].partition(b">")[0].decode()
                    answer = b"250 ok"
                await stream.send_all(answer + b"\r\n")

    def _note(self, whom):
        self.had[whom] = time.perf_counter()
        if len(self.had) >= self.awaited:
            self.many.set()


async def acknowledged(talk, frames, each=1):
    """Send, and wait until all is durable."""
    until = talk.answered + len(frames) * each
    await talk.stream.send_all(b"".join(frames))
    while talk.answered < until:
        await talk.count()


def said(kind, n, **body):
    return {"type": kind, "messageId": f"{kind}{n}", "userId": f"c{n}", **body}


async def latency(folder):
    total = int(PACE * PACED_FOR)
    clerk, sent = Clerk(), {}
    clerk.awaited = total
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, clerk.serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        async with served(folder, port) as talk:
            for at in range(0, total, 100):
                people = [
                    said("identify", n, traits={"email": f"c{n}@customers.example"})
                    for n in range(at, at + 100)
                ]
                await acknowledged(talk, [frame({"type": "batch", "batch": people})], 100)
            start = trio.current_time()
            for n in range(total):
                await trio.sleep_until(start + n / PACE)
                order = {
                    "order_id": f"o{n}", "total": 64, "currency": "EUR",
                    "products": [{"product_id": "tea", "name": "Thé noir", "price": 64}],
                }  # fmt: skip
                sent[f"c{n}@customers.example"] = time.perf_counter()
                await talk.stream.send_all(
                    frame(said("track", n, event="Order Paid", properties=order))
                )
            with trio.fail_after(60):
                await clerk.many.wait()
        nursery.cancel_scope.cancel()
    took = sorted(1e3 * (clerk.had[whom] - at) for whom, at in sent.items())
    print(
        f"order paid to mail server at {PACE}/s: median {statistics.median(took):.1f} ms, "
        f"p99 {took[len(took) * 99 // 100]:.1f} ms (budget {WITHIN}), worst {took[-1]:.1f} ms"
    )


def _fresh(folder, name):
    made = folder / name
    made.mkdir()
    return made


async def main(folder):
    await throughput(folder)
    await latency(_fresh(folder, "latency"))


if __name__ == "__main__":
    logs.configure(json=False, quiet=True)
    if sys.argv[1:2] == ["--serve"]:
        trio.run(serve, Path(sys.argv[2]), int(sys.argv[3]))
        os._exit(0)
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as made:
        trio.run(main, Path(made))
