"""Invoice lines as the events a shop would have sent: each rule of the mapping."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from actors import retail
from ecrm.errors import Misconfigured

HEAD = ",".join(retail.COLUMNS)
LONDON = ZoneInfo("Europe/London")
DATA = Path(__file__).parents[1] / "data" / "online-retail-2010-12.csv.gz"


def line(
    invoice, code="85123A", quantity=1, at="2010-12-01 08:26:00", *,
    price="2.55", customer="17850.0", country="United Kingdom", name="WHITE LANTERN",
):  # fmt: skip
    return f"{invoice},{code},{name},{quantity},{at},{price},{customer},{country}"


@pytest.fixture
def read(tmp_path):
    def read(*lines):
        file = tmp_path / "invoices.csv"
        file.write_text("\n".join([HEAD, *lines, ""]))
        return retail.read(file)

    return read


@pytest.fixture
def told(read):
    """The events of these lines, flat: local time in London, and the event."""

    def told(*lines):
        shop = retail.Shop()
        return [
            (datetime.fromtimestamp(at / 1_000, LONDON).strftime("%m-%d %H:%M"), event)
            for at, events in shop.events(read(*lines))
            for event in events
        ]

    return told


def names(told):
    return [(at, event.get("event", event["type"])) for at, event in told]


def of(told, name):
    return [event for _, event in told if event.get("event", event["type"]) == name]


def test_an_invoice_becomes_all_that_its_customer_did(told):
    told = told(line("1", "A1"), line("1", "85123B", 3, price="1.5"))
    # "A1" is no product: it counts in the total alone.
    assert names(told) == [
        ("12-01 08:26", "Product Upserted"),
        ("12-01 08:26", "identify"),
        ("12-01 08:26", "Signed Up"),
        ("12-01 08:26", "Consent Updated"),
        ("12-01 08:26", "Product Added"),
        ("12-01 08:26", "Checkout Started"),
        ("12-01 08:26", "Order Completed"),
        ("12-01 08:26", "Order Paid"),
        ("12-01 10:26", "Order Prepared"),
        ("12-02 08:26", "Order Fulfilled"),
    ]
    (paid,) = of(told, "Order Paid")
    assert paid["userId"] == "c17850"
    assert paid["timestamp"] == "2010-12-01T08:26:00Z"
    assert paid["properties"] == {
        "order_id": "1",
        "total": 7.05,
        "currency": "GBP",
        "products": [
            {
                "product_id": "85123B",
                "name": "White Lantern",
                "category": "lantern",
                "price": 1.5,
                "quantity": 3,
            }
        ],
        "payment_method": "card",
    }


def test_a_customer_signs_up_at_the_first_invoice_only(told):
    told = told(line("1"), line("2", at="2010-12-02 09:00:00"), line("3", customer="9.0"))
    assert [event["userId"] for event in of(told, "Signed Up")] == ["c17850", "c9"]
    traits = of(told, "identify")[0]["traits"]
    assert traits == {
        "email": "c17850@customers.example",
        "locale": "en-GB",
        "address": {"country": "United Kingdom"},
    }
    consent = of(told, "Consent Updated")[0]["properties"]
    assert (consent["purpose"], consent["state"]) == ("email_marketing", "granted")


@pytest.mark.parametrize(
    ("country", "locale"), [("France", "fr-FR"), ("Belgium", "fr-FR"), ("Spain", "en-GB")]
)
def test_who_speaks_french_is_written_to_in_french(told, country, locale):
    (identified,) = of(told(line("1", country=country)), "identify")
    assert identified["traits"]["locale"] == locale


def test_lines_without_a_customer_are_guests_one_visitor_an_invoice(told):
    told = told(line("1", customer=""), line("2", customer=""))
    assert of(told, "identify") == of(told, "Signed Up") == []
    assert [event["anonymousId"] for event in of(told, "Order Paid")] == ["guest-1", "guest-2"]


def test_a_product_is_told_of_when_it_is_first_seen_and_of_nobody(told):
    told = told(line("1"), line("2", at="2010-12-02 09:00:00"), line("2", "22752"))
    upserted = of(told, "Product Upserted")
    assert [event["properties"]["product_id"] for event in upserted] == ["85123A", "22752"]
    assert all("userId" not in event and "anonymousId" not in event for event in upserted)
    assert "quantity" not in upserted[0]["properties"]


@pytest.mark.parametrize("code", ["POST", "M", "D", "BANK CHARGES", "gift_0001_20"])
def test_an_invoice_of_fees_alone_is_no_order(told, code):
    assert told(line("1", code)) == []


def test_a_parcel_does_not_leave_on_a_sunday(told):
    # Friday, Saturday, Sunday: out on Saturday, on Monday, on Monday.
    told = told(
        line("1", at="2010-12-03 12:00:00"),
        line("2", at="2010-12-04 12:00:00"),
        line("3", at="2010-12-05 12:00:00"),
    )
    left = {
        e["properties"]["order_id"]: at for at, e in told if e.get("event") == "Order Fulfilled"
    }
    assert left == {"1": "12-04 12:00", "2": "12-06 12:00", "3": "12-06 12:00"}


def test_events_come_in_the_order_of_their_instants(told):
    told = told(
        line("2", at="2010-12-01 10:26:00", customer="2.0"),
        line("1"),
        line("3", at="2010-12-01 11:00:00", customer="3.0"),
    )
    assert [at for at, _ in told] == sorted(at for at, _ in told)
    prepared = [event["properties"]["order_id"] for event in of(told, "Order Prepared")]
    assert prepared == ["1", "2", "3"]


def test_all_ids_are_different_and_the_same_a_second_time(told):
    lines = (line("1"), line("1", "22752"), line("2", customer=""), line("C3", quantity=-1))
    first, second = told(*lines), told(*lines)
    ids = [event["messageId"] for _, event in first]
    assert len(set(ids)) == len(ids)
    assert first == second


# Taking back.


def test_an_order_taken_back_before_it_left_is_cancelled(told):
    told = told(line("1", quantity=2), line("C2", quantity=-2, at="2010-12-01 12:00:00"))
    (cancelled,) = of(told, "Order Cancelled")
    assert cancelled["properties"] == {"order_id": "1"}
    assert of(told, "Order Refunded") == []


def test_an_order_taken_back_after_it_left_is_refunded(told):
    told = told(line("1", quantity=2), line("C2", quantity=-2, at="2010-12-05 12:00:00"))
    (refunded,) = of(told, "Order Refunded")
    assert refunded["properties"] == {"order_id": "1"}
    assert of(told, "Order Cancelled") == []


def test_a_part_taken_back_is_refunded_in_part(told):
    told = told(
        line("1", quantity=3), line("1", "22752"), line("C2", quantity=-2, at="2010-12-01 12:00:00")
    )
    (refunded,) = of(told, "Order Refunded")
    assert refunded["properties"] == {
        "order_id": "1",
        "products": [{"product_id": "85123A", "quantity": 2}],
    }


def test_what_is_taken_back_is_looked_for_in_the_newest_order_first(told):
    told = told(
        line("1", quantity=2),
        line("2", quantity=2, at="2010-12-02 08:00:00"),
        line("C3", quantity=-3, at="2010-12-09 08:00:00"),
    )
    refunded = [event["properties"] for event in of(told, "Order Refunded")]
    assert refunded == [
        {"order_id": "2"},
        {"order_id": "1", "products": [{"product_id": "85123A", "quantity": 1}]},
    ]


def test_what_was_bought_before_the_data_begin_is_counted_and_not_told(read):
    shop = retail.Shop()
    lines = (line("1"), line("C2", quantity=-5), line("C3", "22752", -1), line("C4", "D", -1))
    told = [event for _, events in shop.events(read(*lines)) for event in events]
    assert shop.unmatched == 2
    assert [event["event"] for event in told if "Order C" in event.get("event", "")] == [
        "Order Completed",
        "Order Cancelled",
    ]


def test_nobody_takes_back_what_somebody_else_has_bought(told):
    told = told(
        line("1"), line("C2", quantity=-1, customer="2.0"), line("C3", quantity=-1, customer="")
    )
    assert of(told, "Order Cancelled") == of(told, "Order Refunded") == []


# Files.


def test_a_packed_file_reads_as_a_plain_one(tmp_path, read):
    plain = read(line("1"), line("2"))
    packed = tmp_path / "invoices.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "invoices.csv").read_bytes()))
    assert retail.read(packed) == plain


def test_instants_are_those_of_london_in_winter_and_in_summer(read):
    winter, summer = read(line("1"), line("2", at="2011-07-01 09:00:00"))
    assert datetime.fromtimestamp(winter.at / 1_000, UTC).hour == 8
    assert datetime.fromtimestamp(summer.at / 1_000, UTC).hour == 8


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("InvoiceNo,StockCode\n1,2\n", "lacks the columns Description, Quantity"),
        ("", "lacks the columns InvoiceNo"),
        (f"{HEAD}\n{line('1', quantity='many')}\n", "line 2 is no invoice line"),
        (f"{HEAD}\n{line('1')}\n{line('2', at='yesterday')}\n", "line 3 is no invoice line"),
        (f"{HEAD}\n{line('1', price='free')}\n", "line 2 is no invoice line"),
        (f"{HEAD}\n1,2,3\n", "line 2 is no invoice line"),
    ],
)
def test_a_file_that_is_none_of_ours_is_one_line_that_says_where(tmp_path, text, complaint):
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(Misconfigured, match=complaint) as refused:
        retail.read(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_one_line_that_says_so(tmp_path):
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(b"InvoiceNo" * 1_000)[:-20])
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    false = tmp_path / "false.csv.gz"
    false.write_text("not packed")
    for file in (tmp_path / "missing.csv", tmp_path, cut, binary, false):
        with pytest.raises(Misconfigured) as refused:
            retail.read(file)
        assert str(file) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_the_real_months_are_read_whole():
    invoices = retail.read(DATA)
    assert len({invoice.number for invoice in invoices}) == len(invoices)
    assert [invoice.at for invoice in invoices] == sorted(invoice.at for invoice in invoices)
    assert all(invoice.number.isdigit() or invoice.number[0] in "CA" for invoice in invoices)
