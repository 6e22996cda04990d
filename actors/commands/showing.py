"""How a command shows an answer: as tables for a person, or as JSON for a script."""

from __future__ import annotations

import sys

import msgspec
from rich.console import Console

from actors import terminal
from actors.asked import Plain


def shown(answer: Plain, *, json: bool) -> int:
    """Print it. Returns the exit status."""
    if json:
        print(msgspec.json.encode(answer).decode())
        return 0
    # Into a pipe or a file goes what a wide screen would show.
    terminal.show(answer, Console(highlight=False, width=None if sys.stdout.isatty() else 160))
    return 0
