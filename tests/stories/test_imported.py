"""A shop plugs in: what it knew before counts, and only what happens from now on is written about."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio

from actors import columns, past, past_orders, remembering, tables
from actors.outside import open_holding
from actors.store.sqlite import open_store
from ecrm.moment import NEVER, days
from ecrm.rules import Rules
from tests.worlds import PARIS, instant, open_world, settings_in

ROOT = Path(__file__).parents[2]
INVOICES = ROOT / "tests/data/online-retail-2010-12.csv.gz"

ORDERS = """order_id,at,customer_id,email,product_id,name,quantity,price,shipped_at
1,2026-02-20 10:00,ana,ana@customers.example,pot,Pot,1,30,2026-02-21 10:00
2,2026-02-27 18:00,max,max@customers.example,tea,Tea,2,9,
"""
CUSTOMERS = """customer_id,email,first_name,created_at,email_marketing,email_marketing_at,\
email_marketing_source
ana,ana@customers.example,Ana,2024-05-01,granted,2024-05-01,checkout
zoe,zoe@customers.example,Zoé,2024-06-01,,,
"""


async def imported(folder, mock, now, **files):
    """What `run.py import` does, in this process and on this clock."""
    configured = settings_in(folder)
    rules = Rules(configured.shop)
    limits = past.Limits(now, NEVER)
    async with (
        open_holding(mock) as outside,
        open_store(configured.database, outside, lambda: now) as store,
    ):
        for what, text in files.items():
            path = folder / f"{what}.csv"
            path.write_text(text, encoding="utf-8")
            names = columns.ORDER if what == "orders" else columns.CUSTOMER
            reader = columns.Reader(columns.load(None, names), PARIS)
            with tables.read(path, "row") as table:
                found = (
                    past_orders.orders(table, reader, path.name, limits, "EUR")
                    if what == "orders"
                    else past.customers(table, reader, path.name, limits)
                )
            done = await remembering.into_store(
                found, store, rules, now, lambda _: None, trio.Event()
            )
            assert (found.refused, done.refused) == ([], [])


@pytest.fixture
async def world(tmp_path, autojump_clock):
    now = instant("2026-03-02 10:00")
    await imported(tmp_path, autojump_clock, now, orders=ORDERS, customers=CUSTOMERS)
    async with open_world(tmp_path, autojump_clock) as world:
        yield world


async def test_nobody_is_written_to_about_what_was_before(autojump_clock, world):
    await world.passes(days(90))
    assert world.mails() == []
    assert await world.queue() == []


async def test_who_has_bought_before_buys_again(autojump_clock, world):
    """The confirmation goes, and nothing that greets or nurses a new customer."""
    shop = await world.shop()
    await shop.registers("ana")
    await shop.pays("ana", "3", "cup")
    await world.passes(days(75))
    kinds = [kind for kind, _ in world.kinds("ana")]
    assert kinds[0] == "k11"
    assert not {"k01", "k02", "k22"} & {*kinds}
    # Thanked, and asked nothing of what left before: no parcel of this order was told.
    assert "k12" in kinds
    assert not {"k17", "k18", "k19"} & {*kinds}


async def test_somebody_new_is_greeted_beside_them(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("leo")
    await shop.registers("zoe")
    await world.passes(days(8))
    assert {mail.to for mail in world.mails()} == {"leo@customers.example"}


async def test_the_parcel_that_leaves_after_is_told_of_and_asked_about(autojump_clock, world):
    shop = await world.shop()
    await shop.ships("max", "2")
    await world.passes(days(31))
    assert [kind for kind, _ in world.kinds("max")] == ["k14", "k17", "k18"]


async def test_the_console_tells_what_is_remembered(autojump_clock, world):
    answer = await world.ask("journal", customer="ana")
    said = str(answer["result"]["journal"])
    assert "remembers what orders.csv tells of the past" in said
    assert "email_marketing was granted 2024-04-30T22:00:00Z (checkout)" in said


# As a person does it.


def ran(*words, status=0):
    done = subprocess.run(
        [sys.executable, "run.py", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The first day of the real weeks, and a bit of the second."""
    path = tmp_path_factory.mktemp("few") / "few.csv"
    with gzip.open(INVOICES, "rt", encoding="utf-8") as whole:
        lines = whole.readlines()
    path.write_text("".join(lines[:1_400] + lines[3_109:3_400]), encoding="utf-8")
    return path


