"""`console -c`: ask the running service, or tell it."""

from __future__ import annotations

import argparse
import os
import sys

import msgspec
import trio
from rich.console import Console

from actors import terminal
from actors.commands import Words
from actors.settings import Settings
from ecrm.errors import Misconfigured


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    ask = commands.add_parser("console", parents=[shared], help="ask the running service")
    ask.add_argument("-c", dest="command", required=True, help=terminal.USAGE)
    ask.add_argument("--key", help="the operator key; otherwise ECRM_OPERATOR_KEY")
    ask.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    key = options.key or os.environ.get("ECRM_OPERATOR_KEY", "")
    if not key:
        raise Misconfigured(
            "the console wants an operator key: give --key or set ECRM_OPERATOR_KEY; "
            "the first start of the service has shown one"
        )
    try:
        request = terminal.parse(options.command)
    except ValueError as error:
        print(f"ecrm: {error}", file=sys.stderr)
        return 2
    at = configured.gateway
    result = trio.run(terminal.ask, at.host, at.port, key, request)
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        # Into a pipe or a file goes what a wide screen would show.
        width = None if sys.stdout.isatty() else 160
        terminal.show(result, Console(highlight=False, width=width))
    return 0
