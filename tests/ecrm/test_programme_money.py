"""Invoices, what is overdue, payments that failed, money that went back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ecrm import facts
from ecrm.matters import Refund
from ecrm.moment import Duration, days, hours, minutes
from proto import events
from tests.lives import Life, Withheld

DUE = datetime(2026, 5, 31, tzinfo=UTC)
OVERDUE = events.InvoiceOverdue(
    invoice_id="i1", order_id="o1", total=49.9, currency="EUR", due_at=DUE
)
SETTLED = events.InvoicePaid(invoice_id="i1")
FAILED = events.PaymentFailed(order_id="o1", reason="card expired", retry_url="https://s.example/p")
LINES = (
    events.Product(product_id="tea", price=10, quantity=2, name="Tea"),
    events.Product(product_id="cup", price=10, name="Cup"),
)
PLACED = events.OrderCompleted(order_id="o1", total=30, currency="EUR", products=LINES)
PAID = events.OrderPaid(order_id="o1", total=30, currency="EUR", products=LINES)
CANCELLED = events.OrderCancelled(order_id="o1")


def debtor(*only: str, start: str = "2026-06-01 10:00") -> Life:
    """Nothing here is marketing: it goes to who refused that."""
    return Life(start=start, only=only).identify().consents(given=False)


# Invoice (k15)


def test_an_invoice_is_sent_as_soon_as_it_is_made_out():
    issued = events.InvoiceIssued(
        invoice_id="i1",
        order_id="o1",
        total=1_200,
        currency="JPY",
        due_at=DUE,
        url="https://i.ex/1",
    )
    life = debtor("invoice", start="2026-06-01 23:50").tell(issued)
    assert life.mails == [("k15", "invoice/issued", "2026-06-01 23:50")]
    shown = life.sent[0].values.invoice
    assert (shown.invoice_id, shown.total, shown.currency, shown.url) == (
        "i1", 1_200, "JPY", "https://i.ex/1",
    )  # fmt: skip
    assert shown.due_at == life.instant("2026-05-31T00:00Z")


def test_an_invoice_whose_sum_nobody_said_shows_none():
    (mail,) = debtor("invoice").tell(events.InvoiceIssued(invoice_id="i1")).sent
    assert mail.values.invoice.total is None


def test_two_invoices_are_two_mails():
    life = debtor("invoice")
    for name in ("i1", "i2"):
        life.tell(events.InvoiceIssued(invoice_id=name, order_id="o1"))
    assert [mail.values.invoice.invoice_id for mail in life.sent] == ["i1", "i2"]


# Overdue (k35)


def test_a_debt_is_reminded_of_at_once_after_a_week_and_after_two_more_at_office_hours():
    assert debtor("unpaid").tell(OVERDUE).sleeps(days(90)).mails == [
        ("k35", "unpaid/first", "2026-06-02 09:00"),
        ("k35", "unpaid/second", "2026-06-09 09:00"),
        ("k35", "unpaid/last", "2026-06-23 09:00"),
    ]


def test_before_nine_in_the_morning_at_once_is_the_same_day():
    life = debtor("unpaid", start="2026-06-01 08:59").tell(OVERDUE).sleeps(hours(1))
    assert life.mails == [("k35", "unpaid/first", "2026-06-01 09:00")]


def test_office_hours_stay_what_they_are_when_the_clock_is_put_forward():
    life = debtor("unpaid", start="2026-03-25 07:00").tell(OVERDUE).sleeps(days(30))
    assert [mail.at for mail in life.mails] == [
        "2026-03-25 09:00",
        "2026-04-01 09:00",
        "2026-04-15 09:00",
    ]


@pytest.mark.parametrize(("after", "reminded"), [(0, 0), (3, 1), (10, 2), (30, 3)])
def test_a_payment_ends_the_reminders(after, reminded):
    life = debtor("unpaid").tell(OVERDUE).sleeps(days(after)).reports("accepted").tell(SETTLED)
    assert len(life.sleeps(days(60)).mails) == reminded
    assert life.retracted == []


def test_a_payment_takes_back_the_reminder_that_waits_in_the_queue():
    life = debtor("unpaid").tell(OVERDUE).sleeps(days(1)).tell(SETTLED)
    assert life.retracted == [("k35", "Invoice Paid i1")]


def test_a_payment_heard_of_before_the_reminders_keeps_them_from_beginning():
    life = debtor("unpaid").tell(SETTLED).sleeps(days(1)).tell(OVERDUE).sleeps(days(60))
    assert life.mails == []


def test_a_debt_that_is_told_every_day_is_one_debt():
    life = debtor("unpaid")
    for _ in range(40):
        life.tell(OVERDUE).sleeps(days(1))
    assert len(life.sleeps(days(60)).mails) == 3


def test_the_payment_of_another_invoice_ends_nothing():
    life = debtor("unpaid").tell(OVERDUE).tell(events.InvoicePaid(invoice_id="i2"))
    assert len(life.sleeps(days(60)).mails) == 3


@pytest.mark.parametrize("event", [CANCELLED, events.OrderRefunded(order_id="o1")])
def test_nothing_is_owed_for_an_order_that_does_not_stand(event):
    life = debtor("unpaid").tell(PLACED).tell(OVERDUE).tell(event).sleeps(days(60))
    assert life.mails == []
    assert life.withheld == [Withheld("unpaid/first", "stop_condition")]


def test_another_order_that_is_cancelled_leaves_the_debt():
    life = debtor("unpaid").tell(OVERDUE).tell(events.OrderCancelled(order_id="o2"))
    assert len(life.sleeps(days(60)).mails) == 3


def test_two_debts_are_reminded_of_apart():
    life = debtor("unpaid").tell(OVERDUE).tell(events.InvoiceOverdue(invoice_id="i2"))
    life.tell(SETTLED).sleeps(days(60))
    assert [mail.values.invoice.invoice_id for mail in life.sent] == ["i2"] * 3


def test_a_reminder_that_is_five_days_late_goes_and_a_later_one_does_not():
    late = debtor("unpaid").tell(OVERDUE).skips(Duration(days(5) + hours(23))).ticks()
    assert [fact.mail.step for fact in late if isinstance(fact, facts.MailRequested)] == ["first"]
    later = debtor("unpaid").tell(OVERDUE).skips(Duration(days(5) + hours(23) + 1))
    later.ticks()
    assert later.withheld == [Withheld("unpaid/first", "deadline")]


# Payment failed (k34)


def test_a_failed_payment_is_told_at_once_with_the_way_to_try_again():
    life = debtor("payment", start="2026-06-01 23:50").tell(PLACED).tell(FAILED)
    assert life.mails == [("k34", "payment/failed", "2026-06-01 23:50")]
    shown = life.sent[0].values.payment
    assert (shown.order_id, shown.reason, shown.retry_url) == (
        "o1", "card expired", "https://s.example/p",
    )  # fmt: skip


def test_a_payment_that_went_through_since_is_not_told_to_have_failed():
    life = debtor("payment").sleeps(minutes(5)).tell(PAID)
    assert life.tell(FAILED, occurred="2026-06-01 10:00").mails == []


def test_nobody_is_told_to_pay_for_what_was_cancelled():
    assert debtor("payment").tell(PLACED).tell(CANCELLED).tell(FAILED).mails == []


@pytest.mark.parametrize(
    ("event", "why"), [(PAID, "Order Paid o1"), (CANCELLED, "Order Cancelled o1")]
)
def test_a_failure_that_waits_in_the_queue_is_taken_back_when_it_is_over(event, why):
    life = debtor("payment").tell(PLACED).tell(FAILED).sleeps(minutes(1)).tell(event)
    assert life.retracted == [("k34", why)]


def test_a_failure_that_was_sent_is_not_taken_back():
    life = debtor("payment").tell(PLACED).tell(FAILED).reports("accepted").tell(PAID)
    assert life.retracted == []


def test_every_failure_is_told():
    life = debtor("payment").tell(PLACED).tell(FAILED).sleeps(hours(1)).tell(FAILED)
    assert [mail.at for mail in life.mails] == ["2026-06-01 10:00", "2026-06-01 11:00"]


def test_a_failure_heard_of_a_day_late_is_no_news():
    told = debtor("payment").sleeps(days(1)).tell(FAILED, occurred="2026-06-01 10:00")
    assert told.kinds == ["k34"]
    late = debtor("payment").sleeps(Duration(days(1) + 1))
    late.tell(FAILED, occurred="2026-06-01 10:00")
    assert late.withheld == [Withheld("payment/failed", "deadline")]


@pytest.mark.parametrize(
    "failed",
    [
        events.PaymentFailed(invoice_id="i1"),
        events.PaymentFailed(invoice_id="i1", order_id="o1"),
    ],
    ids=["of an invoice", "of the invoice of an order"],
)
def test_the_failed_payment_of_an_invoice_is_over_when_that_is_paid(failed):
    life = debtor("payment").tell(failed).tell(SETTLED)
    assert life.kinds == ["k34"]
    assert life.retracted == [("k34", "Invoice Paid i1")]


def test_the_payment_of_another_invoice_does_not_take_back_that_one_failed():
    life = debtor("payment").tell(FAILED).tell(events.InvoicePaid(invoice_id="i2"))
    assert life.retracted == []


def test_a_failed_payment_of_nothing_in_particular_is_told():
    assert debtor("payment").tell(events.PaymentFailed()).kinds == ["k34"]


# Refund (k16)


def refund(**more) -> events.OrderRefunded:
    return events.OrderRefunded(order_id="o1", **more)


def back(*products: str, quantity: int | None = None, **more) -> events.OrderRefunded:
    lines = tuple(events.Product(product_id=one, quantity=quantity) for one in products)
    return refund(products=lines, **more)


def refunds(life: Life) -> list[Refund]:
    return [mail.values.refund for mail in life.sent]


def test_money_that_goes_back_is_receipted_at_once():
    life = debtor("refund", start="2026-06-01 02:00").tell(PAID).tell(refund())
    assert life.mails == [("k16", "refund/receipt", "2026-06-01 02:00")]
    assert refunds(life) == [Refund("o1", 3_000, "EUR", whole=True)]


@pytest.mark.parametrize(
    ("event", "amount", "whole"),
    [
        (refund(total=30), 3_000, True),
        (refund(total=12.5), 1_250, False),
        (back("cup", total=9), 900, False),
        (back("cup"), None, False),
        (back("tea", quantity=1), None, False),
        (back("tea", "cup"), 3_000, True),
        (back("tea", "cup", total=28), 2_800, True),
    ],
)
def test_a_receipt_says_how_much_and_whether_it_was_all(event, amount, whole):
    life = debtor("refund").tell(PAID).tell(event)
    assert refunds(life) == [Refund("o1", amount, "EUR", whole=whole)]


def test_a_part_and_then_the_rest_are_two_receipts():
    life = debtor("refund").tell(PAID).tell(back("cup")).sleeps(days(2)).tell(back("tea"))
    assert [one.whole for one in refunds(life)] == [False, True]
    assert [mail.at for mail in life.mails] == ["2026-06-01 10:00", "2026-06-03 10:00"]


def test_a_whole_refund_that_is_told_again_is_one():
    life = debtor("refund").tell(PAID).tell(refund()).sleeps(hours(1)).tell(refund())
    assert life.kinds == ["k16"]


def test_a_receipt_shows_what_is_left_of_the_order():
    (mail,) = debtor("refund").tell(PAID).tell(back("tea", quantity=1)).sent
    lines = [(line.product_id, line.quantity) for line in mail.values.order.lines]
    assert lines == [("tea", 1), ("cup", 1)]


def test_a_refund_of_an_order_nobody_knows_is_receipted_as_it_was_told():
    life = debtor("refund").tell(refund(total=900, currency="JPY"))
    assert refunds(life) == [Refund("o1", 900, "JPY", whole=True)]
