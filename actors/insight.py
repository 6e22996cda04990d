"""Insight: why not, what next, and what was; for the console and for a store at rest (wire §4).

Each op reads one customer and answers with plain values; nothing is changed. The rules and the shop
around (catalogue, budgets, cut points) are those of today, also for a look into the past.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from actors import travel
from actors.asked import Op, Plain, Refused, Request
from actors.catalogue import Catalogue
from actors.compose import Composer
from actors.ledger import Ledger
from actors.mistakes import near
from actors.store import port
from actors.surroundings import around
from ecrm import calendar, customer, explain, facts, messages, moment, programmes
from ecrm.around import Around
from ecrm.errors import Misconfigured, Rejected
from ecrm.explain import difference, words
from ecrm.explain.why_not import why_not
from ecrm.forecast import DAYS, Coming, Forecast, Moved, Surrounding, Unsent, forecast
from ecrm.mail import Mail
from ecrm.moment import CustomerId, Instant, instant_of
from ecrm.rules import Rules
from ecrm.state import VISITOR, State, encode, hash_of
from proto import events, reception
from proto.codec import JSON
from proto.envelope import Message
from proto.frames import Reject

# The console answers others as well: nobody waits for a longer forecast, or walk.
FARTHEST: Final = 400
STEPS, MOST_STEPS = 3, 50


class Insight:
    """`now` reads the clock that customers live by."""

    def __init__(
        self,
        rules: Rules,
        catalogue: Catalogue,
        ledger: Ledger,
        store: port.Store,
        composer: Composer,
        now: Callable[[], Instant],
    ) -> None:
        self._rules = rules
        self._catalogue = catalogue
        self._ledger = ledger
        self.store = store
        self._composer = composer
        self._now = now
        self.ops: dict[str, Op] = {
            "why-not": self.why_not,
            "forecast": self.forecast,
            "at": self.at,
        }

    async def why_not(self, request: Request) -> Plain:
        """Why a customer got no mail of a programme (until an instant)."""
        who, name = _named(request), request.programme
        known = sorted({*self._rules.programmes, *(one.name for one in programmes.ALL)})
        if name not in known:
            hint = near(name, known) if name else ": why-not c42 review"
            raise Refused("unknown_programme", f"no programme is called {name!r}{hint}")
        if request.language not in words.LANGUAGES:
            raise Refused("invalid", f"a language is one of: {', '.join(words.LANGUAGES)}")
        at = self._instant(request.at)
        past = await travel.past(self.store, who, at=at)
        until = self._now() if at is None else at
        found = why_not(self._rules, past.state, past.facts, name, until, self._around())
        story = [
            {"at": _day(line.at, found.zone), "what": words.tell(line, found, request.language)}
            for line in found.story
        ]
        return {
            "customer": who,
            "programme": name,
            "why_not": words.say(found, request.language),
            "at": moment.format_instant(found.at),
            "answer": difference.readable(msgspec.to_builtins(found.answer)),
            "changes": [
                difference.readable(msgspec.structs.asdict(change)) for change in found.changes
            ],
            "tried": found.tried,
            "goes_at": None if found.goes_at is None else _day(found.goes_at, found.zone),
            "story": story,
        }

    async def forecast(self, request: Request) -> Plain:
        """The next mails if nothing else happens, or if an event happens first."""
        who, days = _named(request), DAYS if request.days is None else request.days
        if not 0 <= days <= FARTHEST:
            raise Refused("invalid", f"a forecast is of 0 to {FARTHEST} days, not of {days}")
        past = await travel.past(self.store, who)
        now = max(self._now(), past.state.now)
        first = self._first(request, who, now)
        said = self._foreseen(past.state, now, days, first=first, past=past.facts)
        return {
            "customer": who,
            "now": moment.format_instant(said.now),
            "until": moment.format_instant(said.until),
            "what_if": first[0].event_name if first else "",
            "ends": said.ends,
            "queued": list(said.queued),
            "mails": [self._coming(one, full=request.full) for one in said.mails],
            "withheld": [_unsent(one, self._zone(past.state)) for one in said.unsent],
        }

    async def at(self, request: Request) -> Plain:
        """The state at a place of the past, the turns after it, and another event put first."""
        who, steps = _named(request), STEPS if request.steps is None else request.steps
        if not 0 <= steps <= MOST_STEPS:
            raise Refused("invalid", f"at most {MOST_STEPS} steps at once, not {steps}")
        if sum((request.seq is not None, request.turn is not None, bool(request.at))) > 1:
            why = "name a fact with seq, a turn with turn or an instant with at, not both"
            raise Refused("invalid", why)
        at = self._instant(request.at)
        past = await travel.past(self.store, who, seq=request.seq, turn=request.turn, at=at)
        state, now = past.state, max(at or past.at, past.at)
        branch = self._branch(request, state, now) if request.event is not None else {}
        return {
            "customer": who,
            "at": moment.format_instant(now),
            "seq": state.seq,
            "facts": past.last,
            "turn": past.number,
            "turns": past.count,
            "previous": None if past.lived is None else past.lived.seq,
            "next": past.following,
            "verified": ", ".join(f"snapshot at {seq}" for seq in past.verified) or "no snapshot",
            "hash": hash_of(encode(state)).hex(),
            "state": difference.plain(state),
            "step": None if past.lived is None else _stepped(past.lived),
            "steps": [_stepped(turn) for turn in past.turns(steps)],
            **branch,
        }

    def _branch(self, request: Request, state: State, now: Instant) -> Plain:
        """What differs where another event comes first: its facts, and the mails after it."""
        # After the turn, not with it: an order takes along what came into the cart until then.
        now = Instant(max(now, state.now + 1))
        (event,) = self._first(request, state.customer_id, now)
        at = moment.moment_of(state.customer_id, state.seq, now)
        taken = customer.turn(self._rules, state, event, at, self._around()(state, event, now))
        days = DAYS if request.days is None else request.days
        was = self._foreseen(state, now, days)
        then = self._foreseen(state, now, days, first=(event,))
        zone = self._zone(state)
        return {
            "what_if": event.event_name,
            "what_if_facts": [explain.sentence(fact) for fact in taken.facts],
            "what_if_changes": difference.lines(state, taken.after),
            "only_without": _only(was, then, zone),
            "only_with": _only(then, was, zone),
        }

    # What is looked at.

    def _around(self) -> Surrounding:
        """The shop as it is. The books are a copy: a look ahead must not begin a month in them."""
        books = self._ledger.copied()

        def near(state: State, message: messages.Incoming, now: Instant) -> Around:
            return around(self._rules, self._catalogue, books, state, message, now)

        return near

    def _foreseen(
        self,
        state: State,
        now: Instant,
        days: int,
        *,
        first: tuple[Message, ...] = (),
        past: tuple[facts.AnyFact, ...] = (),
    ) -> Forecast:
        span = moment.days(days)
        return forecast(
            self._rules, state, now, span=span, around=self._around(), first=first, past=past
        )

    def _first(self, request: Request, who: CustomerId, now: Instant) -> tuple[Message, ...]:
        """The event of a "what if", as the shop's back end would tell it now. Raises `Refused`."""
        if request.event is None:
            return ()
        key = "anonymousId" if who.startswith(VISITOR) else "userId"
        told = {key: who.removeprefix(VISITOR), "messageId": "what-if", **request.event}
        message = reception.receive(JSON, msgspec.json.encode(told), now, "secret")
        if isinstance(message, Reject):
            raise Refused("invalid", f"the event: {message.path}: {message.reason}")
        if told[key] != who.removeprefix(VISITOR):
            raise Refused("invalid", f"the event is about {told[key]}, the question about {who}")
        if message.event_name in events.BROADCAST:
            raise Refused("invalid", f"{message.event_name} concerns everybody, not one customer")
        enriched = self._catalogue.enrich(message)
        assert isinstance(enriched, Message)
        return (enriched,)

    def _instant(self, text: str) -> Instant | None:
        """An ISO 8601 date-time; without an offset it is in the shop's zone. What is to come is not
        looked at: it is now then.
        """
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise Refused(
                "invalid", f"{text!r} is no instant: write 2026-12-31T18:00, or with Z for UTC"
            ) from None
        told = instant_of(at if at.tzinfo else at.replace(tzinfo=self._rules.zone))
        return min(told, self._now())

    def _zone(self, state: State) -> str:
        known = calendar.zone_of(state.person.zone)
        return (known or self._rules.zone).key

    def _coming(self, one: Coming, *, full: bool) -> Plain:
        mail = one.mail
        found: Plain = {
            "at": moment.format_instant(one.at),
            "local": _day(one.at, mail.zone),
            "kind": mail.kind,
            "mail": f"{mail.programme}/{mail.step}",
            "subject": self._subject(mail),
            "moved": [_moved(moved, mail.zone) for moved in one.moved],
            "cancelled_by": list(one.cancels),
            "needs": one.needs,
        }
        return {**found, **self._letter(mail)} if full else found

    def _subject(self, mail: Mail) -> str:
        try:
            return self._composer.subject(mail)
        except (Rejected, Misconfigured) as error:
            # The mail that nobody can write is worth knowing of before its day.
            return f"cannot be written: {error}"

    def _letter(self, mail: Mail) -> Plain:
        try:
            letter = self._composer.compose(mail)
        except (Rejected, Misconfigured):
            return {"to": mail.to, "text": "", "html": ""}
        return {"to": mail.to, "text": letter.text, "html": letter.html}


