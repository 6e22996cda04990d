"""The SQL of the store: what is written many rows at a time is what would be written one by one."""

from __future__ import annotations

import sqlite3

import pytest

from actors.store import statements
from actors.store.statements import FEW, MANY, for_rows, migrations, named

AT_ONCE = [name for name in named() if statements._columns(name) and "(:each)" not in named()[name]]


@pytest.fixture(scope="module")
def schema():
    db = sqlite3.connect(":memory:")
    for script in migrations():
        db.executescript(script)
    return db


@pytest.mark.parametrize("name", AT_ONCE)
@pytest.mark.parametrize("count", [1, 3, FEW + 1, MANY])
def test_a_statement_of_many_rows_is_one_that_sqlite_knows(schema, name, count):
    columns = statements._columns(name)
    for sql, values in for_rows(name, [dict.fromkeys(columns, 1)] * count):
        plan = schema.execute(f"EXPLAIN {sql}", values).fetchall()
        assert plan, sql


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 100, MANY, 2 * MANY + 5])
def test_every_row_is_written_once(count):
    db = sqlite3.connect(":memory:")
    for script in migrations():
        db.executescript(script)
    rows = [{"name": f"row {number:03}", "value": number} for number in range(count)]
    for sql, values in for_rows("set_meta", rows):
        db.execute(sql, values)
    found = db.execute("SELECT name, value FROM meta WHERE name LIKE 'row %' ORDER BY name")
    assert found.fetchall() == [(row["name"], row["value"]) for row in rows]


def test_a_statement_about_more_than_its_row_is_run_for_each():
    assert for_rows("forget_snapshots", [{}]) is None
    assert for_rows("cancel", [{}]) is None
