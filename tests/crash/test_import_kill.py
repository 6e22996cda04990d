"""`kill -9` in the middle of an import: the next run goes on, and nothing is there twice."""

from __future__ import annotations

import gzip
import signal
import sqlite3
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("import_driver.py")
INVOICES = Path(__file__).parents[1] / "data" / "online-retail-2010-12.csv.gz"
LINES = 8_000  # two batches of turns

# All that an import writes, without what tells when the file was opened.
BOOKS = {
    "journal": "SELECT customer_id, seq, at, facts FROM journal ORDER BY 1, 2",
    "buyers": "SELECT * FROM buyers ORDER BY 1",
    "bought": "SELECT * FROM bought ORDER BY 2, 3, 4",
    "alarms": "SELECT * FROM alarms ORDER BY 1",
    "dedupe": "SELECT * FROM dedupe ORDER BY 1",
    "products": "SELECT * FROM products ORDER BY 1",
    "outbox": "SELECT count(*) FROM outbox",
    "totals": "SELECT * FROM totals",
}


def imported(folder, file, *step):
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, str(DRIVER), str(folder), str(file), *step],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def books(folder):
    with sqlite3.connect(folder / "ecrm.db") as db:
        found = {name: db.execute(statement).fetchall() for name, statement in BOOKS.items()}
    db.close()
    return found


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("kill") / "orders.csv"
    with gzip.open(INVOICES, "rt", encoding="utf-8") as whole:
        path.write_text("".join(islice(whole, LINES)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(file, tmp_path_factory):
    """What an import that nobody disturbs has written."""
    folder = tmp_path_factory.mktemp("whole")
    done = imported(folder, file)
    assert done.returncode == 0, done.stderr
    return books(folder)


@pytest.mark.parametrize("step", ["-1", "+1", "-2"])
def test_an_import_that_was_killed_goes_on_as_if_it_had_not_been(file, whole, tmp_path, step):
    killed = imported(tmp_path / "data", file, step)
    assert killed.returncode == -signal.SIGKILL
    assert len(books(tmp_path / "data")["journal"]) < len(whole["journal"])
    again = imported(tmp_path / "data", file)
    assert again.returncode == 0, again.stderr
    assert books(tmp_path / "data") == whole
    told, known = map(int, again.stdout.split())
    assert (known > 0) == (step != "-1")
    assert told + known == len(whole["journal"])
