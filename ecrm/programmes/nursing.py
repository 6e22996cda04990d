"""The second order: whoever bought once is not a customer yet (R1, R2, R20).

It starts when what was bought is used up or has been lived with: after the product's own cycle
(R23), and never within a week of the confirmation, which begins the nursing itself where the
product is one that is bought again and again (R22). An impulse purchase is followed by a promotion,
a considered one by something to read (R21); a last word follows after three weeks more. Any second
order ends it.
"""

from __future__ import annotations

from ecrm.delays import cycle
from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.offers import Offer
from ecrm.programme import local, mail, on, once, programme, proposes, skip

USUALLY = cycle(days(30), least=days(7))
MORNING = local("10:00")
SOON_ENOUGH = skip(after=days(10))
WHAT_NEXT = proposes("complements", "same_creator", "bought_with", "affinity", most=3)
# Three weeks after the first mail of the sequence, whatever the cycle.
LATER = cycle(days(30), least=days(7), more=days(21))

nursing = programme(
    "nursing",
    doc=__doc__,
    enrol=on("Order Paid"),
    when="orders.count == 1 and not (order.cancelled or order.refunded)",
    leave=on("Next Order", "Order Cancelled", "Order Refunded"),
    again=once(),
    per="order",
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "promotion",
            kind="k22",
            after=USUALLY,
            at=MORNING,
            when='order.purchase_kind != "considered"',
            late=SOON_ENOUGH,
            # It still lives when the last word of the sequence goes.
            offer=Offer(percent=10, valid=days(28)),
            shows=("order",),
            proposes=WHAT_NEXT,
        ),
        mail(
            "editorial",
            kind="k22",
            after=USUALLY,
            at=MORNING,
            when='order.purchase_kind == "considered"',
            late=SOON_ENOUGH,
            shows=("order",),
            proposes=WHAT_NEXT,
        ),
        mail(
            "second",
            kind="k22",
            after=LATER,
            at=MORNING,
            late=SOON_ENOUGH,
            shows=("order", "offer"),
            proposes=WHAT_NEXT,
        ),
    ),
)
