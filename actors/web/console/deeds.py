"""What an operator may do by a form of the console: the ops that change something, and no others.

A form names its op and what it is about; what became of it is said by the page that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from actors.asked import Refused
from actors.web.console.porter import HOME, is_room
from actors.web.console.sight import Found, Sight, leads_to, session

DEEDS: Final = frozenset(
    (
        "pause",
        "drain",
        "resume",
        "requeue",
        "cancel-mail",
        "release",
        "unsuppress",
        "relearn",
        "clock",
    )
)
# The fields that an op reads, as its form names them.
FIELDS: Final = ("customer", "mail", "scope", "name", "reason", "advance")


class Deeds:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/do/<op>", "do", self.do, methods=["POST"])

    async def do(self, op: str) -> Response:
        if op not in DEEDS:
            raise NotFound
        form = await request.form
        about = {name: form[name] for name in FIELDS if form.get(name)}
        try:
            said = _told(op, await self._sight.ask(op, **about))
        except Refused as refused:
            said = f"Not done: {refused}"
        session().said = said
        back = form.get("back", "")
        return leads_to(back if is_room(back) else HOME)


def _told(op: str, found: Found) -> str:
    told = ", ".join(f"{name} {value}" for name, value in _scalars(found).items())
    return f"Done: {op}. {told}".rstrip()


def _scalars(found: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in found.items() if isinstance(value, str | int)}
