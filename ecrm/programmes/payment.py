"""A payment failed (R62): said at once, with the way to try again, unless it was paid since."""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.moment import hours
from ecrm.programme import mail, on, programme, skip

payment = programme(
    "payment",
    doc=__doc__,
    enrol=on("Payment Failed"),
    when="not (order.paid or order.cancelled)",
    leave=on("Order Paid", "Invoice Paid", "Order Cancelled"),
    per="order",
    basis="contract",
    mail_class=TRANSACTIONAL,
    retracts=True,
    steps=(mail("failed", kind="k34", late=skip(after=hours(24))),),
)
