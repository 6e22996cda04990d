"""`why-not`: why a customer got no mail of a programme, from the store of a service at rest."""

from __future__ import annotations

import argparse

import trio

from actors.asked import Plain, Request
from actors.commands import Words
from actors.commands.resting import insight_at_rest, there_is
from actors.commands.showing import shown
from actors.settings import Settings
from ecrm.explain import words


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    cause = commands.add_parser("why-not", parents=[shared])
    cause.add_argument("customer", help="the customer's id")
    cause.add_argument("programme", help="the programme whose mail is missed: cart, review")
    cause.add_argument("--at", default="", help="as it was then: 2026-12-31T18:00, or with Z")
    cause.add_argument("--language", default="en", choices=words.LANGUAGES)
    cause.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    there_is(configured.database)
    request = Request(
        id=1,
        op="why-not",
        customer=options.customer,
        programme=options.programme,
        at=options.at,
        language=options.language,
    )

    async def ask() -> Plain:
        async with insight_at_rest(configured) as insight:
            return await insight.why_not(request)

    return shown(trio.run(ask), json=options.json)
