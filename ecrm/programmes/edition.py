"""A new edition of what you have (R35): told at its release to whoever bought an earlier one.

With the owners' discount (R36), and not to those who have it already or rated an earlier edition
badly. A release reaches all owners by pages (`actors/broadcast.py`).
"""

from __future__ import annotations

from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.offers import Offer
from ecrm.programme import mail, on, programme, skip

edition = programme(
    "edition",
    doc=__doc__,
    enrol=on("Product Released"),
    leave=on("Product Bought"),
    per="product",
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "released",
            kind="k24",
            when="series.owned and not series.current and not series.disliked",
            late=skip(after=days(7)),
            offer=Offer(percent=10, valid=days(14)),
        ),
    ),
)
