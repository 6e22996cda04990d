"""Why a mail went: the event, the rule, the values it saw, and what became of it.

Read from the journal alone, so it answers for a mail of last year as for one of a minute ago, with
a running service and without.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import msgspec

from actors.store import port
from ecrm import calendar, explain, facts, mail
from ecrm.errors import EcrmError
from ecrm.mail import MARKETING, Mail
from ecrm.moment import Instant, Seq, format_instant, parse_instant
from ecrm.programme import MailStep, Programme
from ecrm.triggers import SENT
from proto import record

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Turns read at once, from the newest back.
PAGE = 200

Programmes = dict[str, Programme]


class Unknown(EcrmError):
    """There is no such mail."""


class Why(msgspec.Struct, frozen=True):
    """`event` is what the stay began with, `heard_at` when that turn was taken and `message` the
    `messageId` of what the shop told in it; `decided` is the local time of the decision. `rule` is
    the step as it stands today; `seen` the values that its conditions looked at; `over` the mails
    that gave way to this one; `story` every fact about the mail, with its instant.
    """

    mail: str
    customer: str
    kind: str
    to: str
    event: str
    message: str
    heard_at: str
    decided: str
    rule: str
    seen: dict[str, str | int | bool]
    over: tuple[str, ...]
    story: tuple[tuple[str, str], ...]


class _Turn(msgspec.Struct, frozen=True):
    at: Instant
    message: bytes
    facts: tuple[facts.AnyFact, ...]


async def why(store: port.Store, programmes: Programmes, mail_id: str) -> Why:
    """Why a mail was decided on, named by its id, its Message-ID or its file. Raises Unknown."""
    named = _ID.search(mail_id)
    mail_id = named[0] if named else mail_id
    row = await store.mail(mail_id)
    if row is None:
        raise Unknown(f"there is no mail {mail_id}: ids are in `queue`, and in each Message-ID")
    wanted = mail.decode(row)
    turns = [turn async for turn in _turns(store, wanted)]
    told = [(turn.at, fact) for turn in turns for fact in turn.facts]
    asked = next(
        (fact for _, fact in told if isinstance(fact, facts.MailRequested) and _is(fact, mail_id)),
        facts.MailRequested("", wanted),
    )
    about = _about(told, asked.key, mail_id)
    story = [(format_instant(at), explain.sentence(fact)) for at, fact in about]
    opened = _opening(turns, asked)
    return Why(
        mail=mail_id,
        customer=wanted.customer_id,
        kind=wanted.kind,
        to=wanted.to,
        event="" if opened is None else _event(opened, asked.key),
        message="" if opened is None else _message(opened),
        heard_at="" if opened is None else format_instant(opened.at),
        decided=_local(wanted),
        rule=_rule(programmes, wanted),
        seen=asked.seen,
        over=tuple(_gave_way(turns, asked)),
        story=tuple(sorted((*story, *_heard_too_late(told, asked.key, mail_id)), key=_instant)),
    )


async def _turns(store: port.Store, wanted: Mail) -> AsyncIterator[_Turn]:
    """All turns of the customer, oldest first."""
    pages: list[list[port.JournalRow]] = []
    before: Seq | None = None
    while page := await store.journal(wanted.customer_id, before=before, limit=PAGE):
        pages.append(page)
        before = page[0].seq
        if before == 0:
            break
    for page in reversed(pages):
        for row in page:
            yield _Turn(row.at, row.message, facts.decode(row.facts))


def _is(fact: facts.AnyFact, mail_id: str) -> bool:
    return isinstance(fact, facts.MailRequested) and fact.mail.mail_id == mail_id


def _about(
    told: list[tuple[Instant, facts.AnyFact]], key: str, mail_id: str
) -> list[tuple[Instant, facts.AnyFact]]:
    """What is told of the mail's stay, from its beginning, and of the mail itself."""
    found: list[tuple[Instant, facts.AnyFact]] = []
    asked = False
    for at, fact in told:
        if isinstance(fact, facts.Enrolled) and fact.key == key and not asked:
            found.clear()
        asked = asked or _is(fact, mail_id)
        of_stay = getattr(fact, "key", None) == key and not asked
        if of_stay or _is(fact, mail_id) or getattr(fact, "mail_id", None) == mail_id:
            found.append((at, fact))
    return found


