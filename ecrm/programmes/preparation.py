"""The order is being prepared: said when logistics takes it in hand (R55), if it still stands."""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

preparation = programme(
    "preparation",
    doc=__doc__,
    enrol=on("Order Prepared"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled", "Order Refunded"),
    per="order",
    basis="contract",
    mail_class=TRANSACTIONAL,
    retracts=True,
    steps=(mail("prepared", kind="k13", shows=("order",)),),
)
