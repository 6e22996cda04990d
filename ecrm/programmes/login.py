"""Somebody tried to log in (R62): said at once, and at most once an hour."""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.moment import hours
from ecrm.programme import again, mail, on, programme, skip

login = programme(
    "login",
    doc=__doc__,
    enrol=on("Login Attempted"),
    # Whoever tries a thousand passwords must not make us send a thousand mails.
    again=again(after=hours(1)),
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("attempt", kind="k33", lane=0, late=skip(after=hours(24))),),
)
