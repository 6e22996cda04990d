"""The delivery actor over SMTP, in processes that die in the middle of a conversation.

    python tests/crash/smtp_driver.py FOLDER PORT

For each line it reads, a process is made of this one, which has read all code and nothing else, and
its exit status is written when it has ended. Store, queue and transport are the product's own. With
an empty line everything due in four days is delivered. A line STEP:N kills the process there. STEP names a moment of a store's call, as in `driver.py`, or one of
the conversation: `connected`, `+mail`, `+rcpt`, `+354` (the go-ahead was heard), `-dot` (the text is
written but for its end), `+dot` (its end too), `+reply` (it was heard, nobody knows of it yet). The
server must take one command at a time.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors import logs
from actors.clock import WarpClock
from actors.delivery import Delivery
from actors.outside import open_outside
from actors.store.sqlite import open_store
from actors.transports.smtp import SmtpSettings, open_smtp
from ecrm.delivery.limiter import limit
from ecrm.delivery.policy import Policy
from ecrm.moment import DAY, Instant
from tests.actors.house import START, Nudges
from tests.crash.mortal import mortal

END = b"\r\n.\r\n"


class Press:
    """Mails that tell their id, and nothing else."""

    def return_path(self, wanted):
        return "b@bounces.example"

    def compose(self, wanted):
        head = f"Message-ID: <{wanted.mail_id}.{wanted.lane}@shop.example>\r\nSubject: Merci\r\n"
        return SimpleNamespace(bytes=f"{head}\r\nBonjour\r\n".encode(), destinations=())


class Doom:
    """Dies at the N-th time that a step is reached."""

    def __init__(self, step):
        self.name, _, count = step.partition(":")
        self._left = int(count or 0)

    async def reached(self, name):
        if name == self.name:
            self._left -= 1
            if not self._left:
                await self.die()

    async def die(self):
        # What was written is on its way; the other side may have read it by now, and answered.
        await trio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)


class MortalStream(trio.abc.Stream):
    """A connection on which the process may die."""

    def __init__(self, stream, doom):
        self._stream = stream
        self._doom = doom
        self._ended = False

    async def send_all(self, data):
        if data.endswith(END) and self._doom.name == "-dot":
            await self._stream.send_all(data[: -len(END)])
            await self._doom.reached("-dot")
            data = END
        await self._stream.send_all(data)
        self._ended = data.endswith(END)
        if self._ended:
            await self._doom.reached("+dot")
        await self._doom.reached(f"+{data[:4].decode().lower()}")

    async def receive_some(self, max_bytes=None):
        data = await self._stream.receive_some(max_bytes)
        if data.startswith(b"354"):
            await self._doom.reached("+354")
        elif self._ended:
            await self._doom.reached("+reply")
        return data

    async def wait_send_all_might_not_block(self):
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self):
        await self._stream.aclose()


async def deliver(folder, port, step):
    doom = Doom(step)

    async def dial(host, number):
        stream = MortalStream(await trio.open_tcp_stream(host, number), doom)
        await doom.reached("connected")
        return stream

    clock = WarpClock(START, rate=0)
    server = SmtpSettings("127.0.0.1", port, tls="none", connections=1)
    async with (
        open_outside() as outside,
        open_store(folder / "ecrm.db", outside, clock.now) as store,
        open_smtp(server, dial) as transport,
        trio.open_nursery() as nursery,
    ):
        delivery = Delivery(
            mortal(store, step if step[1:].startswith(("claim", "submitting", "settle")) else ""),
            clock, Press(), transport,
            epoch=str(os.getpid()), policy=Policy(limit(100_000)), reports=Nudges(),
        )  # fmt: skip
        nursery.start_soon(delivery.run)
        await clock.advance(Instant(START + 4 * DAY))
        delivery.bell.stop()


def live(folder, port, step):
    """One life in a process of its own; its exit status."""
    process = os.fork()
    if not process:
        trio.run(deliver, folder, port, step)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    logs.configure(json=False, quiet=True)
    for line in sys.stdin:
        print(live(Path(sys.argv[1]), int(sys.argv[2]), line.strip()), flush=True)
