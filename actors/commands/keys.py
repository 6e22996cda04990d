"""`keys`: make, list and revoke keys, of the service that runs or of one at rest."""

from __future__ import annotations

import argparse
import os
import sys

import msgspec
import trio
from rich.console import Console

from actors import call, keys, terminal
from actors.asked import Plain, Request
from actors.clock import WallClock
from actors.commands import Words
from actors.commands.resting import at_rest, there_is
from actors.keys import Keyring
from actors.locksmith import Locksmith
from actors.settings import Settings
from ecrm.errors import Misconfigured, StoreInUse


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    words = commands.add_parser("keys")
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("--key", help="the operator key, where the service runs; ECRM_OPERATOR_KEY")
    deeds = words.add_subparsers(required=True, metavar="WHAT")

    made = deeds.add_parser("add", parents=[shared, asked], help="make a key; it is shown once")
    made.add_argument("kind", choices=list(keys.PREFIX), help="what it may do")
    made.add_argument("--id", default="", help="what to call it; it is never said on the wire")
    made.add_argument(
        "--origin",
        action="append",
        default=[],
        help='pages that may use it: https://www.boutique.example; "none": what is no page',
    )
    made.set_defaults(run=run, op="add-key", yes=False)

    listed = deeds.add_parser("list", parents=[shared, asked], help="all keys, without the keys")
    listed.set_defaults(run=run, op="keys", id="", kind="", origin=[], yes=False)

    gone = deeds.add_parser("revoke", parents=[shared, asked], help="take a key away, at once")
    gone.add_argument("id", help="`keys list` shows it")
    gone.add_argument("--yes", action="store_true", help="the last operator key too")
    gone.set_defaults(run=run, op="revoke-key", kind="", origin=[])


def run(options: argparse.Namespace, configured: Settings) -> int:
    if options.op != "add-key":
        there_is(configured.database)
    request = Request(
        id=1,
        op=options.op,
        name=options.id,
        kind=options.kind,
        origins=tuple(options.origin),
        yes=options.yes,
    )
    result = trio.run(_ask, configured, request, options)
    if options.json:
        print(msgspec.json.encode(result).decode())
        return 0
    width = None if sys.stdout.isatty() else 160
    terminal.show(result, Console(highlight=False, width=width))
    return 0


async def _ask(configured: Settings, request: Request, options: argparse.Namespace) -> Plain:
    """Open the store, or ask the service that has it open."""
    result: Plain = {}
    running = False
    try:
        async with at_rest(configured) as store:
            keyring = Keyring(configured.keys)
            smith = Locksmith(store, WallClock(), keyring, configured.keys)
            result = await smith.ops[request.op](request)
    except* StoreInUse:
        running = True
    if not running:
        return result
    key = options.key or os.environ.get("ECRM_OPERATOR_KEY", "")
    if not key:
        raise Misconfigured(
            "the service is running and wants an operator key: give --key or set "
            "ECRM_OPERATOR_KEY, or stop it first"
        )
    at = configured.gateway
    asked = msgspec.to_builtins(request)
    return await call.ask(at.host, at.port, key, asked)