def test_the_past_is_imported_and_what_follows_is_replayed(few, tmp_path):
    data = tmp_path / "data"
    words = ("import", "orders", few, "--map", "retail", "--until", "2010-12-02", "--json")
    out, _ = ran(*words, "--data", data)
    first = msgspec.json.decode(out)
    assert (first["refused"], first["known"]) == (0, 0)
    assert first["told"] > 50
    assert first["later"] > 5
    assert not (data / "mail").exists()
    again = msgspec.json.decode(ran(*words, "--data", data)[0])
    assert (again["told"], again["known"]) == (0, first["told"])
    out, _ = ran("replay", few, "--from", "2010-12-02", "--data", data, "--json")
    numbers = msgspec.json.decode(out)
    letters = [file.read_bytes() for file in (data / "mail/new").iterdir()]
    days_of_mails = {line for one in letters for line in one.splitlines() if b"X-Ecrm-At" in line}
    assert min(days_of_mails) >= b"X-Ecrm-At: 2010-12-02"
    assert numbers["mails"] == len(letters) > 0
    assert numbers["mails_by_kind"]["k11"] > 0
    # It has lived on: there is no way back to where it began.
    _, said = ran("replay", few, "--from", "2010-12-02", "--data", data, status=1)
    assert said.startswith("ecrm: ")
    assert "has lived until" in said


def test_a_dry_run_tells_what_is_there_and_changes_nothing(few, tmp_path):
    data = tmp_path / "data"
    out, _ = ran("import", "orders", few, "--map", "retail", "--dry-run", "--data", data)
    assert "Nothing was changed." in out
    assert '"order_id":"536365"' in out
    assert not data.exists()


def test_refused_rows_are_in_a_file_with_their_reasons(tmp_path):
    file = tmp_path / "orders.csv"
    file.write_text(ORDERS.replace("2,9,", "two,9,") + "3,never,ana,a@x.example,tea,Tea,1,9,\n")
    data = tmp_path / "data"
    out, said = ran("import", "orders", file, "--data", data, status=1)
    assert "1 orders of the past are remembered" in out
    assert said.startswith(f"ecrm: {file}:3: quantity: 'two' is no number")
    assert (tmp_path / "orders.csv.refused.csv").read_text().splitlines() == [
        "line,reason",
        "3,quantity: 'two' is no number: write 1234.50",
        "4,at: 'never' is no date as ISO 8601",
    ]
    # Mended, the rest goes in, and what was there is left as it is.
    file.write_text(ORDERS)
    out, _ = ran("import", "orders", file, "--data", data)
    assert "1 orders of the past are remembered, 1 were before" in out
    assert (tmp_path / "orders.csv.refused.csv").read_text() == "line,reason\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("orders", "missing.csv"), "cannot read missing.csv: No such file"),
        (("orders", "ecrm.toml"), "ecrm.toml is no file of orders"),
        (("orders", INVOICES), "lacks the columns order_id, at, customer_id; it has InvoiceNo"),
        (("orders", INVOICES, "--map", "woo"), "cannot read the map woo"),
        (("orders", INVOICES, "--map", "retail", "--until", "soon"), "--until 'soon' is no date"),
        (("customers", INVOICES, "--map", "retail"), "columns.order_id: is nothing we know"),
    ],
)
def test_what_cannot_be_meant_is_one_line_that_says_what_to_do(
    words, complaint, tmp_path, main, monkeypatch
):
    monkeypatch.chdir(ROOT)
    status, out, said = main("import", *words, "--data", tmp_path / "data")
    assert (status, out, len(said)) == (1, "", 1)
    assert said[0].startswith("ecrm: ")
    assert complaint in said[0]
    assert not (tmp_path / "data").exists()
