"""A mail provider on loopback HTTPS that does what it is told, well-behaved or not."""

from __future__ import annotations

import socket
import ssl
from collections import deque
from contextlib import asynccontextmanager
from functools import cache
from types import SimpleNamespace

import h11
import trio
import trio.testing
import trustme

# What a behaviour returns to keep the connection open and say nothing more.
STALL = object()


@cache
def authority(name="ours"):
    return trustme.CA(organization_name=name)


def trusting(name="ours"):
    """A context that verifies, and trusts this authority alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(name).configure_trust(context)
    return context


@cache
def _server_context(host, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority(name).issue_cert(host).configure_cert(context)
    return context


def reply(status=200, body=b"{}", *, close=False, **headers):
    """Answer, and go on unless `close`."""

    async def behave(stream):
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        named.setdefault("Content-Length", str(len(body)))
        named["Connection"] = "close" if close else "keep-alive"
        head = "".join(f"{key}: {value}\r\n" for key, value in named.items())
        await stream.send_all(f"HTTP/1.1 {status} So\r\n{head}\r\n".encode() + body)
        return not close

    return behave


def raw(data, then=False):
    """Send these bytes, and close the connection; or `then` do STALL."""

    async def behave(stream):
        await stream.send_all(data)
        return then

    return behave


async def hang_up(_stream):
    return False


async def say_nothing(_stream):
    return STALL


async def never_end(stream):
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    while True:
        await stream.send_all(b"x" * 65_536)


async def answer_and_leave(stream):
    """Promise to stay, and do not."""
    await reply()(stream)
    return False


class FakeProvider:
    """`script` says what is done with the requests to come; then each is answered 200.

    `at_the_door` is done with a connection before its first byte is read.
    """

    def __init__(self, host, port):
        self.url = f"https://{host}:{port}/mail"
        self.script = deque()
        self.requests = []
        self.connections = 0
        self.at_the_door = None
        self.stalled = trio.Event()

    async def silence(self):
        """Wait until nothing more will be said, and what was said has been heard."""
        await self.stalled.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)

    async def serve(self, context, tcp):
        stream = trio.SSLStream(tcp, context, server_side=True, https_compatible=True)
        self.connections += 1
        try:
            if self.at_the_door == "before TLS":
                return
            await stream.do_handshake()
            if self.at_the_door == "after TLS":
                return
            while await self._take(stream):
                pass
        except (trio.BrokenResourceError, ssl.SSLError):
            pass
        finally:
            await trio.aclose_forcefully(tcp)

    async def _take(self, stream):
        """Read one request and do as told; tell whether to go on."""
        found = await _read(stream)
        if found is None:
            return False
        self.requests.append(found)
        behave = self.script.popleft() if self.script else reply()
        going_on = await behave(stream)
        if going_on is STALL:
            self.stalled.set()
            await trio.sleep_forever()
        return going_on


async def _read(stream):
    parser = h11.Connection(h11.SERVER)
    request, body = None, b""
    while True:
        match parser.next_event():
            case h11.NEED_DATA:
                data = await stream.receive_some(65_536)
                if not data and request is None:
                    return None
                parser.receive_data(data)
            case h11.Request() as request:
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                headers = {name.decode(): value.decode() for name, value in request.headers}
                return SimpleNamespace(
                    method=request.method.decode(),
                    target=request.target.decode(),
                    headers=headers,
                    body=bytes(body),
                )


@asynccontextmanager
async def open_provider(*, host="127.0.0.1", certificate="127.0.0.1", signed_by="ours", buffer=0):
    """A provider that is there inside. `buffer` is how much it takes in before it reads."""
    sock = trio.socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    await sock.bind(("127.0.0.1", 0))
    sock.listen()
    fake = FakeProvider(host, sock.getsockname()[1])
    context = _server_context(certificate, signed_by)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            trio.serve_listeners,
            lambda tcp: fake.serve(context, tcp),
            [trio.SocketListener(sock)],
        )
        yield fake
        nursery.cancel_scope.cancel()
