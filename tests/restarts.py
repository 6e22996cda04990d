"""The service as a process that is stopped, killed and started again, and what it leaves behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

from actors.outside import open_outside
from actors.store.sqlite import open_store
from ecrm import facts
from proto import record

ROOT = Path(__file__).parents[1]
SECRET = "sk_restarts"
PATIENCE = 120


class Serving:
    """The service, in one process after the other on the same ports and folder."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "ecrm.toml"
        self.gateway, self.web = free_ports()
        self.config.write_text(
            f"[gateway]\nport = {self.gateway}\n[web]\nport = {self.web}\n"
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
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        return status

    def clean_up(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def free_ports():
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


async def journalled(folder, users):
    """How often each message of these customers is in the journal; the service is at rest."""
    seen = Counter()
    async with open_outside() as outside, open_store(folder / "ecrm.db", outside, int) as store:
        for user in users:
            for row in await store.journal(user, before=None, limit=100_000):
                if isinstance(facts.decode(row.facts)[0], facts.Happened):
                    seen[record.read(row.message).message_id] += 1
    return seen
