"""The porter of the console: who is let in, and who may do something.

- Without a session every path answers alike, whether there is anything at it or not: it asks for an
  operator key, and says nothing else.
- A key is tried at the same door as everywhere, so wrong ones are counted by address and slowed
  (`actors/limits.py`). Another kind of key is as wrong as none.
- What a form posts counts only if it came from a page of ours (Origin), out of this session (its
  token), with the session's cookie, which browsers never send from elsewhere (SameSite=Strict).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import structlog
from quart import Blueprint, Response, g, request

from actors.asked import Refused
from actors.door import Door
from actors.web.console.sessions import Sessions
from actors.web.console.sight import HEADERS, Sight, leads_to, session
from ecrm.moment import Instant
from proto import permissions
from proto.session import Grant

log = structlog.get_logger()

HOME: Final = "/console/"
COOKIE: Final = "ecrm_console"
# A page that looks again by itself says so here, and keeps no session alive by it.
BY_ITSELF: Final = "X-Ecrm-Refresh"
ALL: Final = ["GET", "POST", "PUT", "DELETE", "PATCH"]


class Porter:
    def __init__(
        self,
        sight: Sight,
        door: Door,
        now: Callable[[], Instant],
        address: Callable[[], str],
        public_url: str,
    ) -> None:
        """`address` is whose request this is; `public_url` where a proxy offers the pages."""
        self.sessions = Sessions(now)
        door.keyring.revoked.append(self.sessions.end_of)
        self._sight = sight
        self._door = door
        self._address = address
        self._ours = urlsplit(public_url).netloc

    def blueprint(self) -> Blueprint:
        """The console's blueprint, with the door in it; its rooms are added to it."""
        pages = Blueprint("console", __name__, url_prefix="/console")
        pages.before_request(self.guard)
        pages.after_request(self.secured)
        pages.add_url_rule("/login", "login", self.login, methods=["POST"])
        pages.add_url_rule("/logout", "logout", self.logout, methods=["POST"])
        pages.add_url_rule("/static/<name>", "file", self.file, methods=["GET"])
        pages.add_url_rule("/", "nowhere", self.nowhere, methods=ALL[1:])
        pages.add_url_rule("/<path:rest>", "nowhere", self.nowhere, methods=ALL)
        pages.register_error_handler(Refused, self.refused)
        return pages

    async def guard(self) -> Response | None:
        """Asked before every page: the answer to whoever may not see it."""
        g.session = None
        if request.endpoint == "console.login":
            return None
        by_hand = BY_ITSELF not in request.headers
        g.session = self.sessions.find(request.cookies.get(COOKIE, ""), by_hand=by_hand)
        if g.session is None:
            return self._asked(401, "")
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        form = await request.form
        if not self._is_ours() or not session().signed(form.get("token", "")):
            return self._sight.page("refused", 403, reason="This form is of no page of yours.")
        return None

    async def secured(self, response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    async def login(self) -> Response:
        form = await request.form
        to = form.get("next", "")
        if not self._is_ours():
            return self._asked(403, "This form came from elsewhere: type the key here.", to)
        address = self._address()
        grant = self._door.admit(
            form.get("key", "").strip(), request.headers.get("Origin"), address
        )
        if isinstance(grant, Grant) and permissions.RIGHTS[grant.kind].console:
            return self._welcome(grant, to)
        if isinstance(grant, Grant):
            self._door.limits.guessed(address)
        log.warning("console_key_refused", address=address)
        if wait := self._door.limits.guessing(address):
            seconds = math.ceil(wait / 1_000)
            answer = self._asked(429, f"Too many wrong keys from here: wait {seconds} s.", to)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        return self._asked(401, "That is no operator key that may be used here.", to)

    def _welcome(self, grant: Grant, where: str) -> Response:
        begun = self.sessions.begin(grant.key_id)
        log.info("console_entered", key_id=grant.key_id)
        answer = leads_to(where if is_room(where) else HOME)
        # The browser's own word for how it sees us, whatever proxies are in between.
        secure = request.headers.get("Origin", "").startswith("https://")
        answer.set_cookie(
            COOKIE, begun.name, path="/console", secure=secure, httponly=True, samesite="Strict"
        )
        return answer

    async def logout(self) -> Response:
        self.sessions.end(session())
        answer = leads_to(HOME)
        answer.delete_cookie(COOKIE, path="/console", httponly=True, samesite="Strict")
        return answer

    async def file(self, name: str) -> Response:
        if name not in self._sight.files:
            return await self.nowhere()
        data, kind = self._sight.files[name]
        return Response(data, content_type=kind)

    async def nowhere(self, rest: str = "") -> Response:
        return self._sight.page("refused", 404, reason=f"There is nothing at /console/{rest}")

    async def refused(self, error: Refused) -> Response:
        status = 404 if error.code.startswith("unknown") else 409
        return self._sight.page("refused", status, reason=str(error))

    def _asked(self, status: int, wrong: str, to: str = "") -> Response:
        """The page that asks for a key, and afterwards leads where somebody wanted to go."""
        if request.method == "GET":
            to = request.full_path.rstrip("?")
        leads = to if is_room(to) else HOME
        return self._sight.page("login", status, wrong=wrong, leads=leads)

    def _is_ours(self) -> bool:
        """Does this form come from a page of ours? Browsers say from where with every POST."""
        try:
            came_from = urlsplit(request.headers.get("Origin", "")).netloc
        except ValueError:  # no browser says such a place
            return False
        return bool(came_from) and came_from in (request.host, self._ours)


def is_room(path: str) -> bool:
    """Is this a place of the console, to which somebody may be led?"""
    place = path.partition("?")[0].partition("#")[0]
    return (
        place != f"{HOME}login"
        and place.startswith(HOME)
        # Browsers take steps upwards before they ask, written either way.
        and "/." not in place
        and "%2e" not in place.casefold()
        and path.isprintable()
        and "\\" not in path
    )
