"""A support request: acknowledged, told of each step to each party, and asked about at the end.

Everybody the shop names as a party is told of each change (R68), the customer always. Two days
after it is settled the customer is asked how it was (R42), which is a survey and no duty.
"""

from __future__ import annotations

from ecrm.mail import MARKETING, TRANSACTIONAL
from ecrm.moment import days
from ecrm.programme import mail, on, programme, skip

support = programme(
    "support",
    doc=__doc__,
    enrol=on("Support Ticket Opened"),
    per="ticket",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("received", kind="k42"),),
)

support_news = programme(
    "support-news",
    doc=__doc__,
    enrol=on("Support Ticket Updated", "Support Ticket Closed"),
    per="ticket",
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("update", kind="k43", to="parties"),),
)

support_survey = programme(
    "support-survey",
    doc=__doc__,
    enrol=on("Support Ticket Closed"),
    leave=on("Support Rated", "Support Ticket Opened"),
    per="ticket",
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(mail("survey", kind="k44", after=days(2), late=skip(after=days(5))),),
)
