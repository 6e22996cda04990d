"""A programme for each way of living with our mails (R49): one mail when somebody comes into it.

The inactive are asked back with what is new, those who read and never click are shown one thing
worth a click, good readers get an early look, the best are thanked. Each at most every half year.
"""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import Duration, days
from ecrm.programme import Proposes, again, local, mail, on, programme, proposes, skip

MORNING = local("10:00")
HALF_A_YEAR = again(after=days(183))
SOON_ENOUGH = skip(after=days(10))


def worth_a_look(least: int) -> Proposes:
    return proposes("affinity", "bought_with", "same_creator", "complements", most=3, least=least)


def soon(count: int) -> Duration:
    """Some days after the change, so that it is not the click itself that is answered."""
    return days(count)


inactive = programme(
    "inactive",
    doc=__doc__,
    enrol=on("Became inactive"),
    leave=on("Sign Of Life"),
    again=HALF_A_YEAR,
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "come-back",
            kind="k25",
            after=soon(1),
            at=MORNING,
            late=SOON_ENOUGH,
            proposes=worth_a_look(0),
        ),
    ),
)

semi_active = programme(
    "semi-active",
    doc=__doc__,
    enrol=on("Became semi-active"),
    leave=on("Became active", "Became super-active", "Became inactive"),
    again=HALF_A_YEAR,
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "closer",
            kind="k25",
            after=soon(3),
            at=MORNING,
            late=SOON_ENOUGH,
            proposes=worth_a_look(1),
        ),
    ),
)

active = programme(
    "active",
    doc=__doc__,
    enrol=on("Became active"),
    leave=on("Became super-active", "Became inactive", "Became semi-active"),
    again=HALF_A_YEAR,
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "more",
            kind="k25",
            after=soon(3),
            at=MORNING,
            late=SOON_ENOUGH,
            proposes=worth_a_look(1),
        ),
    ),
)

super_active = programme(
    "super-active",
    doc=__doc__,
    enrol=on("Became super-active"),
    leave=on("Became inactive", "Became semi-active"),
    again=HALF_A_YEAR,
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "first",
            kind="k25",
            after=soon(3),
            at=MORNING,
            late=SOON_ENOUGH,
            proposes=worth_a_look(0),
        ),
    ),
)
