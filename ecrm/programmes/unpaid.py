"""An invoice is overdue (R62): reminded at once, after a week and after two more, until it is paid.

Reminders of a debt are written at office hours. A payment ends them, also the one that already
waits in the queue; one that was heard of before the reminder began keeps it from beginning.
"""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.moment import days
from ecrm.programme import local, mail, on, programme, skip

OFFICE = local("09:00")
SOON_ENOUGH = skip(after=days(5))

unpaid = programme(
    "unpaid",
    doc=__doc__,
    enrol=on("Invoice Overdue"),
    leave=on("Invoice Paid", "Order Cancelled", "Order Refunded"),
    per="invoice",
    basis="contract",
    mail_class=TRANSACTIONAL,
    retracts=True,
    steps=(
        mail("first", kind="k35", at=OFFICE, late=SOON_ENOUGH),
        mail("second", kind="k35", after=days(7), at=OFFICE, late=SOON_ENOUGH),
        mail("last", kind="k35", after=days(21), at=OFFICE, late=SOON_ENOUGH),
    ),
)
