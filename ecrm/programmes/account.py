"""The account was changed (R62): an alert, so that whoever did not do it hears of it.

A new address is told to both, the old one and the new.
"""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

address = programme(
    "address",
    doc=__doc__,
    enrol=on("Email Changed"),
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("changed", kind="k32", to="both"),),
)

account = programme(
    "account",
    doc=__doc__,
    enrol=on("Account Updated"),
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("updated", kind="k32"),),
)
