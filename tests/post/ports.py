"""What servers in processes of their own need: a port, a folder, and somebody who waits for them."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

SINK = shutil.which("smtp-sink") or shutil.which("/usr/sbin/smtp-sink")
needs_sink = pytest.mark.skipif(SINK is None, reason="smtp-sink is not here (install postfix)")

_MEMORY = Path("/dev/shm")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


async def listening(port):
    """Another process tells nobody when it is ready but those who knock."""
    with trio.fail_after(10):
        while True:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.01)
            else:
                await stream.aclose()
                return


@contextmanager
def open_folder(name):
    """A folder that other users get into, as they do not into pytest's; in memory where there is
    one, since it is not the disk of the other side that is tried here.
    """
    folder = Path(
        tempfile.mkdtemp(prefix=f"ecrm-{name}-", dir=_MEMORY if _MEMORY.is_dir() else None)
    )
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


@asynccontextmanager
async def open_sink(*options, port=None):
    """A running smtp-sink, and the port it listens on."""
    port = port or free_port()
    # It does not like to be root.
    somebody = ["-u", "nobody"] if os.getuid() == 0 else []
    command = [SINK, *somebody, *options, f"127.0.0.1:{port}", "100"]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.run_process, command)
        try:
            # One that hangs up on all who connect lets them connect.
            await listening(port)
            yield port
        finally:
            nursery.cancel_scope.cancel()


class Dump:
    """Where a sink keeps what it takes: it gives each of its files a name of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.options = ("-D", str(folder / "mails."))
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")

    def read(self):
        return b"".join(file.read_bytes() for file in self.folder.glob("mails.*"))
