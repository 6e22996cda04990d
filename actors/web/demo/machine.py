"""The machine room: the panel beside the shop, the mails in it, and its clock.

The clock is everybody's, as there is one service; all else is the session's own. A mail is shown in
a frame that runs nothing and may lead only the whole window away, when its reader wants to.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Final

import trio
from quart import Blueprint, Response, request
from werkzeug.exceptions import BadRequest, Conflict, NotFound

from actors.clock import WarpClock
from actors.compose import Composer, Message
from actors.web.demo.floor import Floor
from actors.web.demo.panel import Panel, Times
from actors.web.demo.visitors import Session
from ecrm import errors, mail, moment

PUSHES: Final = ("10min", "3h", "1d", "15d")
# Seconds: a push that takes longer stops where it is, and may be asked for again.
PUSHED_WITHIN: Final = 50

HEADERS: Final = (
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe",
    "List-Unsubscribe-Post", "List-Id", "Auto-Submitted", "Content-Type",
)  # fmt: skip


class Machine:
    def __init__(
        self, floor: Floor, panel: Panel, composer: Composer, clock: WarpClock, zone: str
    ) -> None:
        self._floor = floor
        self._panel = panel
        self._composer = composer
        self._clock = clock
        self._zone = zone
        self._pushes = trio.Lock()

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/panel", "panel", self.show, methods=["GET"])
        pages.add_url_rule("/clock", "clock", self.push, methods=["POST"])
        pages.add_url_rule("/mails/<mail_id>", "mail", self.mail, methods=["GET"])
        pages.add_url_rule("/mails/<mail_id>/source", "source", self.source, methods=["GET"])

    async def show(self) -> Response:
        session = self._floor.known()
        if session.person is None:
            session.knows(request.args.get("visitor", ""))
        now = self._clock.now()
        return self._floor.part(
            "panel",
            session,
            view=await self._panel.view(session),
            now=now,
            times=Times(session.language, self._zone, now),
        )

    async def push(self) -> Response:
        """Push the clock; back when everything due by then is done. One push at a time."""
        session = self._floor.known()
        wanted = (await request.form).get("advance", "")
        if wanted not in PUSHES:
            raise BadRequest
        if self._pushes.locked():
            raise Conflict
        async with self._pushes:
            span = moment.parse_duration(wanted)
            with trio.move_on_after(PUSHED_WITHIN) as patience:
                await self._clock.advance(moment.later(self._clock.now(), span))
        if patience.cancelled_caught:
            return self._floor.part("late", session, 504)
        return Response(b"", 204)

    async def mail(self, mail_id: str) -> Response:
        written = await self._read(self._floor.known(), mail_id)
        # In a mail program links open a window; here they take this one along.
        html = written.html.replace("<head>", '<head><base target="_top">', 1)
        html = html.replace('target="_blank"', 'target="_top"')
        page = Response(html, content_type="text/html; charset=utf-8")
        home = f"{request.scheme}://{request.host}"
        page.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'unsafe-inline'; img-src {home} https:; "
            "form-action 'none'; frame-ancestors 'self'; "
            "sandbox allow-top-navigation-by-user-activation"
        )
        return page

    async def source(self, mail_id: str) -> Response:
        """The text part and the headers, as a page's script puts them there: as text."""
        session = self._floor.known()
        written = await self._read(session, mail_id)
        read = message_from_bytes(written.bytes, policy=policy.default)
        shown = [(name, str(read[name])) for name in HEADERS if read[name] is not None]
        return self._floor.part("source", session, text=written.text, headers=shown)

    async def _read(self, session: Session, mail_id: str) -> Message:
        """A mail of one of the session's people. Raises NotFound: also of somebody else's."""
        found = await self._floor.backend.store.mail(mail_id)
        if found is None:
            raise NotFound
        wanted = mail.decode(found)
        if wanted.customer_id not in session.people or not wanted.lane:
            raise NotFound
        try:
            return self._composer.compose(wanted)
        except (errors.Rejected, errors.Misconfigured):
            raise NotFound from None
