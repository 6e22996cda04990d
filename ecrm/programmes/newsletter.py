"""The newsletter: a campaign to a segment, with blocks made for each reader (R43, R44).

Everybody hears of a campaign, by pages (`actors/broadcast.py`); whoever its segment describes gets
it. What the blocks show comes from the orders, the cart left behind and what was looked at.
"""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.programme import mail, on, programme, proposes, skip

newsletter = programme(
    "newsletter",
    doc=__doc__,
    enrol=on("Campaign Launched"),
    per="campaign",
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "news",
            kind="k28",
            lane=3,
            when="topics.news",
            late=skip(after=days(3)),
            shows=("cart", "viewed"),
            proposes=proposes("affinity", "bought_with", "same_creator", most=4),
        ),
    ),
)