def _named(request: Request) -> CustomerId:
    if not request.customer:
        raise Refused("missing", f"name a customer: {request.op} c42")
    return CustomerId(request.customer)


def _day(at: Instant | None, zone: str) -> str:
    """The local time, with its zone."""
    if at is None:
        return ""
    known = calendar.zone_of(zone)
    if known is None or at >= moment.NEVER:
        return moment.format_instant(at)
    return f"{calendar.local(at, known):%Y-%m-%d %H:%M} {zone}"


def _moved(moved: Moved, zone: str) -> str:
    why = f"{moved.reason}, {moved.detail}" if moved.reason else "put off before"
    return f"{_day(moved.since, zone)} → {_day(moved.until, zone)}: {why}"


def _unsent(one: Unsent, zone: str) -> Plain:
    return {
        "at": moment.format_instant(one.at),
        "local": _day(one.at, zone),
        "kind": one.kind,
        "mail": f"{one.key.partition('/')[0]}/{one.step}",
        "reason": one.reason,
        "detail": one.detail,
        "moved": [_moved(moved, zone) for moved in one.moved],
    }


def _only(these: Forecast, those: Forecast, zone: str) -> list[str]:
    """The mails of one forecast that the other has not, at the same instant."""
    others = {(one.key, one.mail.step, one.at) for one in those.mails}
    return [
        f"{_day(one.at, zone)} {one.mail.kind} {one.mail.programme}/{one.mail.step}"
        for one in these.mails
        if (one.key, one.mail.step, one.at) not in others
    ]


def _stepped(turn: travel.Turn) -> Plain:
    return {
        "seq": turn.seq,
        "at": moment.format_instant(turn.at),
        "facts": [explain.sentence(fact) for fact in turn.facts],
        "changes": difference.lines(turn.before, turn.after),
    }
