"""`console`: ask the running service, or tell it; without `-c`, for as long as one likes."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from getpass import getpass
from pathlib import Path

import trio
from rich.console import Console

from actors import caution, sitting, terminal
from actors.commands import Words
from actors.settings import Settings
from ecrm.errors import Misconfigured


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    ask = commands.add_parser("console", parents=[shared])
    ask.add_argument("-c", dest="command", help=f"one command, and out; {terminal.USAGE}")
    ask.add_argument(
        "--key", help="the operator key; otherwise ECRM_OPERATOR_KEY, or a prompt that hides it"
    )
    ask.add_argument("--yes", action="store_true", help="with -c: do it without asking")
    ask.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    if options.command is not None and options.command.split()[:1] == ["help"]:
        return _help(options.command)
    if options.command is None and (options.json or not sys.stdin.isatty()):
        print("ecrm: a script asks with -c COMMAND: console -c status --json", file=sys.stderr)
        return 2
    key = options.key or os.environ.get("ECRM_OPERATOR_KEY", "") or _asked()
    if options.command is not None:
        return _once(options, configured, key)
    at = configured.gateway
    trio.run(sitting.sit, at.host, at.port, key, Console(highlight=False), _history())
    return 0


def _once(options: argparse.Namespace, configured: Settings, key: str) -> int:
    command = f"{options.command} --yes" if options.yes else options.command
    at = configured.gateway
    # Into a pipe or a file goes what a wide screen would show.
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    try:
        once = partial(sitting.once, plain=options.json, confirmed=_confirmed(command))
        trio.run(once, at.host, at.port, key, command, out)
    except ValueError as error:
        print(f"ecrm: {error}", file=sys.stderr)
        return 2
    return 0


def _confirmed(command: str) -> bool:
    """Whether a person at the terminal agreed to what this will do. Raises ValueError."""
    bare, yes = caution.agreed(command)
    if yes or bare.split()[:1] == ["watch"] or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    said = caution.caution(terminal.parse(bare))
    if not said:
        return False
    print(f"{terminal.harmless(said)}. Do it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _help(command: str) -> int:
    try:
        sitting.teach(command.split()[1:], Console(highlight=False))
    except ValueError as error:
        print(f"ecrm: {error}", file=sys.stderr)
        return 2
    return 0


def _asked() -> str:
    """The operator key, typed without being shown."""
    key = ""
    if sys.stdin.isatty():
        try:
            key = getpass("operator key: ").strip()
        except (EOFError, KeyboardInterrupt):
            print(file=sys.stderr)
    if not key:
        raise Misconfigured(
            "the console wants an operator key: give --key or set ECRM_OPERATOR_KEY; "
            "the first start of the service has shown one"
        )
    return key


def _history() -> Path:
    """Where the lines typed are remembered: in the folder for such things (XDG)."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "ecrm" / "history"
