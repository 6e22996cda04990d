"""How often, and is it any good? Asked of who has become inactive (R51), a fortnight after.

Both answers are one click. The frequency is obeyed from that moment; either answer ends the
question, and is a sign of life.
"""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.programme import again, local, mail, on, programme, skip

question = programme(
    "question",
    doc=__doc__,
    enrol=on("Became inactive"),
    leave=on("Frequency Wished", "Relevance Rated", "Sign Of Life"),
    again=again(after=days(183)),
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "question",
            kind="k26",
            after=days(14),
            at=local("10:00"),
            late=skip(after=days(14)),
        ),
    ),
)
