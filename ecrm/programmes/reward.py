"""Thank you for the review: a coupon to who wrote one (R38), once for each product.

It was promised when we asked, so it is owed. Who has one that can still be used is shown that one.
"""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.moment import days
from ecrm.offers import Offer
from ecrm.programme import mail, on, programme

reward = programme(
    "reward",
    doc=__doc__,
    enrol=on("Review Earned"),
    per="product",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("reward", kind="k20", offer=Offer(percent=10, valid=days(30))),),
)
