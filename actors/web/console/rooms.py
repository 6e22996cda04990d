"""The smaller rooms: the programmes and their steps, what failed and who is held, the clock."""

from __future__ import annotations

from quart import Blueprint, Response, request

from actors.web.console.sight import Found, Sight, number_in


class Rooms:
    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/programmes", "programmes", self.programmes, methods=["GET"])
        pages.add_url_rule("/quarantine", "quarantine", self.quarantine, methods=["GET"])
        pages.add_url_rule("/clock", "clock", self.clock, methods=["GET"])

    async def programmes(self) -> Response:
        month = request.args.get("month", "").strip()
        found = await self._sight.ask("programmes", month=month)
        paused = (await self._sight.ask("queue", limit=1))["paused"]
        stopped = {one["name"] for one in paused if one["scope"] == "programme"}
        return self._sight.page("programmes", programmes=found, stopped=stopped, month=month)

    async def quarantine(self) -> Response:
        found = await self._sight.ask("quarantine")
        number = number_in(request.args.get("number", ""))
        one: Found | None = None
        if number is not None:
            one = await self._sight.ask("quarantine", number=number)
        return self._sight.page(
            "quarantine", failed=found["quarantine"], held=found["held"], one=one
        )

    async def clock(self) -> Response:
        status = await self._sight.ask("status")
        return self._sight.page("clock", now=status["now"], warp=status["warp"])
