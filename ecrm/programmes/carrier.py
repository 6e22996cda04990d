"""News of the carrier (R65): said at once, or in the digest that the person prefers (R66)."""

from __future__ import annotations

from ecrm.mail import NOTIFICATION
from ecrm.moment import days
from ecrm.programme import mail, on, programme, skip

carrier = programme(
    "carrier",
    doc=__doc__,
    enrol=on("Shipment Updated"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled", "Order Refunded"),
    per="update",
    basis="contract",
    mail_class=NOTIFICATION,
    steps=(mail("update", kind="k39", topic="shipping", late=skip(after=days(2))),),
)
