"""The account is deleted (R63): confirmed, and then everything known of the person is erased.

Every other programme ends with the account. Once this mail is out, or cannot be, the life goes:
journal, snapshots, timers, queue.
"""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

farewell = programme(
    "farewell",
    doc=__doc__,
    enrol=on("Account Deleted"),
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("deleted", kind="k31"),),
)
