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
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

from actors import logs, settings
from actors.commands import (
    bounce,
    bring,
    check,
    clean,
    console,
    forecast,
    keys,
    preview,
    replay,
    serve,
    why,
    why_not,
)
from ecrm.errors import EcrmError, Misconfigured

COMMANDS: Final[tuple[ModuleType, ...]] = (
    serve,
    check,
    preview,
    bring,
    replay,
    why,
    why_not,
    forecast,
    clean,
    bounce,
    keys,
    console,
)


def main() -> int:
    options = _parser().parse_args()
    status: int = getattr(options, "failed", 1)
    try:
        logs.configure(os.environ, json=options.json, quiet=options.run is not serve.run)
        configured = settings.load(_config(options.config), options.data, os.environ)
        status = options.run(options, configured)
    except* EcrmError as errors:
        print(f"ecrm: {_first(errors)}", file=sys.stderr)
    return status


def _config(named: Path | None) -> Path:
    """A file that was named must be there; without one, `ecrm.toml` counts where it is."""
    if named is not None and not named.exists():
        raise Misconfigured(f"there is no {named}: name another --config, or leave it out")
    return named or Path("ecrm.toml")


def _first(errors: BaseExceptionGroup[EcrmError]) -> BaseException:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _parser() -> argparse.ArgumentParser:
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
    for command in COMMANDS:
        command.add(commands, shared)
    return parser


if __name__ == "__main__":
    sys.exit(main())
