"""What every command begins with: the log, the settings, and one line about what went wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from actors import logs, settings
from ecrm.errors import EcrmError, Misconfigured


def undertake(options: argparse.Namespace, environment: Mapping[str, str], *, quiet: bool) -> int:
    """Do what was asked for. Returns the exit status."""
    status: int = getattr(options, "failed", 1)
    try:
        logs.configure(environment, json=options.json, quiet=quiet, out=sys.stderr)
        configured = settings.load(_config(options.config), options.data, environment)
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
