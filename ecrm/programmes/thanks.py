"""Thank you: a day after each order, and nothing else in it (R41: "often forgotten")."""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.programme import local, mail, on, programme, skip

thanks = programme(
    "thanks",
    doc=__doc__,
    enrol=on("Order Paid"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled", "Order Refunded"),
    per="order",
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "thanks",
            kind="k12",
            after=days(1),
            at=local("10:00"),
            late=skip(after=days(3)),
            shows=("order",),
        ),
    ),
)
