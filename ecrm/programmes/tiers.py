"""A programme for each way of living with our mails (R49): one mail when somebody comes into it.

The inactive are asked back with what is new, those who read and never click are shown one thing
worth a click, good readers get an early look, the best are thanked. Each at most every half year.
"""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import Duration, days
from ecrm.programme import Programme, again, local, mail, on, programme, proposes, skip


def for_tier(
    name: str,
    step: str,
    *,
    enrol: tuple[str, ...],
    leave: tuple[str, ...],
    after: Duration,
    least: int,
) -> Programme:
    """One mail, some days after the change: it must not answer the very click that made it. With
    fewer than `least` products to show there is none.
    """
    worth_a_look = proposes(
        "affinity", "bought_with", "same_creator", "complements", most=3, least=least
    )
    return programme(
        name,
        doc=__doc__,
        enrol=enrol,
        leave=leave,
        again=again(after=days(183)),
        basis="soft_opt_in",
        mail_class=MARKETING,
        steps=(
            mail(
                step,
                kind="k25",
                after=after,
                at=local("10:00"),
                late=skip(after=days(10)),
                proposes=worth_a_look,
            ),
        ),
    )


inactive = for_tier(
    "inactive",
    "come-back",
    enrol=on("Became inactive"),
    leave=on("Sign Of Life"),
    after=days(1),
    least=0,
)
semi_active = for_tier(
    "semi-active",
    "closer",
    enrol=on("Became semi-active"),
    leave=on("Became active", "Became super-active", "Became inactive"),
    after=days(3),
    least=1,
)
active = for_tier(
    "active",
    "more",
    enrol=on("Became active"),
    leave=on("Became super-active", "Became inactive", "Became semi-active"),
    after=days(3),
    least=1,
)
super_active = for_tier(
    "super-active",
    "first",
    enrol=on("Became super-active"),
    leave=on("Became inactive", "Became semi-active"),
    after=days(3),
    least=0,
)
