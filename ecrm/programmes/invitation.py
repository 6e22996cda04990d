"""An invitation in a customer's name (R67), to somebody who has no account.

One mail ever from one person to one address, at most ten a day, none to who does not want any, and
none of it is tracked: the recipient has agreed to nothing.
"""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

invitation = programme(
    "invitation",
    doc=__doc__,
    enrol=on("Invite Sent"),
    per="invitee",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(
        mail(
            "invitation",
            kind="k41",
            when="not invitation.again and invitations.today < 10",
            to="invitee",
        ),
    ),
)
