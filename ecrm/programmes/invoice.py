"""The invoice, as soon as it is made out (R57)."""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

invoice = programme(
    "invoice",
    doc=__doc__,
    enrol=on("Invoice Issued"),
    per="invoice",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("issued", kind="k15"),),
)
