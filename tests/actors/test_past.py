"""Files of orders and customers: what each row would have remembered, and why some are refused."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from actors import columns, past, past_orders, tables
from ecrm.errors import Misconfigured
from ecrm.messages import SentBack
from ecrm.moment import NEVER, Instant, format_instant, instant_of
from proto import events
from proto.envelope import Traits

PARIS = ZoneInfo("Europe/Paris")
NOW = instant_of(datetime(2026, 11, 22, 10, tzinfo=UTC))
RETAIL = Path(__file__).parents[1] / "data" / "online-retail-2010-12.csv.gz"

LINES = """order_id,at,customer_id,product_id,name,quantity,price
1,2026-10-01 10:00,ana,tea,Tea,2,12.50
1,2026-10-01 10:00,ana,cup,Cup,1,7
2,2026-10-02 11:00,max,tea,Tea,1,12.50
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="orders.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def orders(write):
    """What a file of orders holds, under a map."""

    def orders(text, mapped="", *, until=NEVER, name="orders.csv"):
        named = str(write(mapped, "map.toml")) if mapped else None
        path = write(text, name)
        reader = columns.Reader(columns.load(named, columns.ORDER), PARIS)
        with tables.read(path, "order", reader.map.encoding) as table:
            if table.columns is not None:
                reader.check(path, table.columns, columns.ORDER)
            limits = past.Limits(min(NOW, until), until)
            return past_orders.orders(table, reader, path.name, limits, "EUR")

    return orders


@pytest.fixture
def customers(write):
    def customers(text, mapped="", *, name="customers.csv"):
        named = str(write(mapped, "map.toml")) if mapped else None
        path = write(text, name)
        reader = columns.Reader(columns.load(named, columns.CUSTOMER), PARIS)
        with tables.read(path, "customer", reader.map.encoding) as table:
            if table.columns is not None:
                reader.check(path, table.columns, columns.CUSTOMER)
            return past.customers(table, reader, path.name, past.Limits(NOW, NEVER))

    return customers


def deeds(one):
    return [each.deed for each in one.history.past]


def of(found, kind):
    return [deed for one in found.told for deed in deeds(one) if isinstance(deed, kind)]


def reasons(found):
    return dict(found.refused)


def test_lines_of_one_order_are_one_thing_to_remember(orders):
    found = orders(LINES)
    assert [(one.customer_id, one.name, one.line) for one in found.told] == [
        ("ana", "import/order/1", 2),
        ("max", "import/order/2", 4),
    ]
    account, placed, paid = deeds(found.told[0])
    assert account == events.SignedUp()
    assert placed.products == paid.products
    assert [(one.product_id, one.quantity, one.price) for one in paid.products] == [
        ("tea", 2, 12.5),
        ("cup", 1, 7.0),
    ]
    assert (paid.total, paid.currency) == (32.0, "EUR")
    # Ten o'clock in the shop's zone.
    assert format_instant(found.told[0].at) == "2026-10-01T08:00:00Z"
    assert found.refused == []


def test_the_orders_of_a_customer_come_in_order_of_time_wherever_they_stand(orders):
    rows = "order_id,at,customer_id\n3,2026-03-01,ana\n9,2026-01-01,max\n1,2026-02-01,ana\n"
    found = orders(rows, 'rows = "orders"\n' + own("order_id", "at", "customer_id"))
    assert [(one.customer_id, one.name[-1]) for one in found.told] == [
        ("ana", "1"),
        ("ana", "3"),
        ("max", "9"),
    ]


def own(*names):
    return "[columns]\n" + "".join(f'{name} = "{name}"\n' for name in names)


EXCEL = """Commande;Date;Client;Mail;Montant;État
A1;31/12/2025;17;ana@post.example;1.234,50;payée
A2;02/01/2026;17;ana@post.example;80,00;annulée
A3;03/01/2026;18;max@post.example;9,99;en attente
"""
EXCEL_MAP = """
rows = "orders"
encoding = "cp1252"
date = "%d/%m/%Y"
decimal = ","
currency = "EUR"
[columns]
order_id = "Commande"
at = "Date"
customer_id = "Client"
email = "Mail"
total = "Montant"
status = "État"
[formats]
customer_id = "shop-{}"
[statuses]
cancelled = ["Annulée"]
unpaid = ["en attente"]
"""


def test_a_french_spreadsheet_of_one_row_an_order_is_read_by_its_map(orders):
    found = orders(EXCEL.encode("cp1252"), EXCEL_MAP)
    assert [one.total for one in of(found, events.OrderCompleted)] == [1234.5, 80.0, 9.99]
    assert [one.order_id for one in of(found, events.OrderPaid)] == ["A1"]
    assert [one.order_id for one in of(found, events.OrderCancelled)] == ["A2"]
    assert of(found, Traits)[0].email == "ana@post.example"
    assert {one.customer_id for one in found.told} == {"shop-17", "shop-18"}


