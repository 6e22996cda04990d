"""Install what the tests talk to and did not write: a browser, a mail server, others' clients.

    python -m tests.install_peers

Debian's packages come by apt, where this may (as root, and apt is there); npm's into `tests/node`.
What is there already is left alone. What cannot be had is named, and the tests that need it skip:
this never fails, because everything else can still be tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

NODE = Path(__file__).parent / "node"
PATIENCE = 900  # seconds


class Package(NamedTuple):
    """A package of Debian, the program that tells whether it is there, and who needs it."""

    name: str
    program: str
    needed_for: str


DEBIAN = (
    Package("chromium", "chromium", "the pages, the browser SDK and the demo shop in a browser"),
    Package("postfix", "/usr/sbin/smtp-sink", "delivery to a mail server we did not write"),
)


def main() -> None:
    missing = [one for one in DEBIAN if shutil.which(one.program) is None]
    if missing:
        _apt(missing)
    if _is_stale(NODE / "node_modules" / ".package-lock.json"):
        _npm()


def _is_stale(installed: Path) -> bool:
    """Is nothing installed, or something else than is asked for by now?"""
    asked = (NODE / "package-lock.json").stat().st_mtime
    return not installed.exists() or installed.stat().st_mtime < asked


def _apt(missing: list[Package]) -> None:
    if os.geteuid() or shutil.which("apt-get") is None:
        for one in missing:
            _skipped(one.name, one.needed_for, "only root can install it, with apt")
        return
    _run("apt-get", "update", "-q")
    for one in missing:
        print(f"installing {one.name}, for {one.needed_for}", flush=True)
        said = _run("apt-get", "install", "-y", "-q", "--no-install-recommends", one.name)
        if said is not None:
            _skipped(one.name, one.needed_for, said)


def _npm() -> None:
    needed_for = "Segment's client for Node, axe, and the types of ecrm.js"
    if shutil.which("npm") is None:
        _skipped("npm's packages", needed_for, "there is no npm")
        return
    print(f"installing npm's packages, for {needed_for}", flush=True)
    said = _run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(NODE))
    if said is not None:
        _skipped("npm's packages", needed_for, said)


def _run(*command: str) -> str | None:
    """What went wrong, in its last line; None where nothing did."""
    quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=quietly, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} took longer than {PATIENCE} s"
    if done.returncode == 0:
        return None
    return (done.stderr or done.stdout or f"{command[0]} failed").strip().splitlines()[-1]


def _skipped(name: str, needed_for: str, why: str) -> None:
    print(f"not installed: {name} ({why}); tests of {needed_for} will be skipped", flush=True)


if __name__ == "__main__":
    main()
