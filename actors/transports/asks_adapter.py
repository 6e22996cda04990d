"""HTTP through asks, and the only place that knows it (delivery §4).

asks 3.0.0 is not maintained, and by default does what a mail must not suffer: it follows redirects
with the credentials, turns a POST into a GET, and loses the status of an answer that it cannot read
to its end. So it is held short:

- no redirects, no retries, no cookies, no authentication of its own, no compression; every header
  is ours, and only https at an allowed base is written to, with certificates verified;
- it writes to a `_Line`, which knows whether the whole request went out (before that the mail is
  not sent, after it in doubt), hears the status by itself, lets no second request follow on a
  failed one, and stops reading an answer that is too long;
- a connection that was kept is used again only while nothing has come in on it and it is young:
  asks would write into one that the other side has closed.

An answer behind a 1xx one (RFC 9110 §15.2) cannot be read by asks; it is in doubt. No error that
leaves here repeats what an exception says of headers: h11 puts their values into its messages.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final
from urllib.parse import urlsplit

import asks  # type: ignore[import-untyped]  # it has no types
import trio
from anyio import BrokenResourceError
from anyio.abc import ByteStream, SocketAttribute

from actors.transports.http import InDoubt, NotSent
from ecrm.delivery.answers import Response

# An answer is a few hundred bytes; what is longer is no answer, and must not fill the memory.
LONGEST: Final = 256 * 1024
# Seconds that a connection may wait for its next request: less than any usual server keeps it.
IDLE: Final = 20.0

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d)\b")
_HEAD_END: Final = b"\r\n\r\n"


class AsksAdapter:
    def __init__(
        self, *bases: str, connections: int = 8, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        """Post to the hosts of `bases` (`https://host[:port]...`), and to no other, over at most
        `connections` at a time. The usual `ssl_context` trusts whom the system trusts. Raises
        ValueError for one that does not verify, and for a base that is not https.
        """
        context = ssl_context or ssl.create_default_context()
        if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
            raise ValueError("a mail API is spoken to over verified TLS only")
        if not all(base.startswith("https://") for base in bases):
            raise ValueError("a mail API is spoken to over https only")
        _mend_anyio()
        self.connections = connections
        self._bases = frozenset(_origin(base) for base in bases)
        self._session = _Session(connections=connections, ssl_context=context, persist_cookies=None)

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Response:
        """As `actors.transports.http.Poster` says. `body` must not be empty."""
        return await self._call("POST", url, headers, body, deadline)

    async def get(self, url: str, deadline: float) -> Response:
        """The same without a body: nothing is asked of whoever is not at an allowed base."""
        return await self._call("GET", url, {}, b"", deadline)

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Response:
        parts = urlsplit(url)
        if parts.scheme != "https" or _origin(url) not in self._bases:
            raise NotSent(f"{parts.scheme}://{parts.hostname} is not an allowed host")
        call = _Call(len(body))
        token = _calls.set(call)
        try:
            with trio.move_on_at(deadline) as scope:
                return await self._request(method, url, headers, body)
        except Exception as error:  # noqa: BLE001 - asks lets through whatever anyio, h11 and ssl raise
            return call.broken_off(_why(error))
        finally:
            _calls.reset(token)
        assert scope.cancelled_caught
        return call.broken_off("no answer in time")

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        await self._session.close()

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Response:
        ours = {
            "Host": urlsplit(url).netloc,
            "User-Agent": "ecrm",
            "Accept-Encoding": "identity",
            "Connection": "keep-alive",
        }
        sent = {"Content-Length": str(len(body))} if body else {}
        found = await self._session.request(
            method,
            url,
            headers={**headers, **ours, **sent},
            data=body or None,
            retries=0,
            follow_redirects=False,
            connection_timeout=None,
        )
        # asks makes a list of the cookies among them; nobody wants those.
        named = {k.lower(): v for k, v in found.headers.items() if isinstance(v, str)}
        return Response(found.status_code, named, bytes(found.body))


class _Call:
    """One request, and the line it went out on once there was one."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.line: _Line | None = None

    def broken_off(self, why: str) -> Response:
        """What is known of a request that did not end as it should."""
        if self.line is None or not self.line.written:
            raise NotSent(why) from None
        if not self.line.status:
            raise InDoubt(why) from None
        return Response(self.line.status)


# asks opens the connection deep inside: this is how it gets to know for whom.
_calls: ContextVar[_Call] = ContextVar("_calls")


class _TooLong(Exception):
    """The answer is longer than `LONGEST`."""


class _Line:
    """A connection, watched. `host`, `port` and `_active` belong to asks."""

    def __init__(self, stream: ByteStream) -> None:
        self.host = self.port = ""
        self._active = True
        self._stream = stream
        self._since: float | None = None
        self._begin(0)

    def begin(self, size: int) -> None:
        """A request with a body of `size` bytes is next."""
        self._since = trio.current_time()
        self._begin(size)

    def _begin(self, size: int) -> None:
        self._left = size
        self._heard = b""
        self._length = 0
        self._head = True

    @property
    def written(self) -> bool:
        return not self._head and self._left <= 0

    @property
    def status(self) -> int:
        """The status of the answer, or 0 while it is not known."""
        found = _STATUS.match(self._heard)
        return int(found[1]) if found else 0

    @property
    def fresh(self) -> bool:
        """Fit for a request: new, or young and nothing has come in since, not even its end."""
        if self._since is None:
            return True
        wire = self._stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - this is no database
        try:
            wire.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return trio.current_time() - self._since < IDLE
        except OSError:
            return False
        return False

    async def send(self, data: bytes) -> None:
        # asks tries again on its own where it takes an answer for garbled.
        if self.written:
            raise BrokenResourceError
        await self._stream.send(data)
        if self._head:
            _, end, data = data.partition(_HEAD_END)
            self._head = not end
        self._left -= len(data)

    async def receive(self) -> bytes:
        data = await self._stream.receive()
        self._length += len(data)
        if len(self._heard) < len("HTTP/1.1 200 "):
            self._heard += data[:64]
        if self._length > LONGEST:
            raise _TooLong
        return data

    async def aclose(self) -> None:
        self._active = False
        await self._stream.aclose()


class _Session(asks.Session):  # type: ignore[misc]  # it has no types
    """asks' pool, with lines in the place of sockets."""

    async def _open_connection_http(self, location: tuple[str, int]) -> _Line:
        raise NotSent(f"{location[0]} would be spoken to in the clear")

    async def _open_connection_https(self, location: tuple[str, int]) -> _Line:
        return _Line(await super()._open_connection_https(location))

    async def _grab_connection(self, url: str) -> _Line:
        line: _Line = await super()._grab_connection(url)
        while not line.fresh:
            await line.aclose()
            line = await super()._grab_connection(url)
        call = _calls.get()
        line.begin(call.size)
        call.line = line
        return line


def _mend_anyio() -> None:
    """Give anyio 3, which asks is pinned to, the `trio.MultiError` that its trio backend names when
    it is imported. trio removed it and raises it no more: a name is enough (delivery §0.1).
    """
    vars(trio).setdefault("MultiError", type("MultiError", (Exception,), {}))


def _origin(url: str) -> str:
    """The host and port of an https address."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}"


def _why(error: Exception) -> str:
    """What went wrong, in words that cannot hold a header's value."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    match cause:
        case NotSent():
            return str(cause)
        case ssl.SSLCertVerificationError():
            return f"its certificate is not to be trusted: {cause.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {cause.reason}"
        case OSError():
            return cause.strerror or type(cause).__name__
        case _TooLong():
            return "the answer is too long"
        case _:
            return f"broken off ({type(cause).__name__})"
