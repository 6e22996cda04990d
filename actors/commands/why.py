"""`why`: why a mail went, from the store of a service at rest."""

from __future__ import annotations

import argparse
import sys

import msgspec
import trio
from rich.console import Console

from actors import terminal, why
from actors.commands import Words
from actors.commands.resting import at_rest, there_is
from actors.settings import Settings
from ecrm.rules import Rules


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    cause = commands.add_parser("why", parents=[shared])
    cause.add_argument("mail", help="its id: in `queue`, in each Message-ID, in each file's name")
    cause.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    there_is(configured.database)
    rules = Rules(configured.shop, configured.limits, configured.programmes)

    async def ask() -> why.Why:
        async with at_rest(configured) as store:
            return await why.why(store, rules.programmes, options.mail)

    found = trio.run(ask)
    if options.json:
        print(msgspec.json.encode(found).decode())
        return 0
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    answer = msgspec.to_builtins(found)
    answer["over"] = list(found.over)
    answer["story"] = [{"at": at, "what": what} for at, what in found.story]
    terminal.show(answer, out)
    return 0
