"""The API: Segment's HTTP tracking API, on the port of the pages (wire §2).

    POST /v1/track  identify  page  alias  batch        (t i p a b, as analytics.js writes them)

The key is the user name of Basic auth, a Bearer token, or `writeKey` in the body. An answer says
what became of the whole body, and only when that is durable:

- 200 everything was taken, or known already;
- 400 some messages will never be taken: `rejected` says which and why, all others were. Segment's
  libraries do not send that again, and hand the reason to the shop's error handler; a 200 would let
  the shop believe that all is well. 403 where this key may say none of those, 413 for too large;
- 429, 503 not all was taken, or nobody knows: send the whole body again after `Retry-After`. What
  was taken is known by its `messageId`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
import trio
from quart import Blueprint, Response, request
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    TooManyRequests,
    Unauthorized,
)

from actors.clock import Clock
from actors.intake import Answer
from actors.offering import Offering
from actors.system import System
from actors.web import bodies
from proto import identity, post
from proto.codec import Fault
from proto.envelope import Message
from proto.frames import Reject, RejectCode
from proto.session import Authenticate, Grant, Turned

log = structlog.get_logger()

KINDS: Final[dict[str, post.Kind]] = {
    "track": "track",
    "t": "track",
    "identify": "identify",
    "i": "identify",
    "page": "page",
    "p": "page",
    "alias": "alias",
    "a": "alias",
    "batch": "batch",
    "b": "batch",
}
_PATHS: Final = ", ".join(name for name, kind in KINDS.items() if name == kind)

# Seconds. The libraries give up on an answer after ten; one that comes before says what to do.
ANSWER_WITHIN: Final = 8
RETRY_AFTER: Final = 2

# A key is needed for everything and no cookie is ever looked at, so any page may ask; what a
# browser's key may say, and from where, is decided on the message.
CROSS_ORIGIN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}
PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding",
    "Access-Control-Max-Age": "86400",
}
# Basic would make browsers ask the shop's customers for a password.
CHALLENGE: Final = 'Bearer realm="ecrm"'

_CODES: Final = {
    401: "unauthorized",
    404: "not_found",
    405: "not_allowed",
    408: "timeout",
    413: "too_large",
    429: "limited",
}
_STATUS: Final[dict[str, int]] = {"forbidden": 403, "too_large": 413}


def _unlimited(_grant: Grant, _count: int) -> int:
    return 0


class Refused(msgspec.Struct, rename="camel"):
    """A message that will never be taken as it is. `path` begins at the root of the body."""

    message_id: str
    code: str
    path: str
    reason: str


class Said(msgspec.Struct, rename="camel", omit_defaults=True):
    """An answer. `code` and `message` are the names that Segment's libraries read."""

    success: bool
    code: str = ""
    message: str = ""
    rejected: list[Refused] = []


