"""A verification code, in seconds or not at all (R61): it passes every queue and ends with the
code.

The code itself is a secret: it stands in the mail and nowhere else (mission §9.11).
"""

from __future__ import annotations

from ecrm.mail import TRANSACTIONAL
from ecrm.programme import mail, on, programme

verification = programme(
    "verification",
    doc=__doc__,
    enrol=on("Verification Code Requested"),
    basis="contract",
    mail_class=TRANSACTIONAL,
    steps=(mail("code", kind="k29", lane=0),),
)
