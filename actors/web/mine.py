"""My data: see what is known, take it along as JSON, have it erased (delivery §2.4).

The address of a page here is that of the preference centre with a word behind it: the same token,
the same reader. Erasing is asked for by one page and done by another, never by a GET.
"""

from __future__ import annotations

from typing import Final

import msgspec
from quart import Blueprint, Response

from actors.store.rows import QueueRow
from actors.web.desk import Desk, Visit
from actors.web.look import Look
from ecrm import errors, facts, mail, moment
from ecrm.moment import CustomerId, Instant
from ecrm.state import State
from proto import events

# More mails than these are in the file, the page shows the newest.
SHOWN: Final = 50
ALL: Final = 10_000
ACCEPTED: Final = ("accepted", "accepted_unknown")


class Sent(msgspec.Struct, frozen=True):
    """A mail, in the export."""

    at: str
    kind: str
    programme: str
    state: str


class Shown(msgspec.Struct, frozen=True):
    """A mail, on the page; `view` is where it can be read again, empty where it cannot."""

    at: Instant
    subject: str
    view: str
    sent: bool


class Export(msgspec.Struct, frozen=True):
    """Everything that is known of a person: the state as it is, its past, what was sent."""

    customer: str
    at: str
    state: State
    mails: list[Sent]
    history: list[facts.AnyFact]


class Mine:
    def __init__(self, desk: Desk, look: Look) -> None:
        self._desk = desk
        self._look = look

    def blueprint(self) -> Blueprint:
        pages = Blueprint("mine", __name__)
        pages.add_url_rule("/p/<token>/data", "see", self.see, methods=["GET"])
        pages.add_url_rule("/p/<token>/data.json", "take", self.take, methods=["GET"])
        pages.add_url_rule("/p/<token>/erase", "ask", self.ask, methods=["GET"])
        pages.add_url_rule("/p/<token>/erase", "erase", self.erase, methods=["POST"])
        return pages

    async def see(self, token: str) -> Response:
        visit = await self._desk.visit("preferences", token)
        state = await self._desk.own_state(visit)
        rows = await self._mails(state.customer_id, SHOWN)
        mails = [one for row in rows if (one := await self._shown(row)) is not None]
        orders = sorted(state.orders.values(), key=lambda order: -(order.placed_at or 0))
        return self._page("data", visit, state, mails=mails, orders=orders)

    async def take(self, token: str) -> Response:
        visit = await self._desk.visit("preferences", token)
        state = await self._desk.own_state(visit)
        who = state.customer_id
        rows = await self._desk.store.journal(who, before=None, limit=ALL)
        export = Export(
            customer=who,
            at=moment.format_instant(self._desk.clock.now()),
            state=state,
            mails=[_sent(row) for row in await self._mails(who, ALL)],
            history=[fact for row in rows for fact in facts.decode(row.facts)],
        )
        body = msgspec.json.format(msgspec.json.encode(export), indent=1)
        found = Response(body, content_type="application/json")
        found.headers["Content-Disposition"] = 'attachment; filename="my-data.json"'
        return found

    async def ask(self, token: str) -> Response:
        visit = await self._desk.visit("preferences", token)
        return self._page("erase", visit, await self._desk.own_state(visit))

    async def erase(self, token: str) -> Response:
        visit = await self._desk.visit("preferences", token)
        state = await self._desk.own_state(visit)
        await self._desk.tell(visit, [events.AccountDeleted()])
        return self._page("erased", visit, state)

    async def _shown(self, row: QueueRow) -> Shown | None:
        """None of a mail that is gone meanwhile, or that went to a stranger in the name of this
        customer.
        """
        sent = row.state in ACCEPTED
        if not row.lane:
            # What holds a code is not shown again, to nobody.
            return Shown(row.at, "", "", sent=sent)
        found = await self._desk.store.mail(row.mail_id)
        if found is None or (wanted := mail.decode(found)).stranger:
            return None
        try:
            subject = self._desk.composer.subject(wanted)
        except (errors.Rejected, errors.Misconfigured):
            # Of a template that there is no more: its programme's name is better than no page.
            subject = row.programme
        return Shown(row.at, subject, self._desk.path("view", row.mail_id), sent=sent)

    async def _mails(self, who: CustomerId, limit: int) -> list[QueueRow]:
        return await self._desk.store.queue_rows(None, who, limit)

    def _page(self, name: str, visit: Visit, state: State, **values: object) -> Response:
        language = self._look.language_of(state.person.locale, visit.mail.locale)
        path = self._desk.way(visit, "preferences")
        return self._look.page(name, language, 200, path=path, state=state, **values)


def _sent(row: QueueRow) -> Sent:
    at = moment.format_instant(row.at)
    return Sent(at=at, kind=row.kind, programme=f"{row.programme}/{row.step}", state=row.state)
