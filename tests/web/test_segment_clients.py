"""Segment's own clients, unmodified, against the real service, which is restarted in the middle.

Once it is told to stop, once it is killed. None of their events is lost and none is taken twice,
counted in the journal afterwards. `ECRM_EVENTS` sets how many events each client tells (1000).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import trio

from actors.outside import open_outside
from actors.store.sqlite import open_store
from ecrm import facts
from proto import record

ROOT = Path(__file__).parents[2]
NODE = ROOT / "tests" / "node"
EVENTS = int(os.environ.get("ECRM_EVENTS", "1000"))
PATIENCE = 60 + EVENTS / 50
SECRET = "sk_segment"

PEERS = {
    "python": (sys.executable, str(Path(__file__).with_name("segment_python.py"))),
    "node": ("node", str(NODE / "segment.mjs")),
}


class Serving:
    """The service, in one process after the other on the same ports and folder."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "ecrm.toml"
        gateway, self.port = free_ports(2)
        self.config.write_text(
            f"[gateway]\nport = {gateway}\n[web]\nport = {self.port}\n"
            f'[[keys]]\nid = "shop"\nkind = "secret"\nkey = "{SECRET}"\n'
        )
        self.process = None

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "run.py", "serve", "--config", self.config, "--data", self.folder],
                stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
            )  # fmt: skip
        said = self.process.stdout.readline()
        assert "ecrm is ready" in said, (self.folder / "log").read_text()

    def end(self, number):
        self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        return status


def free_ports(count):
    with socket.socket() as first, socket.socket() as second:
        probes = (first, second)[:count]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@pytest.fixture
def serving(tmp_path):
    one = Serving(tmp_path)
    one.start()
    yield one
    one.process.kill()
    one.process.wait()
    one.process.stdout.close()


class Client:
    """Segment's client, at work in a process of its own."""

    def __init__(self, name, port):
        self.process = subprocess.Popen(
            [*PEERS[name], f"http://127.0.0.1:{port}", SECRET, str(EVENTS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def is_under_way(self):
        return self.process.stdout.readline() == "under way\n"

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self):
        """What it says in the end; anything on stderr is a failure."""
        out, errors = self.process.communicate(timeout=PATIENCE)
        assert errors == ""
        return msgspec.json.decode(out)

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def clients(serving):
    if shutil.which("node") is None or not (NODE / "node_modules").exists():
        pytest.skip("node, or its packages, are not there: python -m tests.install_peers")
    started = [Client(name, serving.port) for name in PEERS]
    yield started
    for one in started:
        one.end()


async def journalled(folder):
    """How often each message is in the journal."""
    seen = Counter()
    async with open_outside() as outside, open_store(folder / "ecrm.db", outside, int) as store:
        for user in [f"{name}-{n}" for name in PEERS for n in range(40)]:
            for row in await store.journal(user, before=None, limit=100_000):
                if isinstance(facts.decode(row.facts)[0], facts.Happened):
                    seen[record.read(row.message).message_id] += 1
    return seen


def test_restarts_in_the_middle_lose_nothing_and_take_nothing_twice(serving, clients):
    for ending, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        assert all(client.is_under_way() for client in clients)
        assert serving.end(ending) == status
        serving.start()
        for client in clients:
            client.go_on()
    for client in clients:
        assert client.result() == {"answered": EVENTS, "failed": [], "reasons": []}
    assert serving.end(signal.SIGTERM) == 0
    seen = trio.run(journalled, serving.folder)
    assert seen == Counter(f"{name}/{n}" for name in PEERS for n in range(EVENTS))
