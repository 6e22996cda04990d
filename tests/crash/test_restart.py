"""A rolling restart loses nothing: the service is told to stop while a shop talks to it, and another
one takes its place, at the same address and on the same store.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import trio
import trio.testing

from actors import sender
from actors.gateway import EVENTS_PATH
from actors.outside import open_outside
from actors.store.sqlite import open_store
from ecrm.moment import CustomerId, Instant
from proto import record

HOUSE = Path(__file__).parents[2]
KEY = "sk_restart"
MESSAGES, CUSTOMERS = 6_000, 40


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@asynccontextmanager
async def serving(folder, config):
    """`run.py serve`, ready; leaving tells it to stop and waits until it has."""
    command = [sys.executable, "run.py", "serve", "--config", config, "--data", folder]
    environment = {**os.environ, "ECRM_SECRET_KEY": KEY}
    process = await trio.lowlevel.open_process(
        [str(word) for word in command], cwd=HOUSE, env=environment, stdout=subprocess.PIPE
    )
    try:
        said = b""
        while b"ecrm is ready" not in said:
            part = await process.stdout.receive_some()
            assert part, said
            said += part
        yield
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(30):
            assert await process.wait() == 0
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.stdout.aclose()
            await process.wait()


def view(number):
    return {
        "type": "track",
        "messageId": f"m{number}",
        "userId": f"c{number % CUSTOMERS}",
        "event": "Product Viewed",
        "properties": {"product_id": f"p{number % 7}"},
    }


async def told_in(folder):
    """The message ids in all journals, in order."""
    async with (
        open_outside() as outside,
        open_store(folder / "ecrm.db", outside, lambda: Instant(0)) as store,
    ):
        journals = [
            await store.journal(CustomerId(f"c{n}"), before=None, limit=MESSAGES)
            for n in range(CUSTOMERS)
        ]
    return [record.read(row.message).message_id for rows in journals for row in rows]


async def test_what_is_told_over_a_restart_is_there_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sender, "LONGEST_PAUSE", 0.5)
    config = tmp_path / "ecrm.toml"
    port = free_port()
    config.write_text(f"[gateway]\nport = {port}\n[web]\nport = 0\n", "utf-8")
    url = f"ws://127.0.0.1:{port}{EVENTS_PATH}"
    refused = []
    told = trio.Event()

    async def tell_all():
        dial = sender.dialling(url)
        async with sender.sending(dial, KEY, refused=refused.append) as telling:
            for number in range(MESSAGES):
                await telling.tell(view(number))
                if number == MESSAGES // 2:
                    told.set()
            await telling.settled()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            async with serving(tmp_path, config):
                nursery.start_soon(tell_all)
                # Half of it is there; the stop comes into the other.
                await told.wait()
            async with serving(tmp_path, config):
                while nursery.child_tasks:
                    await trio.testing.wait_all_tasks_blocked(0.05)
    assert refused == []
    found = await told_in(tmp_path)
    assert len(found) == MESSAGES
    assert set(found) == {f"m{n}" for n in range(MESSAGES)}
