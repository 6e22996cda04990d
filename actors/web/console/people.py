"""Customers: found by the beginning of an id or an address, and one as a life in the order it was.

A timeline shows turns as the journal has them, the newest first: what happened, what was decided,
what became of each mail, and of each that was not sent the reason. Times are the customer's own,
with UTC beside them.
"""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from quart import Blueprint, Response, request

from actors.asked import Refused
from actors.web.console.sight import Found, Sight, number_in, zone_of

FOUND: Final = 50
TURNS: Final = 50

# What a fact is to whoever reads the timeline; all others are plain.
MAILS: Final = frozenset(
    ("MailRequested", "Heard", "Returned", "Opened", "Clicked", "MailRetracted", "Reconsidered")
)
UNSENT: Final = frozenset(("MailWithheld", "MailDeferred"))
EVENTS: Final = frozenset(("Happened", "Ticked", "Announced", "Raised"))
# By what a timeline can be narrowed.
SHOWN: Final = {
    "": "Everything",
    "mails": "Mails, sent and not",
    "orders": "Orders",
    "events": "Events",
}


class People:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/customers", "customers", self.search, methods=["GET"])
        pages.add_url_rule("/customer", "customer", self.show, methods=["GET"])

    async def search(self) -> Response:
        wanted = request.args.get("search", "").strip()
        after = request.args.get("after", "")
        found = await self._sight.ask("customers", search=wanted, after=after, limit=FOUND)
        return self._sight.page(
            "customers",
            wanted=wanted,
            people=found["customers"],
            after=found.get("after", ""),
            more=found.get("more", ""),
        )

    async def show(self) -> Response:
        who = request.args.get("id", "")
        shown = request.args.get("show", "")
        known = await self._sight.ask("inspect", customer=who)
        asked: Found = {"customer": who, "limit": TURNS, "detailed": True}
        before = number_in(request.args.get("before", ""))
        if before is not None:
            asked["before"] = before
        turns = (await self._sight.ask("journal", **asked))["journal"]
        queue = await self._sight.ask("queue", customer=who, limit=20)
        state = known["state"]
        programme = request.args.get("programme", "").strip()
        return self._sight.page(
            "customer",
            programme=programme,
            silence=await self._told("why-not", customer=who, programme=programme)
            if programme
            else None,
            coming=await self._told("forecast", customer=who) if before is None else None,
            there=await self._told("at", customer=who, steps=0) if before is None else None,
            customer=who,
            person=state.get("person", {}),
            state=state,
            orders=_orders(state),
            timers=known["timers"],
            mails=queue["mails"],
            turns=[one for turn in reversed(turns) if (one := _narrowed(turn, shown))["facts"]],
            older=turns[0]["seq"] if len(turns) == TURNS else None,
            newest=before is None,
            show=shown,
            choices=SHOWN,
            zone=self._zone(state),
        )

    async def _told(self, op: str, **about: object) -> Found:
        """What an op answers; where it refuses, why, beside what else the page shows."""
        try:
            return await self._sight.ask(op, **about)
        except Refused as refused:
            return {"refused": str(refused)}

    def _zone(self, state: Found) -> ZoneInfo:
        return zone_of(str(state.get("person", {}).get("zone", "")), self._sight.zone)


async def zone_of_customer(sight: Sight, customer: str) -> ZoneInfo:
    """The zone a customer lives in; the shop's where that is not known, or nobody is."""
    try:
        known = await sight.ask("inspect", customer=customer)
    except Refused:
        return sight.zone
    return zone_of(str(known["state"].get("person", {}).get("zone", "")), sight.zone)


def _narrowed(turn: Found, shown: str) -> Found:
    facts = [{**fact, "sort": sort_of(fact)} for fact in turn["facts"]]
    wanted = {"mails": ("mail", "unsent"), "orders": ("order",), "events": ("event",)}.get(shown)
    if wanted is not None:
        facts = [fact for fact in facts if fact["sort"] in wanted]
    return {**turn, "facts": facts, "end": turn["seq"] + len(turn["facts"])}


def sort_of(fact: Found) -> str:
    """The sort of a fact in a timeline, which is the name of its style too."""
    name, told = fact["fact"], fact["told"]
    if name in UNSENT or (name == "Left" and told.endswith("will not be sent")):
        return "unsent"
    if name in MAILS:
        return "mail"
    if name in EVENTS:
        return "event"
    return "order" if "Order" in name or "Parcel" in name or "Return" in name else "plain"


def _orders(state: Found) -> list[Found]:
    """The orders that are kept, the newest first."""
    orders = list(state.get("orders", {}).values())
    return sorted(orders, key=lambda one: str(one.get("placed_at", "")), reverse=True)
