"""The bodies of HTTP requests: how large one may be, and the plain bytes of it.

A page's form is small, and so is what a stranger may make us hold before a key was seen; only who
brings a key in a header may send as much as the API takes, and only providers tell of many mails
at once. What is compressed is inflated up to the same limit and no further, so a small body cannot
become a large one.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from typing import Final

from hypercorn.typing import HTTPScope
from quart import Request
from quart_trio.wrappers import TrioRequest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from proto.post import MAX_BODY_BYTES

# A form of a page, and what a browser's sendBeacon can carry.
SMALL: Final = 64 * 1024
API: Final = "/v1/"
# SendGrid gathers events up to about this size; the other providers send far less.
HOOKS: Final = "/hooks/"
HOOK: Final = 1024 * 1024

# Browsers send JSON as text where they may not ask the server first (sendBeacon).
KINDS: Final = ("", "application/json", "text/plain")
# zlib's number for a gzip header around a window of any size.
_GZIP: Final = 16 + zlib.MAX_WBITS


class Sized(TrioRequest):
    """A request whose limit depends on where it goes."""

    def __init__(
        self,
        method: str,
        scheme: str,
        path: str,
        query_string: bytes,
        headers: Headers,
        root_path: str,
        http_version: str,
        scope: HTTPScope,
        *,
        max_content_length: int | None = None,
        body_timeout: int | None = None,
        send_push_promise: Callable[[str, Headers], Awaitable[None]],
    ) -> None:
        limit = max_content_length
        if path.startswith(API):
            limit = limit_of(headers)
        elif path.startswith(HOOKS):
            limit = HOOK
        super().__init__(
            method,
            scheme,
            path,
            query_string,
            headers,
            root_path,
            http_version,
            scope,
            max_content_length=limit,
            body_timeout=body_timeout,
            send_push_promise=send_push_promise,
        )


def limit_of(headers: Headers) -> int:
    """How many bytes a body for the API may have on its way, by who sends it."""
    return MAX_BODY_BYTES if "Authorization" in headers else SMALL


async def plain(request: Request) -> bytes:
    """The body, inflated. Raises an HTTPException whose description says what is wrong with it."""
    if request.mimetype not in KINDS:
        raise UnsupportedMediaType(
            f"the Content-Type is {request.mimetype}: send application/json, or text/plain"
        )
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise UnsupportedMediaType(f"the Content-Encoding is {encoding}: send gzip, or none")
    try:
        body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    except RequestEntityTooLarge:
        limit = limit_of(request.headers)
        hint = "send smaller batches" if limit > SMALL else "bring the key in a header for more"
        raise RequestEntityTooLarge(f"the body has more than {limit} bytes: {hint}") from None
    return body if encoding == "identity" else _inflated(body)


def _inflated(body: bytes) -> bytes:
    inflating = zlib.decompressobj(_GZIP)
    try:
        plain = inflating.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise BadRequest(f"the body is not gzip, as its Content-Encoding says: {error}") from None
    if len(plain) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge(
            f"the body inflates to more than {MAX_BODY_BYTES} bytes: send smaller batches"
        )
    if not inflating.eof or inflating.unused_data:
        raise BadRequest("the body is not one whole gzip stream")
    return plain