def _heard_too_late(
    told: list[tuple[Instant, facts.AnyFact]], key: str, mail_id: str
) -> Iterator[tuple[str, str]]:
    """What would have stopped the mail, had it been heard in time: it happened before the mail left
    and was told only afterwards (wire §1).
    """
    left_at: Instant | None = None
    happened: facts.Happened | None = None
    for at, fact in told:
        match fact:
            case facts.Heard(outcome=outcome) if fact.mail_id == mail_id and outcome in SENT:
                left_at = at
            case facts.Happened():
                happened = fact
            case facts.Left(key=of, reason="stop_condition") if of == key:
                if left_at is not None and happened is not None and happened.occurred < left_at:
                    occurred = format_instant(happened.occurred)
                    news = f"{happened.event} was heard, which had happened at {occurred}"
                    yield (
                        format_instant(at),
                        f"{news}, before this mail left: heard in time, it would have stopped it",
                    )
                return
            case facts.Finished(key=of) if of == key:
                return
            case _:
                pass


def _opening(turns: list[_Turn], asked: facts.MailRequested) -> _Turn | None:
    """The turn in which the stay began; of one that goes round and round, its first round."""
    opened: _Turn | None = None
    for turn in turns:
        for fact in turn.facts:
            if isinstance(fact, facts.Enrolled) and fact.key == asked.key and not fact.round:
                opened = turn
            if fact is asked:
                return opened
    return None


def _event(opened: _Turn, key: str) -> str:
    """What set the stay off, and what its turn was about, which the first fact of each tells."""
    began = next(
        fact
        for fact in opened.facts
        if isinstance(fact, facts.Enrolled) and fact.key == key and not fact.round
    )
    about = explain.sentence(opened.facts[0])
    return f"{began.because}: {about} ({format_instant(opened.at)})"


def _message(opened: _Turn) -> str:
    """What the shop calls the message of a turn; empty where the turn is about a word of ours."""
    if not isinstance(opened.facts[0], facts.Happened):
        return ""
    said = record.plain(opened.message)
    assert isinstance(said, dict)
    # A message that never was on a wire is kept by the names of its fields.
    return str(said.get("messageId") or said.get("message_id") or "")


def _instant(told: tuple[str, str]) -> Instant:
    return parse_instant(told[0])


def _local(wanted: Mail) -> str:
    zone = calendar.zone_of(wanted.zone)
    if zone is None:
        return format_instant(wanted.at)
    return f"{calendar.local(wanted.at, zone):%Y-%m-%d %H:%M} {wanted.zone}"


def _gave_way(turns: list[_Turn], asked: facts.MailRequested) -> Iterator[str]:
    """The mails that were wanted at the same instant, and waited for this one or did not go."""
    made = next((turn.facts for turn in turns if asked in turn.facts), (asked,))
    for fact in made[made.index(asked) + 1 :]:
        match fact:
            case facts.MailRequested(mail=other) if other.mail_class == MARKETING:
                return
            case facts.MailDeferred(key=key, reason="arbitration"):
                yield f"{fact.kind} {fact.step} of {key}, until {format_instant(fact.until)}"
            case facts.MailWithheld(key=key, reason="arbitration"):
                yield f"{fact.kind} {fact.step} of {key}, not sent: {fact.detail}"
            case _:
                pass


def _rule(programmes: Programmes, wanted: Mail) -> str:
    one = programmes.get(wanted.programme)
    step = one.step(wanted.step) if one is not None else None
    if one is None or not isinstance(step, MailStep):
        return f"{wanted.programme}/{wanted.step} is gone or switched off"
    return "; ".join(_clauses(one, step))


def _clauses(one: Programme, step: MailStep) -> Iterator[str]:
    yield f"{one.name}/{step.name} {step.delay}"
    if step.at is not None:
        yield f"at {step.at} local time"
    yield f"enrols when {one.when}"
    yield f"sends when {step.when}"
    yield f"{step.mail_class}, basis {step.basis}"
    yield str(step.late)
