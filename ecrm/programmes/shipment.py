"""The parcel is on its way: one mail a parcel once the carrier has it, with its tracking (R56)."""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

shipment = programme(
    "shipment",
    doc=__doc__,
    enrol=on("Order Fulfilled"),
    per="parcel",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("shipped", kind="k14", shows=("order", "parcel")),),
)