def test_orders_with_their_products_inside_are_read_from_json(orders):
    row = {
        "id": 7,
        "created": "2026-05-01T10:00:00+02:00",
        "customer": {"id": 42, "mail": "ana@post.example"},
        "items": [{"sku": "tea", "qty": 2, "price": 12.5}, {"sku": "cup", "price": "7"}],
        "sent": 1777800000,
    }
    mapped = """
    rows = "orders"
    [columns]
    order_id = "id"
    at = "created"
    customer_id = "customer.id"
    email = "customer.mail"
    products = "items"
    product_id = "sku"
    quantity = "qty"
    price = "price"
    shipped_at = "sent"
    [dates]
    shipped_at = "unix"
    """
    found = orders(msgspec.json.encode(row), mapped, name="orders.jsonl")
    assert found.refused == []
    (one,) = found.told
    assert (one.customer_id, one.name) == ("42", "import/order/7")
    paid = of(found, events.OrderPaid)[0]
    assert [(line.product_id, line.quantity) for line in paid.products] == [("tea", 2), ("cup", 1)]
    assert paid.total == 32.0
    sent = [each.at for each in one.history.past if isinstance(each.deed, events.OrderFulfilled)]
    assert sent == [1_777_800_000_000]


def test_a_list_of_ids_in_a_cell_is_a_list_of_products(orders):
    text = "order_id,at,customer_id,products\n1,2026-01-01,ana,tea*2|cup\n"
    found = orders(text, 'rows = "orders"\n' + own("order_id", "at", "customer_id", "products"))
    (paid,) = of(found, events.OrderPaid)
    assert [(one.product_id, one.quantity) for one in paid.products] == [("tea", 2), ("cup", 1)]


# What came back.


def test_negative_pieces_came_back_with_their_order_or_alone(orders):
    text = LINES + "1,2026-10-01 10:00,ana,hat,Hat,-1,20\n3,2026-10-05 10:00,max,tea,Tea,-1,12.5\n"
    found = orders(text)
    assert [one.pieces for one in of(found, SentBack)] == [{"hat": 1}, {"tea": 1}]
    assert [one.order_id for one in of(found, events.OrderPaid)] == ["1", "2"]


def test_an_order_that_is_marked_takes_back_whatever_its_sign_says(orders):
    text = LINES + "C4,2026-10-09 10:00,ana,tea,Tea,-2,12.5\n"
    mapped = own(*LINES.partition("\n")[0].split(",")) + '[returns]\norder_id = "C"\n'
    found = orders(text, mapped)
    (back,) = [one for one in found.told if one.takes_back]
    assert (back.name, deeds(back)[-1]) == ("import/return/C4", SentBack({"tea": 2}))


# What is passed over.


def test_orders_of_nobody_of_fees_and_of_later_are_counted_and_passed_over(orders):
    text = (
        "order_id,at,customer_id,product_id,quantity,price\n"
        "1,2026-01-01,,tea,1,9\n2,2026-01-01,ana,POST,1,9\n3,2026-09-01,ana,tea,1,9\n"
    )
    mapped = own(*text.partition("\n")[0].split(",")) + "[products]\nproduct_id = '[a-z]'\n"
    found = orders(text, mapped, until=instant_of(datetime(2026, 8, 1, tzinfo=PARIS)))
    assert (found.guests, found.fees, found.later) == (1, 1, 1)
    assert found.told == found.refused == []


# What is refused, with its line and its own column's name.


def test_an_order_with_a_wrong_line_is_refused_whole_and_the_others_go_on(orders):
    text = LINES.replace("cup,Cup,1,7", "cup,Cup,one,7")
    found = orders(text)
    assert reasons(found) == {
        3: "quantity: 'one' is no number: write 1234.50",
        2: "its order 1 is wrong in line 3",
    }
    assert [one.name for one in found.told] == ["import/order/2"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,,ana,tea,Tea,1,9", "at: is empty"),
        (",2026-01-01,ana,tea,Tea,1,9", "order_id: is empty"),
        ("1,31/12/2025,ana,tea,Tea,1,9", "at: '31/12/2025' is no date as ISO 8601"),
        ("1,2031-01-01,ana,tea,Tea,1,9", "at: '2031-01-01' has not happened yet"),
        ("1,2026-01-01,ana,tea,Tea,1.5,9", "quantity: '1.5' is no whole number"),
        ('1,2026-01-01,ana,tea,Tea,1,"12,50"', "price: '12,50' is no number: write 1234.50"),
        ("1,2026-01-01,visitor:x,tea,Tea,1,9", "customer_id: 'visitor:x' begins like a life of"),
        ("1,2026-01-01,ana,tea,Tea", "has 5 columns, the first line 7"),
    ],
)
def test_a_row_that_cannot_be_meant_says_why_by_its_column(orders, row, reason):
    found = orders(LINES.partition("\n")[0] + "\n" + row + "\n")
    assert found.told == []
    assert reasons(found)[2].startswith(reason)


def test_a_line_of_another_customer_is_no_line_of_the_order(orders):
    found = orders(LINES.replace("ana,cup", "max,cup"))
    assert reasons(found)[3] == "order 1 is another customer's"


