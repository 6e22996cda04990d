"""A wire to a mail server that goes wrong as it is told: a proxy that reads what is said.

Each command is passed on, and its reply passed back, unless a fault was drawn for it. What the
server was told and what the client heard is then known for every mail, so a test can say which
mails nobody could know the fate of, and that there were no others.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import asynccontextmanager

import trio

from tests.post import dispatch

# `later`, `never`: a 4xx or 5xx of our own, the server hears nothing. `cut`: the connection ends
# before the server hears of it; `lost`: after it did, before its reply is passed back. `slow`: the
# reply comes late, but in time.
FAULTS = {
    "banner": ("later", "cut"),
    "ehlo": ("later", "cut", "lost", "slow"),
    "mail": ("later", "cut", "lost", "slow"),
    "rcpt": ("later", "never", "cut", "lost", "slow"),
    "data": ("later", "never", "cut", "lost", "slow"),
    "text": ("cut",),
    "dot": ("later", "never", "cut", "lost", "slow"),
}
ANSWERS = {"later": b"451 4.3.0 not now\r\n", "never": b"554 5.5.0 no thanks\r\n"}
LATE = 0.05


class Cut(Exception):
    """The connection ends here."""


class Side:
    """One end of a conversation, line by line."""

    def __init__(self, stream):
        self.stream = stream
        self._buffer = b""

    async def line(self):
        return await self.until(b"\n")

    async def until(self, end):
        while (at := self._buffer.find(end)) < 0:
            data = await self.stream.receive_some(65_536)
            if not data:
                raise Cut
            self._buffer += data
        found, self._buffer = self._buffer[: at + len(end)], self._buffer[at + len(end) :]
        return found

    async def reply(self):
        lines = [await self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(await self.line())
        return b"".join(lines)


class Wire:
    """`share` of the commands go wrong; `drawn` counts how."""

    def __init__(self, port, seed=0, share=0.0):
        self.server_port = port
        self.share = share
        self.drawn = Counter()
        # The mails whose end was written and whose answer was not heard: taken or not.
        self.doubted = Counter()
        self._random = random.Random(seed)

    async def serve(self, client):
        try:
            async with await trio.open_tcp_stream("127.0.0.1", self.server_port) as server:
                await self._converse(Side(client), Side(server))
        except (Cut, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(client)

    async def _converse(self, client, server):
        banner = await server.reply()
        await client.stream.send_all(self._own("banner", self._draw("banner")) or banner)
        while True:
            line = await client.line()
            verb = line[:4].decode().strip().lower()
            fault = self._draw(verb) if verb in FAULTS else ""
            if verb != "data":
                await self._pass(client, server, line, verb, fault)
            elif await self._data(client, server, line, fault):
                await self._text(client, server)

    async def _pass(self, client, server, line, verb, fault):
        """Pass a command on, and its reply back; the reply."""
        answer = self._own(verb, fault)
        if not answer:
            await server.stream.send_all(line)
            answer = await server.reply()
            if fault == "lost":
                raise Cut
            if fault == "slow":
                await trio.sleep(LATE)
        await client.stream.send_all(answer)
        return answer

    async def _data(self, client, server, line, fault):
        """DATA; tells whether a text follows."""
        return (await self._pass(client, server, line, "data", fault)).startswith(b"354")

    async def _text(self, client, server):
        """A text and its end."""
        text = await client.until(b"\r\n.\r\n")
        name = dispatch.name_of(text)
        if self._draw("text"):
            # Half of it arrives, then nothing; the client has written it to the end.
            self.doubted[name] += 1
            await server.stream.send_all(text[: len(text) // 2])
            raise Cut
        fault = self._draw("dot")
        if fault in ANSWERS:
            await client.stream.send_all(ANSWERS[fault])
            # The server still waits for a text that it must not have.
            raise Cut
        if fault == "cut":
            self.doubted[name] += 1
            raise Cut
        await server.stream.send_all(text)
        answer = await server.reply()
        if fault == "lost":
            self.doubted[name] += 1
            raise Cut
        if fault == "slow":
            await trio.sleep(LATE)
        await client.stream.send_all(answer)

    def _draw(self, stage):
        if self._random.random() >= self.share:
            return ""
        fault = self._random.choice(FAULTS[stage])
        self.drawn[stage, fault] += 1
        return fault

    def _own(self, stage, fault):
        if fault == "cut":
            raise Cut
        return ANSWERS.get(fault, b"")


@asynccontextmanager
async def open_wire(port, **how):
    """A wire to the server at `port`, and the port to dial instead of it."""
    wire = Wire(port, **how)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(_serve, wire)
        yield wire, listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def _serve(wire, task_status):
    await trio.serve_tcp(wire.serve, 0, host="127.0.0.1", task_status=task_status)
