"""The way to a new password, in seconds or not at all (R63); its link is a secret."""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

reset = programme(
    "reset",
    doc=__doc__,
    enrol=on("Password Reset Requested"),
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("link", kind="k30", lane=0),),
)