def test_an_order_told_twice_in_a_file_of_orders_counts_once(orders):
    text = "order_id,at,customer_id\n1,2026-01-01,ana\n1,2026-01-02,ana\n"
    found = orders(text, 'rows = "orders"\n' + own("order_id", "at", "customer_id"))
    assert reasons(found) == {3: "order 1 is in line 2 already"}
    assert len(found.told) == 1


def test_a_file_without_what_is_needed_names_the_columns_it_has(orders):
    with pytest.raises(Misconfigured, match="lacks the columns at; it has order_id, customer_id"):
        orders("order_id,customer_id\n1,ana\n")


@pytest.mark.parametrize(
    ("mapped", "complaint"),
    [
        ("[columns]\norder = 'x'\n", "columns.order: is nothing we know; did you mean order_id"),
        ("rows = 'line'\n", "rows: Invalid enum value 'line': write 'lines' or 'orders'"),
        ("[patterns]\norder_id = '('\n", "patterns.order_id: '[(]' is no pattern"),
        ("[formats]\ncustomer_id = 'c'\n", "formats.customer_id: 'c' needs {}"),
        ("timezone = 'Europe/Pariss'\n", "timezone: 'Europe/Pariss' is no time zone"),
        ("encoding = 'ansi'\n", "encoding: 'ansi' is none"),
        ("colums = 1\n", "'colums' is no setting; did you mean columns"),
        ("rows = \n", "is no TOML"),
    ],
)
def test_a_map_that_cannot_be_meant_is_one_line_that_says_where(orders, mapped, complaint):
    with pytest.raises(Misconfigured, match=complaint) as refused:
        orders(LINES, mapped)
    assert "\n" not in str(refused.value)


def test_a_map_that_is_nowhere_names_those_that_come_with_the_house():
    with pytest.raises(Misconfigured, match=r"cannot read the map shopify.*\(.*retail"):
        columns.load("shopify", columns.ORDER)


# Customers.

BASE = """customer_id,email,first_name,birthday,country,created_at,email_marketing,\
email_marketing_at,email_marketing_source
17,ana@post.example,Ana,1990-05-04,FR,2024-02-01,granted,2024-02-01 09:00,checkout
18,max@post.example,Max,,FR,,no,,
19,zoe@post.example,,,,,,,
"""


def test_a_customer_is_told_with_traits_account_and_consents(customers):
    found = customers(BASE)
    assert found.refused == []
    ana, peter, zoe = found.told
    traits, account, consent = ana.history.past
    assert (traits.deed.email, traits.deed.birthday) == ("ana@post.example", "1990-05-04")
    assert format_instant(account.at) == "2024-01-31T23:00:00Z"
    assert (consent.deed.state, consent.deed.source) == ("granted", "checkout")
    assert format_instant(consent.at) == "2024-02-01T08:00:00Z"
    assert of_one(peter, events.ConsentUpdated)[0].state == "denied"
    # An empty cell says nothing.
    assert of_one(zoe, events.ConsentUpdated) == []
    assert all(each.at == Instant(0) for each in zoe.history.past)


def of_one(one, kind):
    return [deed for deed in deeds(one) if isinstance(deed, kind)]


def test_a_yes_without_its_proof_is_refused_and_constants_may_bring_it(customers):
    text = "customer_id,email_marketing\n17,yes\n18,perhaps\n"
    found = customers(text)
    assert found.told == []
    assert reasons(found)[2].startswith(
        "email_marketing: 'yes' needs its proof: email_marketing_at"
    )
    assert "is neither yes nor no" in reasons(found)[3]
    mapped = own("customer_id", "email_marketing") + (
        "[constants]\nemail_marketing_at = '2025-01-01'\nemail_marketing_source = 'till'\n"
    )
    assert len(customers(text, mapped).told) == 1


def test_a_row_that_says_something_else_is_something_else_to_remember(customers):
    names = {one.name for one in customers(BASE).told}
    again = {one.name for one in customers(BASE.replace("Ana", "Anna")).told}
    assert len(names & again) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",a@x.example", "customer_id: is empty"),
        ("17,nobody", "email: Expected"),
    ],
)
def test_a_customer_that_cannot_be_is_refused(customers, row, reason):
    found = customers(f"customer_id,email\n{row}\n")
    assert reasons(found)[2].startswith(reason)


# The real weeks.


def test_the_shipped_map_reads_the_real_weeks_whole():
    reader = columns.Reader(columns.load("retail", columns.ORDER), PARIS)
    with tables.read(RETAIL, "order") as table:
        reader.check(RETAIL, table.columns, columns.ORDER)
        found = past_orders.orders(table, reader, RETAIL.name, past.Limits(NOW, NEVER), "EUR")
    assert found.refused == []
    assert len(found.told) + found.guests + found.fees >= 2_000
    with gzip.open(RETAIL, "rt") as file:
        invoices = {line.partition(",")[0] for line in file} - {"InvoiceNo"}
    told = {one.name.rpartition("/")[2] for one in found.told}
    assert told < invoices
    assert all(one.customer_id[0] == "c" and one.customer_id[1:].isdigit() for one in found.told)
