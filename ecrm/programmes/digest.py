"""The digest: what was gathered since the last one, in one mail (R66).

Daily, weekly on a Monday or monthly on the first, at eight in the person's own morning. It exists
only where something was gathered, so it is never empty.
"""

from __future__ import annotations

from ecrm.delays import gathered
from ecrm.mail import NOTIFICATION
from ecrm.moment import days
from ecrm.programme import mail, merge, on, programme

digest = programme(
    "digest",
    doc=__doc__,
    enrol=on("Notice Kept"),
    per="cadence",
    basis="contract",
    mail_class=NOTIFICATION,
    steps=(
        mail(
            "digest",
            kind="k40",
            after=gathered("08:00"),
            when="digest.notices > 0",
            # One that still waits when the next is made goes in it.
            late=merge(skip=days(2)),
        ),
    ),
)
