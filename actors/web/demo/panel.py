"""What the panel shows of one life: what the actor knows, awaits, has sent and has not, and why.

Read from the same rows as the operators' console, and about the people of one session alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from babel import dates

from actors.compose import Composer
from actors.store.rows import QueueRow
from actors.web.demo.backend import Backend
from actors.web.demo.visitors import Session
from ecrm import consent, errors, facts, mail
from ecrm.moment import CustomerId, Instant
from ecrm.programme import MailStep
from ecrm.rules import Rules
from ecrm.state import Offered, State, total_of

MAILS: Final = 50
TURNS: Final = 200
UNSENT: Final = 30


class Stay(msgspec.Struct, frozen=True):
    """A programme that somebody is in, and the step it awaits; `kind` is empty for a mark."""

    programme: str
    step: str
    kind: str
    due: Instant


class Posted(msgspec.Struct, frozen=True):
    """A mail that was decided on; `readable` unless it tells a code."""

    mail_id: str
    kind: str
    subject: str
    at: Instant
    state: str
    readable: bool


class Unsent(msgspec.Struct, frozen=True):
    kind: str
    step: str
    reason: str
    detail: str
    at: Instant


class Known(msgspec.Struct, frozen=True):
    """The state in a few words; sums in minor units. `agreed` is None where nobody ever said."""

    name: str
    email: str
    agreed: bool | None
    pieces: int
    cart: int
    step: str
    orders: int
    spent: int
    offers: tuple[Offered, ...]
    turns: int


class View(msgspec.Struct, frozen=True):
    who: CustomerId | None
    known: Known | None
    stays: tuple[Stay, ...]
    mails: tuple[Posted, ...]
    unsent: tuple[Unsent, ...]


class Panel:
    def __init__(self, backend: Backend, composer: Composer, rules: Rules) -> None:
        self._backend = backend
        self._composer = composer
        self._rules = rules

    async def view(self, session: Session) -> View:
        who, state = session.who, await self._backend.state(session)
        if who is None or state is None or (state.bound_to is not None and state.is_visitor):
            return View(who, None, (), (), ())
        rows = await self._backend.store.queue_rows(None, who, MAILS)
        return View(
            who,
            _known(state, self._backend.clock.now()),
            tuple(self._stays(state)),
            tuple([await self._posted(row) for row in rows]),
            tuple(await self._unsent(who)),
        )

    def _stays(self, state: State) -> Iterator[Stay]:
        for due, key in sorted((due, key) for key, due in state.timers.items()):
            stay = state.enrolments[key]
            programme = self._rules.programmes.get(stay.programme)
            steps = programme.steps if programme is not None else ()
            step = next((one for one in steps if one.name == stay.step), None)
            kind = step.kind if isinstance(step, MailStep) else ""
            yield Stay(stay.programme, stay.step, kind, due)

    async def _posted(self, row: QueueRow) -> Posted:
        found = await self._backend.store.mail(row.mail_id) if row.lane else None
        subject = f"{row.programme}/{row.step}"
        if found is not None:
            try:
                subject = self._composer.subject(mail.decode(found))
            except (errors.Rejected, errors.Misconfigured):
                found = None
        return Posted(row.mail_id, row.kind, subject, row.at, row.state, found is not None)

    async def _unsent(self, who: CustomerId) -> list[Unsent]:
        """The newest first."""
        rows = await self._backend.store.journal(who, before=None, limit=TURNS)
        told = [
            found
            for row in rows
            for fact in facts.decode(row.facts)
            if (found := _not_sent(fact, row.at)) is not None
        ]
        return sorted(told, key=lambda one: -one.at)[:UNSENT]


def _known(state: State, now: Instant) -> Known:
    said = state.consents.get(consent.MARKETING_PURPOSE)
    lines = state.cart.lines if state.cart is not None else ()
    return Known(
        name=state.person.first_name,
        email=state.person.email,
        agreed=said.granted if said is not None else None,
        pieces=sum(line.quantity for line in lines),
        cart=total_of(lines),
        step=state.cart.step if state.cart is not None else "",
        orders=state.purchases.count,
        spent=state.purchases.total,
        offers=tuple(one for one in state.offers if one.until >= now),
        turns=state.seq,
    )


def _not_sent(fact: facts.AnyFact, at: Instant) -> Unsent | None:
    match fact:
        case facts.MailWithheld():
            return Unsent(fact.kind, fact.step, fact.reason, fact.detail, at)
        case facts.Left(kind=kind) if kind:
            return Unsent(kind, fact.step, fact.reason, fact.detail, at)
        case facts.MailRetracted():
            return Unsent(fact.kind, "", "taken back", fact.because, at)
        case _:
            return None


class Times:
    """Instants as the panel writes them, in a language and a time zone."""

    def __init__(self, language: str, zone: str, now: Instant) -> None:
        self._language = language
        self._zone = dates.get_timezone(zone)
        self._now = now

    def when(self, at: Instant) -> str:
        """`lun. 23 nov., 09:05`; with the year where it is another one."""
        other = self._local(at).year != self._local(self._now).year
        shape = "EEE d MMM y, HH:mm" if other else "EEE d MMM, HH:mm"
        return dates.format_datetime(self._local(at), shape, locale=self._language)

    def clock(self, at: Instant) -> str:
        return dates.format_datetime(self._local(at), "EEEE d MMMM y, HH:mm", locale=self._language)

    def until(self, at: Instant) -> str:
        """`dans 10 minutes`."""
        left = timedelta(milliseconds=max(at - self._now, 0))
        return dates.format_timedelta(
            left, granularity="minute", threshold=1, add_direction=True, locale=self._language
        )

    def _local(self, at: Instant) -> datetime:
        return datetime.fromtimestamp(at / 1_000, UTC).astimezone(self._zone)
