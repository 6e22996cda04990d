"""The mailbox, where there is a Maildir; and one mail: why it went, how it looks, what can be done.

A mail is shown in a frame that runs nothing, sends nothing and leads nowhere: its links, and the
pictures by which an opening would be seen, are the customer's, and an operator who looks is none.
"""

from __future__ import annotations

from typing import Final

from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from actors.asked import Refused
from actors.web.console.letters import FRAME_HEADERS, inert, read
from actors.web.console.people import zone_of_customer
from actors.web.console.sight import Found, Sight

IN_MAILBOX: Final = 100


class Mails:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/mailbox", "mailbox", self.mailbox, methods=["GET"])
        pages.add_url_rule("/mail", "mail", self.show, methods=["GET"])
        pages.add_url_rule("/mail/html", "mail_html", self.html, methods=["GET"])

    async def mailbox(self) -> Response:
        """What was handed over last, by customer where one is named: the mails of the Maildir."""
        customer = request.args.get("customer", "")
        found = await self._sight.ask(
            "queue", state="accepted", customer=customer, limit=IN_MAILBOX
        )
        return self._sight.page("mailbox", mails=found["mails"], customer=customer, most=IN_MAILBOX)

    async def show(self) -> Response:
        mail_id = request.args.get("id", "")
        why = await self._sight.ask("why", mail=mail_id)
        found, wrong = await self._letter(why["mail"])
        return self._sight.page(
            "mail",
            why=why,
            found=found,
            wrong=wrong,
            letter=None if found is None else read(found["message"].encode()),
            zone=await zone_of_customer(self._sight, why["customer"]),
        )

    async def html(self) -> Response:
        found = await self._sight.ask("mail", mail=request.args.get("id", ""))
        page = read(found["message"].encode()).html
        if not page:
            raise NotFound
        return Response(inert(page), content_type="text/html; charset=utf-8", headers=FRAME_HEADERS)

    async def _letter(self, mail_id: str) -> tuple[Found | None, str]:
        """The mail; or why it cannot be shown."""
        try:
            return await self._sight.ask("mail", mail=mail_id), ""
        except Refused as refused:
            return None, str(refused)
