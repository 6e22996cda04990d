"""Unsubscribing: in one click from the mailbox (RFC 8058), and by a page for people.

The mailbox posts to the link of `List-Unsubscribe` and gets 200, never a redirect; it needs no
cookie, no user agent, and nothing but the token. A GET changes nothing: scanners get everything. To
ask twice is to ask once. No verdict about machines is ever asked here.

These links do not expire: they work for as long as it can be found whose mail it was. Where that is
not known any more nothing can be noted, and to answer 200 would be a lie: the page says so (410)
and what to do instead. It takes no address to type, for then anybody could unsubscribe others.
"""

from __future__ import annotations

from typing import Final

from quart import Blueprint, Response, request

from actors.web.desk import Desk, Forgotten, Visit
from actors.web.look import Look
from ecrm import consent
from proto import events

ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")


class Leaving:
    def __init__(self, desk: Desk, look: Look) -> None:
        self._desk = desk
        self._look = look

    def blueprint(self) -> Blueprint:
        pages = Blueprint("leaving", __name__)
        pages.add_url_rule("/u/<token>", "ask", self.ask, methods=["GET"])
        pages.add_url_rule("/u/<token>", "leave", self.leave, methods=["POST"])
        pages.register_error_handler(Forgotten, self.old)
        return pages

    async def old(self, _error: Forgotten) -> Response:
        language = self._look.language_of(*request.accept_languages.values())
        return self._look.page("old", language, 410)

    async def ask(self, token: str) -> Response:
        return self._show("leave", await self._desk.visit("unsubscribe", token, strangers=True))

    async def leave(self, token: str) -> Response:
        visit = await self._desk.visit("unsubscribe", token, strangers=True)
        form = await request.form
        if visit.mail.stranger:
            await self._desk.invite_no_more(visit)
        else:
            # An account that is gone meanwhile gets no letters: the answer is the same.
            source = "one-click" if ONE_CLICK in form.items(multi=True) else "page"
            await self._desk.tell(visit, [_denied(source)])
        return self._show("left", visit)

    def _show(self, page: str, visit: Visit) -> Response:
        language = self._look.language_of(visit.mail.locale)
        preferences = "" if visit.mail.stranger else self._desk.way(visit, "preferences")
        return self._look.page(
            page, language, preferences=preferences, stranger=visit.mail.stranger
        )


def _denied(source: str) -> events.ConsentUpdated:
    return events.ConsentUpdated(purpose=consent.MARKETING_PURPOSE, state="denied", source=source)
