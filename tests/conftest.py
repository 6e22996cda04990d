"""What all tests share: the log keeps to what is worth a look when a test fails; what takes long
comes first, so that no worker is left with it while the others have nothing to do; and one worker
has all that is seen in a browser, for two browsers hold each other up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

import run

HERE = Path(__file__).parent
BROWSER = "tests/web/browser/"
# Folders and modules of tests that take a quarter of a minute and more.
LONG = (
    "web/browser",
    "crash",
    "test_command_line.py",
    "stories/test_imported.py",
    "stories/test_replay.py",
    "stories/test_a_year.py",
    "post",
    "stories/test_tiers.py",
    "stories/test_editions.py",
    "actors/test_templates.py",
    "actors/test_sender.py",
    "ecrm/test_why_not.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """With `--no-loadscope-reorder`, workers take the modules in this order."""
    paths = {item.path for item in items}
    long = {path for path in paths if any(path.is_relative_to(HERE / name) for name in LONG)}
    items.sort(key=lambda item: item.path not in long)


class OneBrowser(LoadScopeScheduling):
    """Module by module, and what a browser is needed for as one."""

    def _split_scope(self, nodeid):
        return BROWSER if nodeid.startswith(BROWSER) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    return OneBrowser(config, log)


def _worth_a_look(_logger, name, event):
    """Thousands of mails are handed over in the tests, and writing each of them down is not free."""
    if name in ("debug", "info"):
        raise structlog.DropEvent
    return event


structlog.configure(processors=[_worth_a_look, *structlog.get_config()["processors"]])


@pytest.fixture
def main(monkeypatch, capsys):
    """The command line in this process: exit status, stdout, lines of stderr."""
    monkeypatch.delenv("ECRM_OPERATOR_KEY", raising=False)
    logged = structlog.get_config()

    def main(*words):
        monkeypatch.setattr(sys, "argv", ["run.py", *map(str, words)])
        try:
            status = run.main()
        except SystemExit as left:
            status = left.code
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    yield main
    # The log went to a stream that ends with the test.
    structlog.configure(**logged)
