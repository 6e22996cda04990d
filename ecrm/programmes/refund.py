"""Money went back, all of it or a part: a receipt at once (R60)."""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

refund = programme(
    "refund",
    doc=__doc__,
    enrol=on("Order Refunded", "Products Returned"),
    per="order",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("receipt", kind="k16", shows=("order",)),),
)
