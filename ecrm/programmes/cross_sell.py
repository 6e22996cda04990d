"""What goes with it: scheduled as soon as the order's confirmation is sent (R26).

Complements, and more by the same maker or artist, of what was ordered; never what the person has.
Whoever bought everything there is to propose gets no mail.
"""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.programme import local, mail, on, programme, proposes, skip

cross_sell = programme(
    "cross-sell",
    doc=__doc__,
    enrol=on("Sent k11"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled", "Order Refunded"),
    per="order",
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "suggestions",
            kind="k21",
            after=days(5),
            at=local("10:00"),
            late=skip(after=days(7)),
            shows=("order",),
            proposes=proposes("complements", "same_creator", "bought_with", most=3, least=1),
        ),
    ),
)
