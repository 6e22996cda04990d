"""Completing: what could stand where the cursor is in a command of the terminal.

Which word belongs where is a table. Words that only the service knows (customers, mails,
programmes, keys) are asked of it as they are needed.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from typing import Final, get_args

import msgspec
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from actors import tail
from actors.asked import Plain
from actors.store import port
from proto import events

# What stands at each place behind a command: kinds, of which there may be several.
PLACES: Final[dict[str, tuple[str, ...]]] = {
    "customers": ("customer", "customer"),
    "inspect": ("customer",),
    "journal": ("customer",),
    "timers": ("customer",),
    "why": ("mail",),
    "programmes": ("programme",),
    "why-not": ("customer", "programme"),
    "forecast": ("customer",),
    "at": ("customer",),
    "send": ("customer", "event"),
    "queue": ("state customer", "customer"),
    "mail": ("mail",),
    "requeue": ("mail",),
    "cancel-mail": ("mail",),
    "unsuppress": ("customer",),
    "release": ("customer",),
    "keys": ("revoke", "key"),
    "clock": ("advance",),
    "help": ("op",),
    "watch": ("op",),
    "pause": ("scope",),
    "resume": ("scope",),
}
# What stands behind these words of `pause` and of `tail`.
BEHIND: Final = {
    "lane": "lane",
    "programme": "programme",
    "customer": "customer",
    "event": "event",
    "outcome": "outcome",
}
FIXED: Final[dict[str, tuple[str, ...]]] = {
    "state": get_args(port.OutboxState),
    "scope": get_args(port.PauseScope),
    "lane": ("0", "1", "2", "3"),
    "event": tuple(sorted(events.TRACKED)),
    "outcome": tail.OUTCOMES + tail.REASONS,
    "filter": ("customer", "programme", "event", "outcome", "rate"),
    "revoke": ("revoke",),
    "advance": ("advance",),
}

# How the service is asked for words of a kind, and where they stand in the answer.
ASKED: Final[dict[str, tuple[str, str, str]]] = {
    "customer": ("customers", "customers", "email"),
    "mail": ("queue", "mails", "programme"),
    "key": ("keys", "keys", "kind"),
}

Found = tuple[str, str]
"""A word, and what it means."""


def split(text: str) -> tuple[list[str], str]:
    """The whole words before the cursor, and the one that is being typed, with its quote."""
    for closing in ("", '"', "'"):
        try:
            words = shlex.split(text + closing)
        except ValueError:
            continue
        if not closing and (not text or text[-1].isspace()):
            return words, ""
        return words[:-1], words[-1] if words else ""
    return [], text


def kinds(words: list[str]) -> list[str]:
    """What kinds of words may follow these."""
    if not words:
        return ["op"]
    op, *before = words
    if op == "watch" and before:
        return kinds(before)
    if op == "tail":
        return ["filter"] if len(before) % 2 == 0 else [BEHIND.get(before[-1], "")]
    if op in ("pause", "resume") and len(before) == 1:
        return [BEHIND.get(before[0], "")]
    places = PLACES.get(op, ())
    return places[len(before)].split() if len(before) < len(places) else []


def request_for(kind: str, word: str) -> Plain:
    """What to ask the service for the words of a kind that it knows."""
    op = ASKED[kind][0]
    return {"op": op, "search": word} if kind == "customer" else {"op": op}


def found_in(kind: str, answer: Plain, word: str) -> list[Found]:
    """The words in an answer that can stand here: a customer also where its address begins so."""
    _, table, meaning = ASKED[kind]
    rows = msgspec.convert(answer.get(table, []), list[dict[str, object]])
    column = "id" if kind == "key" else kind
    pairs = [(str(row.get(column, "")), str(row.get(meaning) or "")) for row in rows]
    return [pair for pair in pairs if kind == "customer" or pair[0].startswith(word)]


class Words(Completer):
    """`ask` puts a question, as JSON, to the service and returns its answer, or an empty one."""

    def __init__(self, ops: Collection[str], ask: Callable[[str], Awaitable[Plain]]) -> None:
        self._ops = sorted(ops)
        self._ask = ask

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> tuple[Completion, ...]:
        """Nothing without asking: see `get_completions_async`."""
        del document, complete_event
        return ()

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        del complete_event
        text = document.text_before_cursor
        words, word = split(text)
        start = -_length(text, word) if word else 0
        for kind in kinds(words):
            for one, meaning in await self._find(kind, word):
                yield Completion(shlex.quote(one), start, display=one, display_meta=meaning)

    async def _find(self, kind: str, word: str) -> list[Found]:
        if kind == "op":
            return [(op, "") for op in self._ops if op.startswith(word)]
        if kind == "programme":
            answer = await self._ask('{"op": "programmes"}')
            return [(name, "") for name in answer if name.startswith(word)]
        if kind in ASKED:
            asked = msgspec.json.encode(request_for(kind, word)).decode()
            return found_in(kind, await self._ask(asked), word)
        small = word.casefold()
        return [(one, "") for one in FIXED.get(kind, ()) if one.casefold().startswith(small)]


def _length(text: str, word: str) -> int:
    """How long the last word is as it was typed, with its quote."""
    begun = max(text.rfind('"' + word), text.rfind("'" + word))
    return len(text) - begun if begun >= 0 else len(word)