class Api:
    """`refusals` counts the messages that are rejected, by code."""

    def __init__(
        self,
        system: System,
        clock: Clock,
        authenticate: Authenticate,
        *,
        refusals: Counter[str] | None = None,
        prove: identity.Prove = identity.unproved,
        allow: Callable[[Grant, int], int] = _unlimited,
    ) -> None:
        self._refusals = Counter() if refusals is None else refusals
        self._system = system
        self._clock = clock
        self._authenticate = authenticate
        self._prove = prove
        self._allow = allow

    def blueprint(self) -> Blueprint:
        door = Blueprint("api", __name__, url_prefix="/v1")
        door.add_url_rule(
            "/<name>",
            "take",
            self.take,
            methods=["GET", "POST", "OPTIONS"],
            provide_automatic_options=False,
        )
        door.register_error_handler(HTTPException, self.refused)
        door.register_error_handler(Exception, self.failed)
        door.after_request(self.shared)
        return door

    async def take(self, name: str) -> Response:
        if name not in KINDS:
            raise NotFound(f"there is nothing at /v1/{name}: only {_PATHS}")
        if request.method == "OPTIONS":
            return Response(b"", 204, PREFLIGHT)
        if request.method != "POST":
            raise MethodNotAllowed(description="send it with POST")
        if self._system.bell.stopping:
            return _again(503, "stopping", "the service is stopping: send it again in a moment")
        grant = self._admitted(_key_of_header())
        body = await bodies.plain(request)
        grant = grant or self._admitted(post.key_in(body))
        if grant is None:
            raise Unauthorized("no key: it is the user name of Basic auth, or writeKey")
        return await self._heard(body, KINDS[name], grant)

    def _admitted(self, key: str | None) -> Grant | None:
        """Whose key this is; None where there is none. Raises Unauthorized."""
        grant = None if key is None else self._authenticate(key)
        if key is not None and grant is None:
            raise Unauthorized(
                "no such key: the first start printed them, or look at [[keys]] in ecrm.toml"
            )
        if isinstance(grant, Turned):
            if grant.code == "limited":
                raise TooManyRequests(grant.reason)
            raise Unauthorized(grant.reason)
        return grant

    async def _heard(self, body: bytes, kind: post.Kind, grant: Grant) -> Response:
        try:
            items = post.read(body, kind, self._clock.now(), grant, self._prove)
        except Fault as fault:
            raise BadRequest(f"{fault.path}: {fault.reason}") from None
        except post.TooMany as error:
            raise RequestEntityTooLarge(str(error)) from None
        if pause := self._allow(grant, len(items)):
            after = math.ceil(pause / 1_000)
            return _again(429, "busy", "too much from here: send it again", after=after)
        messages = [item.read for item in items if isinstance(item.read, Message)]
        offering = Offering(self._system, messages)
        with trio.move_on_after(ANSWER_WITHIN):
            await offering.run()
        if offering.busy is not None:
            wait = math.ceil(offering.busy / 1_000)
            return _again(429, "busy", "too much at once: send it again", after=wait)
        if not all(map(_is_known, offering.answers)):
            return _again(503, "unknown", "it may not be on disk: send it again with the same ids")
        rejected = _rejected(items, offering.answers)
        self._refusals.update(one.code for one in rejected)
        return _told(items, rejected)

    # What every answer has, and what went wrong before a message was read.

    async def shared(self, response: Response) -> Response:
        response.headers.update(CROSS_ORIGIN)
        return response

    async def refused(self, error: HTTPException) -> Response:
        status = error.code or 500
        code = _CODES.get(status, "invalid")
        answer = _say(status, Said(success=False, code=code, message=error.description or ""))
        if isinstance(error, MethodNotAllowed):
            answer.headers["Allow"] = "POST, OPTIONS"
        if isinstance(error, Unauthorized):
            answer.headers["WWW-Authenticate"] = CHALLENGE
        return answer

    async def failed(self, error: Exception) -> Response:
        log.error("api_failed", path=request.path, error=repr(error))
        return _say(500, Said(success=False, code="failed", message="the fault is ours"))


def _key_of_header() -> str | None:
    told = request.authorization
    if told is None:
        if "Authorization" in request.headers:
            raise Unauthorized("the Authorization cannot be read: send Basic, or Bearer")
        return None
    return told.username if told.type == "basic" else told.token


def _is_known(answer: Answer | None) -> bool:
    return answer is not None and answer.outcome != "unknown"


def _told(items: list[post.Item], rejected: list[Refused]) -> Response:
    """All of a body has been decided on: what was taken, and what never will be."""
    if not rejected:
        return _say(200, Said(success=True))
    first = rejected[0]
    reason = f"{first.path}: {first.reason}"
    if len(items) == 1:
        return _say(_STATUS.get(first.code, 400), _refusal(first.code, reason, rejected))
    codes = {one.code for one in rejected}
    whole = len(rejected) == len(items) and len(codes) == 1
    status = _STATUS.get(first.code, 400) if whole else 400
    message = f"{len(rejected)} of {len(items)} messages were refused, the first at {reason}"
    return _say(status, _refusal(first.code, message, rejected))


def _refusal(code: str, message: str, rejected: list[Refused]) -> Said:
    return Said(success=False, code=code, message=message, rejected=rejected)


def _rejected(items: list[post.Item], answers: list[Answer | None]) -> list[Refused]:
    """What the reception refused, and what the turn loop did."""
    rejects, decided = [], iter(answers)
    for item in items:
        if isinstance(item.read, Reject):
            rejects.append(item.rejected(item.read))
            continue
        answer = next(decided)
        if answer is not None and answer.outcome in ("held", "invalid"):
            code: RejectCode = "held" if answer.outcome == "held" else "invalid"
            reject = Reject(item.read.message_id, code, answer.path or "$", answer.reason)
            rejects.append(item.rejected(reject))
    return [Refused(one.id, one.code, one.path, one.reason) for one in rejects]


def _again(status: int, code: str, message: str, after: int = RETRY_AFTER) -> Response:
    answer = _say(status, Said(success=False, code=code, message=message))
    answer.headers["Retry-After"] = str(after)
    return answer


def _say(status: int, said: Said) -> Response:
    return Response(msgspec.json.encode(said), status, content_type="application/json")
