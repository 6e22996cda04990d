"""Did the parcel arrive well? About fifteen days after it left, and how was the shop (R39).

The fifteen days count from the hand-over to the carrier. Where the shop reports the delivery, the
question waits at least three days after it; where it reports that delivery failed, it is not asked.
"""

from __future__ import annotations

from ecrm.delays import after, latest
from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.programme import mail, on, programme, skip

parcel = programme(
    "parcel",
    doc=__doc__,
    enrol=on("Order Fulfilled"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled", "Order Refunded", "Site Rated"),
    per="order",
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "arrived",
            kind="k17",
            after=latest(
                after(days(15), since="Order Fulfilled"),
                after(days(3), since="Order Delivered"),
            ),
            when="not order.undelivered and not order.rated",
            late=skip(after=days(7)),
            shows=("order",),
        ),
    ),
)
