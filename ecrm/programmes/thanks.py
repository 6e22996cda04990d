"""Thank you: the morning after an order, and nothing else in it (R41: "often forgotten").

It sells nothing, so it is part of the order and weighs on no cap. Whoever orders again before it
has gone is thanked once.
"""

from __future__ import annotations

from ecrm.delays import after
from ecrm.mail import TRANSACTIONAL
from ecrm.moment import days
from ecrm.programme import local, mail, on, programme, skip

thanks = programme(
    "thanks",
    doc=__doc__,
    enrol=on("Order Paid"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled", "Order Refunded"),
    retracts=True,
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(
        mail(
            "thanks",
            kind="k12",
            after=after(days(1)),
            at=local("10:00"),
            late=skip(after=days(3)),
            shows=("order",),
        ),
    ),
)
