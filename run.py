"""ecrm's command line, and the one place where its parts are put together.

    run.py serve [--warp] [--demo]     run the service
    run.py check                       read settings, programmes, templates; say what is wrong
    run.py preview [--open]            all mails in all languages, on one page
    run.py import products FILE        fill the catalogue from a CSV or JSONL file
    run.py import orders FILE          remember the past, customers too; write to nobody about it
    run.py replay FILE                 play a shop's invoices through a service of their own
    run.py why MAIL                    why a mail went: event, rule, values
    run.py why-not CUSTOMER PROGRAMME  why a mail did not go, and what would change it
    run.py forecast CUSTOMER           the next mails, if nothing else happens
    run.py clean --rehearse            who would be struck off the list, under each definition
    run.py bounce [--to ADDRESS]       take in a message that came back, for a mail server's pipe
    run.py keys add|list|revoke        make keys and take them away, at once
    run.py console [-c COMMAND]        look inside the running service, and tell it

All take `--config ecrm.toml` and `--data DIR`; `--json` where there is something to read. Exit
status: 0 done, 1 failed with one line on stderr saying what to do (75 of bounce, for a mail server
to try again), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Final

# Each is a file of its name in actors/commands. Only the one that is asked for is read: `why` need
# not wait for what `serve` and `console` stand on.
COMMANDS: Final[dict[str, str]] = {
    "serve": "run the service",
    "check": "check settings and templates",
    "preview": "all mails on one page",
    "import": "bring in what a shop has already",
    "replay": "play a shop's invoices",
    "why": "why a mail went",
    "why-not": "why a mail did not go",
    "forecast": "a customer's next mails",
    "clean": "clean the list of addresses",
    "bounce": "take in a message that came back, from stdin",
    "keys": "make, list and revoke keys",
    "console": "ask the running service",
}


def main() -> int:
    asked = next((word for word in sys.argv[1:] if word in COMMANDS), "")
    options = _parser(asked).parse_args()
    from actors.commands import undertaking  # noqa: PLC0415 - who asks for help needs none of it

    return undertaking.undertake(options, os.environ, quiet=asked != "serve")


def _parser(asked: str) -> argparse.ArgumentParser:
    """Of the other commands it knows the name and what they are for."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--config", type=Path, help="the settings file; ecrm.toml where there is one"
    )
    shared.add_argument("--data", type=Path, help="folder of the database and the Maildir")
    shared.add_argument("--json", action="store_true", help="answer in JSON")
    parser = argparse.ArgumentParser(
        prog="run.py", description="ecrm writes to a shop's customers at the right moment."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for word, purpose in COMMANDS.items():
        if word == asked:
            file = "bring" if word == "import" else word.replace("-", "_")
            importlib.import_module(f"actors.commands.{file}").add(commands, shared)
        else:
            commands.add_parser(word, help=purpose)
    return parser


if __name__ == "__main__":
    sys.exit(main())
