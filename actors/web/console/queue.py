"""The queue: how mails leave, what keeps them, and those that were given up, with the reply."""

from __future__ import annotations

from typing import Final, get_args

from quart import Blueprint, Response, request

from actors.store import port
from actors.web.console.sight import Sight

STATES: Final = get_args(port.OutboxState)
SCOPES: Final = get_args(port.PauseScope)
# What goes in each (`ecrm/mail.py`).
LANES: Final = ("codes and security", "transactional", "triggered", "bulk")
SHOWN: Final = 50


class Queue:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/queue", "queue", self.show, methods=["GET"])

    async def show(self) -> Response:
        state = request.args.get("state", "")
        customer = request.args.get("customer", "")
        about = {"state": state} if state else {}
        found = await self._sight.ask("queue", customer=customer, limit=SHOWN, **about)
        dead = await self._sight.ask("queue", state="dead", limit=SHOWN)
        return self._sight.page(
            "queue",
            found=found,
            dead=dead["mails"],
            state=state,
            customer=customer,
            states=STATES,
            scopes=SCOPES,
            lanes=LANES,
            most=SHOWN,
        )
