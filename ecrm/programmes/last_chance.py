"""The last offer, to who has been inactive for long (R50), and what follows from silence.

Forty-five days after somebody became inactive comes one very commercial mail. Thirty days later,
with still no sign of life, marketing stops for good: `sunset`. What is owed goes on, and any sign
of life brings everything back (mission §9.3). `run.py clean --rehearse` lists who would go.
"""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.offers import Offer
from ecrm.programme import again, local, mail, mark, on, programme, skip

last_chance = programme(
    "last-chance",
    doc=__doc__,
    enrol=on("Became inactive"),
    leave=on("Sign Of Life"),
    again=again(after=days(183)),
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "offer",
            kind="k27",
            after=days(45),
            at=local("10:00"),
            late=skip(after=days(15)),
            offer=Offer(percent=20, valid=days(2)),
        ),
        # Thirty days after the latest day on which the offer could go.
        mark("sunset", after=days(90), when='tier == "inactive"'),
    ),
)
