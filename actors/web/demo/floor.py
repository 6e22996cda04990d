"""What every page of the demo shop has in common: its session, its frame, its policy.

A session begins with a page that is shown, never with a POST: who has no cookie of ours, or comes
from another site's page, changes nothing here. Scripts, styles and pictures are our own, and
nothing is asked of another host but the gateway's websocket.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

import msgspec
from quart import Response, g, redirect, request
from werkzeug.exceptions import Forbidden

from actors.web.demo.backend import Backend
from actors.web.demo.goods import CATEGORIES
from actors.web.demo.till import Bill, Refused, bill, coupon
from actors.web.demo.visitors import COOKIE, Session, Sessions
from actors.web.look import Look
from ecrm.state import Offered

ROOT: Final = "/demo/"
LANGUAGES: Final = ("fr", "en")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]")


class Floor:
    """`key` is the publishable key of the pages; `gateway` the port of the websockets."""

    def __init__(
        self, backend: Backend, sessions: Sessions, look: Look, key: str, gateway: int
    ) -> None:
        self.backend = backend
        self._sessions = sessions
        self._look = look
        self._key = key
        self._gateway = gateway

    def enter(self) -> Session:
        """The session of whoever looks at a page; a new one for who is new."""
        session = self._sessions.find(request.cookies.get(COOKIE))
        if session is None:
            wanted = self._look.language_of(*request.accept_languages.values())
            g.new_session, session = self._sessions.begin(wanted)
        return session

    def known(self) -> Session:
        """The session of who wants something done. Raises Forbidden."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Forbidden
        session = self._sessions.find(request.cookies.get(COOKIE))
        if session is None:
            raise Forbidden
        return session

    async def bill(self, session: Session) -> Bill:
        """What the cart costs; a coupon that is good no more is let go, in words."""
        return bill(session.cart, await self._offer(session), session.shipping)

    async def _offer(self, session: Session) -> Offered | None:
        if not session.coupon:
            return None
        try:
            return await self.offer(session, session.coupon)
        except Refused as refused:
            session.coupon, session.notice = "", str(refused)
            return None

    async def offer(self, session: Session, typed: str) -> Offered:
        """Raises Refused."""
        state = await self.backend.state(session)
        goods = bill(session.cart, None, session.shipping).goods
        return coupon(typed, state, self.backend.clock.now(), goods)

    def page(self, name: str, session: Session, status: int = 200, **values: object) -> Response:
        """A page of the shop, and what it is to say through the SDK."""
        return self.part(
            name,
            session,
            status,
            notice=session.notices(),
            says=msgspec.json.encode(session.says()).decode(),
            categories=CATEGORIES,
            languages=LANGUAGES,
            key=self._key,
            socket=self._socket(),
            path=request.path,
            **values,
        )

    def part(self, name: str, session: Session, status: int = 200, **values: object) -> Response:
        return self._look.page(name, session.language, status, session=session, **values)

    def language_of(self, wanted: str) -> str:
        return wanted if wanted in LANGUAGES else LANGUAGES[0]

    def secured(self, response: Response) -> Response:
        """Every answer under `/demo/`, before what all pages of the service have."""
        sockets = f" {socket}" if (socket := self._socket()) else ""
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self'{sockets}; frame-src 'self'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        response.headers.setdefault("Content-Security-Policy", policy)
        name = g.get("new_session")
        if name is not None:
            response.set_cookie(
                COOKIE, name, path=ROOT, httponly=True, samesite="Lax", secure=request.is_secure
            )
        return response

    def _socket(self) -> str:
        """Where the gateway is for this browser; nowhere for a page of https, which may not open
        it: the SDK then speaks HTTP.
        """
        host = urlsplit(f"//{request.host}").netloc.rpartition("@")[2]
        named = _HOST.match(host)
        if request.is_secure or named is None:
            return ""
        return f"ws://{named[0]}:{self._gateway}"


def back(where: str = "") -> Response:
    """On to another page, with GET."""
    return redirect(f"{ROOT}{where}", 303)  # type: ignore[return-value]  # werkzeug's, of our kind
