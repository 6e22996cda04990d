"""Hostile connections beside an honest one: it keeps its acknowledgements, and nothing of theirs
stays. `ECRM_SIEGE` sets how many there are (200); `tests/bench/bench_connections.py` measures.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress

import trio
import trio.testing

from actors import gateway
from actors.limits import Bounds
from ecrm.moment import CustomerId
from proto import identity
from tests.actors.test_gateway import serving, track
from tests.actors.test_lines import gate
from tests.proto.test_proto_hostile import bent
from tests.worlds import PUBLISHABLE

HOSTILE = int(os.environ.get("ECRM_SIEGE", "200"))
GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)

REQUEST = (
    b"GET /v1/events HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def frame(data):
    """A client's frame, with a mask of zeros."""
    opcode, data = (0x81, data.encode()) if isinstance(data, str) else (0x82, data)
    short = len(data) < 126
    size = bytes([0x80 | len(data)]) if short else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([opcode]) + size + bytes(4) + data


def hello(key):
    return frame('{"type":"hello","key":"' + key + '"}')


async def misbehave(stream, rng):
    """One of the ways to be a nuisance; the stream is closed by the service or at the end."""
    match rng.randrange(5):
        case 0:
            pass
        case 1:
            for start in range(0, 100, 10):
                await stream.send_all(REQUEST[start : start + 10])
                await trio.lowlevel.checkpoint()
        case 2:
            await stream.send_all(REQUEST + hello(f"ok_{rng.random()}"))
        case 3:
            await stream.send_all(rng.randbytes(2_000))
        case _:
            await stream.send_all(REQUEST + hello(PUBLISHABLE))
            for _ in range(5):
                await stream.send_all(frame(bent(rng)))
    with trio.move_on_after(0.5):
        while await stream.receive_some():
            pass


async def test_an_honest_shop_is_answered_while_others_misbehave(tmp_path, monkeypatch):
    rng = random.Random(11)
    at = gate(
        limits=Bounds(
            silent_per_address=HOSTILE, wrong_keys_per_minute=1_000.0, connects_per_minute=100_000.0
        )
    )
    async with serving(tmp_path, gateway=at) as served:

        async def hostile():
            with suppress(*GONE):
                async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
                    await misbehave(stream, rng)

        welcomed, token = trio.Event(), trio.lowlevel.current_trio_token()

        async def siege(nursery):
            await welcomed.wait()
            monkeypatch.setattr(gateway, "HELLO_WITHIN", 0.3)
            for _ in range(HOSTILE):
                nursery.start_soon(hostile)

        def honest(talk):
            talk.greet()
            token.run_sync_soon(welcomed.set)
            return [talk.ask(track(f"h{n}", user="zoe")) for n in range(50)]

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(siege, nursery)
                answers = await served.talks(honest)
        assert answers == [{"type": "ack", "ids": [f"h{n}"]} for n in range(50)]
        with trio.fail_after(10):
            while served.service.door.limits.visits:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert served.service.door.limits.silent == 0
        assert not served.service.gateway.connections
        # Of zoe what she said; of the pages only their visitors.
        rows = await served.store.journal(CustomerId("zoe"), before=None, limit=99)
        assert len(rows) == 50
        lives = set(served.store._journal)
        assert all(one == "zoe" or one.startswith("visitor:") for one in lives)
        assert await served.store.quarantined(9) == []


async def test_without_a_proof_nothing_of_a_person_is_touched(tmp_path):
    async with serving(tmp_path) as served:

        def conversation(talk):
            talk.greet(PUBLISHABLE)
            wrong = identity.user_hash("is_guessed", "zoe")
            forged = [{**track(f"f{n}"), "userHash": wrong} for n in range(100)]
            talk.say({"type": "batch", "batch": forged})
            return [talk.hear() for _ in range(100)]

        answers = await served.talks(conversation)
        assert {answer["code"] for answer in answers} == {"forbidden"}
        assert served.store._journal == {}
        assert served.store._dedupe == {}
