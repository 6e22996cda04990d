"""The overview: how the service is doing, as `status` says it, and again every second."""

from __future__ import annotations

from typing import Final

import msgspec
from quart import Blueprint, Response

from actors.web.console.sight import Found, Sight

# The numbers at the top, with the words beside them.
FIGURES: Final = (
    ("customers", "customers and visitors"),
    ("active", "in memory"),
    ("events", "events taken"),
    ("alarms", "timers set"),
    ("sent", "mails handed over since the start"),
    ("products", "products"),
    ("quarantined", "messages in quarantine"),
    ("held", "customers held"),
)
# What has a place of its own on the page.
APART: Final = frozenset(("queue", "tiers", "all_counted", "now", "since", "turns"))


class Overview:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/", "overview", self.show, methods=["GET"])
        pages.add_url_rule("/status.json", "status", self.status, methods=["GET"])

    async def show(self) -> Response:
        status = await self._sight.ask("status")
        operations = await self._sight.ask("operations", limit=10)
        satisfaction = await self._sight.ask("satisfaction")
        programmes = await self._sight.ask("programmes")
        told = [(name, one["numbers"]) for name, one in programmes.items()]
        return self._sight.page(
            "overview",
            told=[(name, one) for name, one in told if one["decided"]],
            figures=[(name, words, status[name]) for name, words in FIGURES],
            status=status,
            rest=_rest(status),
            operations=operations["operations"],
            weeks=satisfaction["weeks"][-8:],
        )

    async def status(self) -> Response:
        status = await self._sight.ask("status")
        return Response(msgspec.json.encode(status), content_type="application/json")


def _rest(status: Found) -> list[tuple[str, object]]:
    """What else is told, by its name."""
    shown = {name for name, _ in FIGURES} | APART
    found: list[tuple[str, object]] = []
    for name, value in status.items():
        if name in shown:
            continue
        if isinstance(value, dict):
            found += [(f"{name}: {inner}", one) for inner, one in value.items()]
        else:
            found.append((name, value))
    return found
