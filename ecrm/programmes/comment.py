"""Somebody commented (R65): said at once, or in the digest that the person prefers (R66)."""

from __future__ import annotations

from ecrm.mail import NOTIFICATION
from ecrm.moment import days
from ecrm.programme import mail, on, programme, skip

comment = programme(
    "comment",
    doc=__doc__,
    enrol=on("Comment Posted"),
    per="comment",
    basis="contract",
    mail_class=NOTIFICATION,
    steps=(mail("posted", kind="k38", topic="comment", late=skip(after=days(2))),),
)
