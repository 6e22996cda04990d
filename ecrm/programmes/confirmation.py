"""Order confirmation, as soon as the payment is authorised (R54), not when the cart is submitted.

It is owed, and always goes. Those who may be written to for marketing find in it a service or an
accessory for what they ordered (R27, mission §9.8) and, where it is something that is used up, a
word about the next time: that is the beginning of the nursing (R22).
"""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme, proposes

confirmation = programme(
    "confirmation",
    doc=__doc__,
    enrol=on("Order Paid"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled"),
    per="order",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(
        mail(
            "confirmed",
            kind="k11",
            shows=("order",),
            proposes=proposes("services", "complements", most=3),
        ),
    ),
)
