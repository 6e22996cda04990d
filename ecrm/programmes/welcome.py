"""Welcome: a greeting the moment an address is registered, then one mail a week for a month.

Each of the four weekly mails is different, and all of them work towards one thing, the first order
(R8 to R10). The first order ends the programme. Whoever has not ordered after thirty days graduates
to the general newsletter like everybody else (R4): nobody is written off in silence.
"""

from __future__ import annotations

from ecrm.mail import MARKETING, TRANSACTIONAL
from ecrm.moment import days
from ecrm.programme import mail, mark, on, once, programme, skip

NO_ORDER = "orders.count == 0"
SOON_ENOUGH = skip(after=days(5))

welcome = programme(
    "welcome",
    doc=__doc__,
    enrol=on("Registered"),
    leave=on("Order Completed", "Order Paid"),
    again=once(),
    basis="consent",
    mail_class=MARKETING,
    steps=(
        # The greeting confirms the registration (R11): it is owed, and goes whatever was consented.
        mail("hello", kind="k01", mail_class=TRANSACTIONAL, basis="contract"),
        mail("week-1", kind="k02", after=days(7), when=NO_ORDER, late=SOON_ENOUGH),
        mail("week-2", kind="k03", after=days(14), when=NO_ORDER, late=SOON_ENOUGH),
        mail("week-3", kind="k04", after=days(21), when=NO_ORDER, late=SOON_ENOUGH),
        mail("week-4", kind="k05", after=days(28), when=NO_ORDER, late=SOON_ENOUGH),
        mark("graduated", after=days(30), when=NO_ORDER),
    ),
)
