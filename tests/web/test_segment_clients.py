"""Segment's own clients, unmodified, against the real service, which is restarted in the middle.

Once it is told to stop, once it is killed. None of their events is lost and none is taken twice,
counted in the journal afterwards. `ECRM_EVENTS` sets how many events each client tells (1000).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import trio

from tests.restarts import SECRET, Serving, journalled

NODE = Path(__file__).parents[1] / "node"
EVENTS = int(os.environ.get("ECRM_EVENTS", "1000"))
PATIENCE = 60 + EVENTS / 50

PEERS = {
    "python": (sys.executable, str(Path(__file__).with_name("segment_python.py"))),
    "node": ("node", str(NODE / "segment.mjs")),
}


@pytest.fixture
def serving(tmp_path):
    one = Serving(tmp_path)
    one.start()
    yield one
    one.clean_up()


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
        """What it says in the end."""
        out, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, errors
        return msgspec.json.decode(out)

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def clients(serving):
    if shutil.which("node") is None or not (NODE / "node_modules").exists():
        pytest.skip("node, or its packages, are not there: python -m tests.install_peers")
    started = [Client(name, serving.web) for name in PEERS]
    yield started
    for one in started:
        one.end()


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
    users = [f"{name}-{n}" for name in PEERS for n in range(40)]
    seen = trio.run(journalled, serving.folder, users)
    assert seen == Counter(f"{name}/{n}" for name in PEERS for n in range(EVENTS))
