"""Teaching: what each command of the terminal is for, how it is typed, and an example of it.

Whoever types something that is not understood is told what is nearest to it.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

import msgspec


class Lesson(msgspec.Struct, frozen=True):
    """`typed` is what follows the command; `what` it is for; `example` a whole line."""

    typed: str
    what: str
    example: str


LESSONS: Final[dict[str, Lesson]] = {
    # One customer.
    "customers": Lesson(
        "[PREFIX of an id or address] [AFTER an id]", "find a customer", "customers zoe@"
    ),
    "inspect": Lesson(
        "CUSTOMER", "all that is known of one: state, timers, last turns", "inspect c42"
    ),
    "timers": Lesson("CUSTOMER", "what programmes are going to do with one", "timers c42"),
    "journal": Lesson("CUSTOMER", "what happened to one, and what was decided", "journal c42"),
    "why": Lesson("MAIL", "why a mail went: event, rule, the values seen", "why 01890a5d-ac96-…"),
    "why-not": Lesson(
        "CUSTOMER PROGRAMME [--at T]", "why a mail did not go, and what would change it",
        "why-not c42 review",
    ),
    "forecast": Lesson(
        "CUSTOMER [--days N] [--what-if EVENT.json]", "the next mails, if nothing else happens",
        "forecast c42 --days 30",
    ),
    "at": Lesson(
        "CUSTOMER [--seq N | --turn N | --at T] [--steps N] [--what-if EVENT.json]",
        "how one stood then, step by step on, and what another event would have changed",
        "at c42 --seq 12",
    ),
    "send": Lesson(
        "CUSTOMER EVENT [PROPERTIES as JSON]", "say an event that the shop has not said",
        """send c42 "Order Cancelled" '{"order_id": "o7"}'""",
    ),
    # The mails.
    "queue": Lesson("[STATE] [CUSTOMER]", "mails that wait, went or were given up", "queue dead"),
    "mail": Lesson("MAIL", "the very bytes of a mail", "mail 01890a5d-ac96-…"),
    "pause": Lesson(
        "all | lane N | programme NAME | domain NAME | transport NAME, [WHY]",
        "let none of these mails leave", "pause domain orange.fr they refuse us",
    ),
    "resume": Lesson("as pause", "let them leave again", "resume domain orange.fr"),
    "drain": Lesson("[WHY]", "stop sending, and say when nothing is in hand", "drain new machine"),
    "requeue": Lesson("MAIL", "send a mail again that was given up", "requeue 01890a5d-ac96-…"),
    "cancel-mail": Lesson(
        "MAIL [WHY]", "take a mail that waits out of the queue", "cancel-mail 01890a5d-ac96-…"
    ),
    "unsuppress": Lesson(
        "CUSTOMER [ADDRESS [WHY]]", "let an address be written to again",
        "unsuppress c42 zoe@example.com she asked for it",
    ),
    # The service.
    "status": Lesson("", "how the service is doing", "status"),
    "watch": Lesson("COMMAND", "ask the same every second, until Ctrl-C", "watch status"),
    "tail": Lesson(
        "[customer ID] [programme NAME] [event NAME] [outcome WORD] [rate N]",
        "turns as they are taken, until Ctrl-C: outcomes are mail, withheld, failed, quiet, or a "
        "reason such as cap; at most 20 a second, or N", "tail programme cart outcome withheld",
    ),
    "programmes": Lesson(
        "[NAME] [MONTH]", "what programmes are and do, and what became of their mails, of all "
        "or of those of a month", "programmes cart 2026-03",
    ),
    "satisfaction": Lesson("[SURVEY]", "ratings, week by week", "satisfaction support"),
    "quarantine": Lesson("[NUMBER]", "what made a turn fail, and who is held", "quarantine 7"),
    "release": Lesson("CUSTOMER", "let a customer who is held live on", "release c42"),
    "operations": Lesson("", "who did what here", "operations"),
    "keys": Lesson("[revoke ID]", "the keys there are; take one away", "keys revoke secret-2"),
    "relearn": Lesson("", "learn anew what is bought together", "relearn"),
    "clock": Lesson("[advance SPAN]", "what time it is; push it, under --warp", "clock advance 3h"),
    # The session itself.
    "help": Lesson("[COMMAND]", "this; or about one command", "help why"),
    "quit": Lesson("", "leave (or Ctrl-D)", "quit"),
}  # fmt: skip


def lines(known: Collection[str]) -> list[tuple[str, str]]:
    """Each known command and what it is for."""
    return [(op, lesson.what) for op, lesson in LESSONS.items() if op in known]


def about(op: str) -> list[tuple[str, str]]:
    """One lesson, line by line."""
    lesson = LESSONS[op]
    return [
        ("type", f"{op} {lesson.typed}".rstrip()),
        ("for", lesson.what),
        ("example", lesson.example),
    ]


def correction(typed: str, op: str, known: Collection[str]) -> str:
    """What to say to somebody whose command was not understood, in one line."""
    if op in known and op in LESSONS:
        lesson = LESSONS[op]
        meant = f"{op} {lesson.typed}".rstrip()
        return f"{typed!r} is not understood: type {meant}, as in {lesson.example}"
    near = [] if not op else get_close_matches(op, sorted(known), n=2, cutoff=0.6)
    near += [one for one in sorted(known) if op and one.startswith(op) and one not in near]
    hint = f", did you mean {' or '.join(near[:3])}?" if near else ";"
    return f"{op!r} is not understood{hint} `help` lists the commands"
