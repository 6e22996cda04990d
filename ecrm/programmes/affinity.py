"""Related to what you bought: regularly, as long as there is something to show (R32, R33).

Six weeks after the last purchase and every six weeks from then on, six times; each purchase starts
it anew. Who does not look at our mails any more is not animated by more of them.
"""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.programme import local, mail, on, programme, proposes, skip

affinity = programme(
    "affinity",
    doc=__doc__,
    enrol=on("First Order", "Next Order"),
    when='tier != "inactive"',
    # What was planned for the purchase before gives way to the stay that the next one begins.
    leave=on("Next Order", "Became inactive"),
    basis="soft_opt_in",
    mail_class=MARKETING,
    repeats=5,
    steps=(
        mail(
            "suggestions",
            kind="k23",
            after=days(42),
            at=local("10:00"),
            late=skip(after=days(14)),
            proposes=proposes("affinity", "bought_with", "same_creator", most=4, least=2),
        ),
    ),
)
