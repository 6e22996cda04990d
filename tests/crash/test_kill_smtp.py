"""`kill -9` at every step of a conversation with a mail server (delivery §1.2, §1.5).

Nothing is lost, and what may arrive twice is what the queue had as `submitting` when the process
died, and nothing else. Marketing of which nobody knows is not repeated.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio
from aiosmtpd.controller import Controller

from actors.batch import outbox_row
from actors.outside import open_outside
from actors.store.port import Commit
from actors.store.sqlite import open_store
from tests.actors.house import START, a_mail
from tests.post.dispatch import name_of
from tests.post.ports import free_port

DRIVER = Path(__file__).with_name("smtp_driver.py")
STEPS = (
    "+claim:1", "-submitting:1", "+submitting:1", "connected:1", "+mail:3", "+rcpt:3", "+354:3",
    "-dot:3", "+dot:3", "+reply:3", "-settle:1", "+settle:1",
)  # fmt: skip
CERTAIN = ("+claim:1", "-submitting:1", "+settle:1")
LOT = 16
# So many mails come in between two lives: more than one lot.
EACH = 20


class Counting:
    """A server that counts what it has taken whole. It takes one command at a time."""

    def __init__(self):
        self.taken = Counter()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - its name for it
        self.taken[name_of(envelope.original_content)] += 1
        return "250 2.0.0 queued"


@contextmanager
def open_server():
    counting = Counting()
    controller = Controller(counting, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield counting.taken, controller.port
    finally:
        controller.stop()


@asynccontextmanager
async def open_driver(folder, port):
    """Gives a function: one life of the process, to its end; its exit status."""
    command = [sys.executable, str(DRIVER), str(folder), str(port)]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    async def live(step=""):
        await process.stdin.send_all(f"{step}\n".encode())
        said = b""
        with trio.fail_after(60):
            while not said.endswith(b"\n"):
                said += await process.stdout.receive_some(100)
        return int(said)

    try:
        yield live
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.stdin.aclose()
            await process.stdout.aclose()
            await process.wait()


async def in_the_queue(folder, *new):
    """The state of every mail, after these came in."""
    async with (
        open_outside() as outside,
        open_store(folder / "ecrm.db", outside, lambda: START) as store,
    ):
        await store.commit(Commit(outbox=[outbox_row(one, None) for one in new]))
        return {row.mail_id: row.state for row in await store.queue_rows(None, None, 10_000)}


@pytest.mark.parametrize("lanes", [(0, 1), (2, 3)], ids=["owed", "marketing"])
async def test_a_kill_at_any_step_of_a_conversation_loses_nothing_and_repeats_what_is_in_doubt(
    tmp_path, lanes
):
    in_doubt = Counter()
    with open_server() as (taken, port):
        async with open_driver(tmp_path, port) as live:
            for number, step in enumerate(STEPS):
                new = [a_mail(f"m{number}x{n}", lane=lanes[n % 2]) for n in range(EACH)]
                await in_the_queue(tmp_path, *new)
                assert await live(step) == -signal.SIGKILL, step
                states = await in_the_queue(tmp_path)
                left = [name for name, state in states.items() if state == "submitting"]
                in_doubt.update(left)
                print(f"{step}: {len(left)} in doubt, {taken.total()} taken")
                # A lot, from the commit before the first byte to the commit behind the last reply.
                assert len(left) == (0 if step in CERTAIN else LOT), step
            assert await live() == 0
    states = await in_the_queue(tmp_path)
    assert len(states) == len(STEPS) * EACH
    known = states.keys() - in_doubt.keys()
    assert {name: (states[name], taken[name]) for name in known} == dict.fromkeys(
        known, ("accepted", 1)
    )
    twice = sum(taken[name] - 1 for name in in_doubt if taken[name])
    unknown = Counter(states[name] for name in in_doubt)
    print(f"{len(states)} mails, {len(in_doubt)} were in doubt: {unknown}, {twice} came twice")
    if lanes == (0, 1):
        assert {(states[name], taken[name] > 0) for name in in_doubt} == {("accepted", True)}
        assert 0 < twice <= in_doubt.total()
    else:
        assert unknown.keys() == {"accepted_unknown"}
        assert twice == 0
