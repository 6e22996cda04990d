"""`forecast`: a customer's next mails if nothing else happens, from a store at rest."""

from __future__ import annotations

import argparse
import sys

import msgspec
import trio

from actors import terminal
from actors.asked import Plain, Request
from actors.commands import Words
from actors.commands.resting import insight_at_rest, there_is
from actors.commands.showing import shown
from actors.settings import Settings
from ecrm.forecast import DAYS


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    ahead = commands.add_parser("forecast", parents=[shared])
    ahead.add_argument("customer", help="the customer's id")
    ahead.add_argument("--days", type=int, default=DAYS, help=f"how far; {DAYS} without")
    ahead.add_argument(
        "--what-if",
        metavar="EVENT.json",
        help="an event that happens first, as a back end tells it",
    )
    ahead.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    there_is(configured.database)
    event: Plain | None = None
    if options.what_if is not None:
        try:
            event = msgspec.convert(terminal.event_in(options.what_if), Plain)
        except ValueError as error:
            print(f"ecrm: {error}", file=sys.stderr)
            return 2
    request = Request(
        id=1, op="forecast", customer=options.customer, days=options.days, event=event
    )

    async def ask() -> Plain:
        async with insight_at_rest(configured) as insight:
            return await insight.forecast(request)

    return shown(trio.run(ask), json=options.json)
