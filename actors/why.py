"""Why a mail went: the event, the rule, the values it saw, and what became of it.

Read from the journal alone, so it answers for a mail of last year as for one of a minute ago, with
a running service and without.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import msgspec

from actors.store import port
from ecrm import explain, facts, mail
from ecrm.errors import EcrmError
from ecrm.mail import Mail
from ecrm.moment import Instant, Seq, format_instant
from ecrm.programme import MailStep, Programme
from ecrm.triggers import SENT

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Turns read at once, from the newest back.
PAGE = 200

Programmes = dict[str, Programme]


class Unknown(EcrmError):
    """There is no such mail."""


class Why(msgspec.Struct, frozen=True):
    """`event` is what the stay began with; `rule` the step as it stands today; `seen` the values
    that its conditions looked at; `story` every fact about the mail, with its instant.
    """

    mail: str
    customer: str
    kind: str
    to: str
    event: str
    rule: str
    seen: dict[str, str | int | bool]
    story: tuple[tuple[str, str], ...]


async def why(store: port.Store, programmes: Programmes, mail_id: str) -> Why:
    """Why a mail was decided on, named by its id, its Message-ID or its file. Raises Unknown."""
    named = _ID.search(mail_id)
    mail_id = named[0] if named else mail_id
    row = await store.mail(mail_id)
    if row is None:
        raise Unknown(f"there is no mail {mail_id}: ids are in `queue`, and in each Message-ID")
    wanted = mail.decode(row)
    told = [turn async for turn in _turns(store, wanted)]
    asked = next(
        (fact for _, fact in told if isinstance(fact, facts.MailRequested) and _is(fact, mail_id)),
        facts.MailRequested("", wanted),
    )
    about = _about(told, asked.key, mail_id)
    story = [(format_instant(at), explain.sentence(fact)) for at, fact in about]
    began = next((fact for _, fact in about if isinstance(fact, facts.Enrolled)), None)
    return Why(
        mail=mail_id,
        customer=wanted.customer_id,
        kind=wanted.kind,
        to=wanted.to,
        event=_event(told, began),
        rule=_rule(programmes, wanted),
        seen=asked.seen,
        story=(*story, *_heard_too_late(told, asked.key, mail_id)),
    )


async def _turns(store: port.Store, wanted: Mail) -> AsyncIterator[tuple[Instant, facts.AnyFact]]:
    """All facts of the customer, oldest first, with their instants."""
    pages: list[list[port.JournalRow]] = []
    before: Seq | None = None
    while page := await store.journal(wanted.customer_id, before=before, limit=PAGE):
        pages.append(page)
        before = page[0].seq
        if before == 0:
            break
    for page in reversed(pages):
        for row in page:
            for fact in facts.decode(row.facts):
                yield row.at, fact


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


def _event(told: list[tuple[Instant, facts.AnyFact]], began: facts.Enrolled | None) -> str:
    """What set the stay off, and what was told in the turn in which it did."""
    if began is None:
        return ""
    opening = ""
    for at, fact in told:
        if isinstance(fact, facts.Happened | facts.Ticked | facts.Heard | facts.Announced):
            opening = f"{explain.sentence(fact)} ({format_instant(at)})"
        if fact is began:
            break
    return f"{began.because}: {opening}"


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
