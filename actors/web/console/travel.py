"""Time travel: a customer as it was after any of its turns, and what another event would have made.

Every place has an address, by the count of facts before it (`seq`), so links and a plain form lead
everywhere; with a script the same page is slid through (`travel.js`). What is shown was checked
against the snapshots there are (`actors/travel.py`). To branch is to ask: nothing is written.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from quart import Blueprint, Response, request

from actors.asked import Refused
from actors.web.console.people import zone_of_customer
from actors.web.console.sight import Found, Sight, number_in

# What can be written over: any event that a shop's back end may say.
EXAMPLE: Final = """{
  "type": "track",
  "event": "Product Added",
  "properties": {"product_id": "cup", "name": "Cup", "price": 8.5, "quantity": 1}
}"""


class Travel:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/past", "past", self.show, methods=["GET"])
        pages.add_url_rule("/past", "branch", self.branch, methods=["POST"])

    async def show(self) -> Response:
        """The place that the address names; the present where it names none, or none that is."""
        who = request.args.get("id", "")
        zone = await zone_of_customer(self._sight, who)
        there, wrong = await self._at(who, _place(zone))
        return self._page(there, zone, wrong=wrong)

    async def branch(self) -> Response:
        """What differs where the event of the form comes next at this place."""
        who = request.args.get("id", "")
        zone = await zone_of_customer(self._sight, who)
        typed = (await request.form).get("event", "")
        asked: Found = {"customer": who, "steps": 0, **_place(zone)}
        try:
            there = await self._sight.ask("at", **asked, event=event_in(typed))
        except (Refused, ValueError) as error:
            # What was typed stays, also where the place is none.
            there, wrong = await self._at(who, _place(zone))
            return self._page(there, zone, wrong=wrong, typed=typed, unread=str(error))
        return self._page(there, zone, typed=typed)

    async def _at(self, who: str, place: Found) -> tuple[Found, str]:
        """The place; or the present, and why not the place."""
        try:
            return await self._sight.ask("at", customer=who, steps=0, **place), ""
        except Refused as refused:
            if not place:
                raise
            return await self._sight.ask("at", customer=who, steps=0), str(refused)

    def _page(
        self,
        there: Found,
        zone: ZoneInfo,
        *,
        wrong: str = "",
        typed: str = EXAMPLE,
        unread: str = "",
    ) -> Response:
        return self._sight.page(
            "past",
            customer=there["customer"],
            there=there,
            timers=sorted((due, key) for key, due in there["state"].get("timers", {}).items()),
            differs="what_if" in there,
            wrong=wrong,
            typed=typed,
            unread=unread,
            zone=zone,
        )


def _place(zone: ZoneInfo) -> Found:
    """Where the address leads: to a fact, a turn, or an instant of the customer's own clock."""
    for name in ("seq", "turn"):
        number = number_in(request.args.get(name, ""))
        if number is not None:
            return {name: number}
    at = request.args.get("at", "").strip()
    return {"at": _there(at, zone)} if at else {}


def _there(text: str, zone: ZoneInfo) -> str:
    """The instant with its offset; what is none is left to whoever refuses it in words."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (at if at.tzinfo else at.replace(tzinfo=zone)).isoformat()


def event_in(typed: str) -> object:
    """The event that was typed. Raises ValueError, with the line and the column of a mistake."""
    try:
        event = msgspec.json.decode(typed)
    except msgspec.DecodeError as error:
        raise ValueError(f"This is no JSON: {_where(typed) or error}") from None
    except RecursionError:
        raise ValueError("This is no event: it is too deep") from None
    if not isinstance(event, dict):
        raise ValueError("This is no event: write an object, between { and }")  # noqa: TRY004 - a form, not a type
    return event


def _where(typed: str) -> str:
    """Where the mistake is, by the library's own reader, which counts lines; empty where that
    would have read it.
    """
    try:
        json.loads(typed)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        return "it is too deep"
    return ""
