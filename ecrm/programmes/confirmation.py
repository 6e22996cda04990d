"""Order confirmation, as soon as the payment is authorised (R54), not when the cart is submitted.

It is owed, and always goes. A block with an accessory or a service is shown to those who may be
written to for marketing (R27, mission §9.8).
"""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

confirmation = programme(
    "confirmation",
    doc=__doc__,
    enrol=on("Order Paid"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled"),
    per="order",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("confirmed", kind="k11", shows=("order",)),),
)
