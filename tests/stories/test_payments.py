"""Money (k15, k16, k34, k35): the invoice, what is paid back, what failed, what is still owed."""

from __future__ import annotations

from ecrm import moment
from ecrm.delivery.limiter import limit
from tests.worlds import Unsent, instant, open_world, text_of

INVOICE = {
    "invoice_id": "F-7",
    "order_id": "o1",
    "total": 1_119.9,
    "currency": "EUR",
    "due_at": moment.format_instant(instant("2026-03-31 12:00")),
    "url": "https://boutique.example/invoices/F-7",
}
REMINDED = [("k35", "2026-03-03 09:00"), ("k35", "2026-03-10 09:00"), ("k35", "2026-03-24 09:00")]


def assert_owed(letter):
    """Written in the shop's own name, with nothing of a mailing about it (RFC 8058, RFC 3834)."""
    assert letter["From"].addresses[0].addr_spec == "commandes@boutique.example"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Id"] is letter["List-Unsubscribe"] is letter["List-Unsubscribe-Post"]


# The invoice.


async def test_an_invoice_is_sent_as_soon_as_it_is_made_out_whatever_was_consented(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe", consent=False, firstName="Zoé", locale="fr")
    await shop.consents("zoe", "denied")
    await world.until("2026-03-02 23:40")
    await shop.track("zoe", "Invoice Issued", **INVOICE)
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k15", "2026-03-02 23:40")]
    letter = world.letter("k15")
    assert "F-7" in letter["Subject"]
    assert letter["To"] == "zoe@customers.example"
    assert letter["X-Ecrm-Customer"] == "zoe"
    assert letter["X-Ecrm-Programme"] == "invoice/issued"
    assert_owed(letter)
    text = text_of(letter)
    assert "Bonjour Zoé," in text
    assert "1 119,90 €" in text
    assert "31 mars 2026" in text
    assert "https://boutique.example/invoices/F-7" in text


async def test_an_invoice_of_an_unknown_sum_says_none(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en")
    await shop.track("zoe", "Invoice Issued", invoice_id="F-8")
    await world.passes(0)
    text = text_of(world.letter("k15"))
    assert "Invoice number: F-8" in text
    assert "Total" not in text
    assert "Due date" not in text


async def test_each_invoice_is_sent_by_itself_and_waits_for_an_address(autojump_clock, world):
    shop = await world.shop()
    await shop.track("zoe", "Invoice Issued", **INVOICE)
    await shop.track("zoe", "Invoice Issued", **{**INVOICE, "invoice_id": "F-8"})
    await world.until("2026-03-03 10:00")
    assert world.kinds() == []
    await shop.knows("zoe", locale="en")
    await world.passes(0)
    assert world.kinds() == [("k15", "2026-03-03 10:00"), ("k15", "2026-03-03 10:00")]
    subjects = sorted(str(letter["Subject"]) for letter in world.letters())
    assert subjects == ["Your invoice F-7", "Your invoice F-8"]


async def test_an_invoice_without_an_address_in_three_days_is_given_up_with_the_reason(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.track("zoe", "Invoice Issued", **INVOICE)
    await world.until("2026-03-05 10:00")
    assert await world.unsent("zoe") == [Unsent("k15", "invoice/issued", "missing_data")]
    await shop.knows("zoe")
    await world.until("2026-03-10 10:00")
    assert world.kinds() == []


# Money that goes back.


async def test_a_refund_is_receipted_with_its_amount(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en-GB")
    await shop.pays("zoe", "o1", "cup", "pot")
    await world.until("2026-03-04 22:30")
    await shop.track("zoe", "Order Refunded", order_id="o1", total=20, currency="EUR")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k16") == [("k16", "2026-03-04 22:30")]
    letter = world.letter("k16")
    assert letter["Subject"] == "Your order o1 is refunded"
    assert_owed(letter)
    text = text_of(letter)
    assert "We have refunded your order o1 in full." in text
    assert "Amount refunded: €20.00" in text


async def test_a_refund_that_tells_no_amount_is_of_the_whole_order(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en-GB")
    await shop.pays("zoe", "o1", "cup", "pot", "tea")
    await shop.track("zoe", "Order Refunded", order_id="o1")
    await world.passes(0)
    assert "Amount refunded: €30.00" in text_of(world.letter("k16"))


async def test_a_refund_of_an_order_nobody_told_us_of_is_receipted_without_an_amount(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe", locale="en")
    await shop.track("zoe", "Order Refunded", order_id="o9")
    await world.passes(0)
    text = text_of(world.letter("k16"))
    assert "Order number: o9" in text
    assert "Amount refunded" not in text


async def test_what_is_paid_back_in_parts_is_receipted_part_by_part(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en-GB")
    await shop.pays("zoe", "o1", "cup", "pot")
    await world.until("2026-03-04 11:00")
    cup, pot = ([{"product_id": product}] for product in ("cup", "pot"))
    await shop.track("zoe", "Order Refunded", order_id="o1", total=9.5, products=cup)
    await world.until("2026-03-05 11:00")
    await shop.track("zoe", "Order Refunded", order_id="o1", total=10, products=pot)
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k16") == [("k16", "2026-03-04 11:00"), ("k16", "2026-03-05 11:00")]
    part, rest = (text_of(x) for x in world.letters() if x["X-Ecrm-Kind"] == "k16")
    assert "We have refunded a part of your order o1." in part
    assert "Amount refunded: €9.50" in part
    assert "We have refunded your order o1 in full." in rest
    assert "Amount refunded: €10.00" in rest


async def test_a_refund_told_twice_is_receipted_once(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "cup")
    await shop.track("zoe", "Order Refunded", order_id="o1")
    await world.until("2026-03-03 10:00")
    await shop.track("zoe", "Order Refunded", order_id="o1")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k16") == [("k16", "2026-03-02 10:00")]


# A payment that failed.


async def test_a_failed_payment_is_told_at_once_with_the_way_to_try_again(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en", consent=False)
    await shop.track("zoe", "Order Completed", order_id="o1", total=10, currency="EUR")
    await world.until("2026-03-02 22:05")
    await shop.track(
        "zoe",
        "Payment Failed",
        order_id="o1",
        reason="card expired",
        retry_url="https://boutique.example/pay/o1",
    )
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k34", "2026-03-02 22:05")]
    letter = world.letter("k34")
    assert_owed(letter)
    text = text_of(letter)
    assert "The payment for your order o1 did not go through." in text
    assert "Reason given: card expired" in text
    assert "https://boutique.example/pay/o1" in text


async def test_a_failure_heard_after_the_payment_is_not_told(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "cup")
    await shop.track("zoe", "Payment Failed", order_id="o1", at="2026-03-02 09:58")
    await world.until("2026-03-20 10:00")
    assert world.kinds("zoe", "k34") == []


async def test_each_failure_of_an_unpaid_order_is_told(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Payment Failed", order_id="o1")
    await world.until("2026-03-02 10:30")
    await shop.track("zoe", "Payment Failed", order_id="o1")
    await world.until("2026-03-03 10:00")
    assert world.kinds() == [("k34", "2026-03-02 10:00"), ("k34", "2026-03-02 10:30")]


async def test_a_failure_that_waited_for_an_address_is_not_told_once_it_is_paid(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.track("zoe", "Payment Failed", order_id="o1")
    await shop.track("zoe", "Payment Failed", order_id="o2")
    await shop.track("zoe", "Order Paid", order_id="o1", total=10, currency="EUR")
    await shop.knows("zoe", locale="en")
    await world.until("2026-03-02 11:00")
    assert await world.unsent("zoe", "k34") == [Unsent("k34", "payment/failed", "stop_condition")]
    assert "your order o2 did" in text_of(world.letter("k34"))


async def test_a_failure_of_yesterday_is_no_news(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Payment Failed", order_id="o1", at="2026-03-01 09:59")
    await world.until("2026-03-03 10:00")
    assert world.kinds() == []
    assert await world.unsent("zoe") == [Unsent("k34", "payment/failed", "deadline")]


async def test_a_failure_in_the_queue_is_taken_back_when_it_is_paid(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 3_600)) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.track("zoe", "Payment Failed", order_id="o1")
        await shop.track("zoe", "Payment Failed", order_id="o2")
        await shop.track("zoe", "Payment Failed", invoice_id="F-7")
        await world.until("2026-03-02 10:20")
        await shop.track("zoe", "Order Paid", order_id="o2", total=10, currency="EUR")
        await shop.track("zoe", "Invoice Paid", invoice_id="F-7")
        await world.until("2026-03-02 14:00")
        assert await world.queue() == [
            ("zoe", "k34", "accepted"),
            ("zoe", "k34", "cancelled"),
            ("zoe", "k34", "cancelled"),
            ("zoe", "k11", "accepted"),
        ]


# What is still owed.


async def test_an_overdue_invoice_is_reminded_three_times_at_office_hours(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en-GB", consent=False)
    await shop.consents("zoe", "denied")
    await shop.track("zoe", "Invoice Overdue", **INVOICE)
    await world.until("2026-06-30 10:00")
    assert world.kinds() == REMINDED
    first, second, last = world.letters()
    assert first["Subject"] == "Your invoice F-7 awaits payment"
    assert second["Subject"] == "Your invoice F-7 is still unpaid"
    assert last["Subject"] == "Last reminder for your invoice F-7"
    for letter in (first, second, last):
        assert_owed(letter)
        text = text_of(letter)
        assert "Amount due: €1,119.90" in text
        assert "Due date: 31 March 2026" in text
        assert "https://boutique.example/invoices/F-7" in text


async def test_the_office_opens_at_nine_where_the_person_is(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", timezone="America/Montreal")
    await shop.track("zoe", "Invoice Overdue", **INVOICE)
    await world.until("2026-03-03 10:00")
    assert world.kinds() == [("k35", "2026-03-02 15:00")]


async def test_a_payment_ends_the_reminders(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Invoice Overdue", **INVOICE)
    await shop.track("zoe", "Invoice Overdue", **{**INVOICE, "invoice_id": "F-8"})
    await world.until("2026-03-05 10:00")
    await shop.track("zoe", "Invoice Paid", invoice_id="F-7")
    await world.until("2026-06-30 10:00")
    assert world.kinds() == sorted([*REMINDED, ("k35", "2026-03-03 09:00")])
    assert await world.unsent("zoe") == [Unsent("k35", "unpaid/second", "stop_condition")]


async def test_a_payment_heard_first_keeps_the_reminders_from_beginning(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Invoice Paid", invoice_id="F-7")
    await shop.track("zoe", "Invoice Overdue", **INVOICE)
    await world.until("2026-06-30 10:00")
    assert world.kinds() == []


async def test_a_cancelled_or_refunded_order_ends_the_reminders_of_its_invoice_alone(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    for number in (1, 2, 3):
        overdue = {**INVOICE, "invoice_id": f"F-{number}", "order_id": f"o{number}"}
        await shop.track("zoe", "Invoice Overdue", **overdue)
    await shop.track("zoe", "Order Cancelled", order_id="o1")
    await shop.track("zoe", "Order Refunded", order_id="o2")
    await world.until("2026-06-30 10:00")
    assert world.kinds("zoe", "k35") == REMINDED
    assert "F-3" in text_of(world.letters()[-1])
    assert await world.unsent("zoe", "k35") == [
        Unsent("k35", "unpaid/first", "stop_condition"),
        Unsent("k35", "unpaid/first", "stop_condition"),
    ]


async def test_an_invoice_that_is_told_overdue_every_day_is_reminded_three_times(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.knows("zoe")
    for day in range(2, 31):
        await world.until(f"2026-03-{day:02} 10:00")
        await shop.track("zoe", "Invoice Overdue", **INVOICE)
    await world.until("2026-06-30 10:00")
    assert world.kinds() == REMINDED


async def test_a_reminder_in_the_queue_is_taken_back_when_it_is_paid(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 3_600)) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        await shop.track("zoe", "Invoice Overdue", **{**INVOICE, "invoice_id": "F-1"})
        await shop.track("zoe", "Invoice Overdue", **{**INVOICE, "invoice_id": "F-2"})
        await world.until("2026-03-03 09:30")
        await shop.track("zoe", "Invoice Paid", invoice_id="F-2")
        await world.until("2026-03-04 09:00")
        assert await world.queue() == [("zoe", "k35", "accepted"), ("zoe", "k35", "cancelled")]
