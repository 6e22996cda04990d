"""A date comes near: a reminder the day before (R60), and no sooner than it is known.

One that was moved is reminded of at its new time, one that was cancelled not at all; one that was
made at short notice needs none. A date that many come to has its own wording (R65).
"""

from __future__ import annotations

from ecrm.delays import before
from ecrm.mail import NOTIFICATION
from ecrm.moment import days, hours
from ecrm.programme import mail, on, programme, skip

THE_DAY_BEFORE = before(days(1))
IN_TIME = skip(after=hours(12))

appointment = programme(
    "appointment",
    doc=__doc__,
    enrol=on("Appointment Scheduled"),
    when='appointment.kind != "event"',
    leave=on("Appointment Cancelled", "Appointment Moved"),
    per="appointment",
    basis="contract",
    mail_class=NOTIFICATION,
    steps=(mail("reminder", kind="k36", after=THE_DAY_BEFORE, late=IN_TIME, topic="appointment"),),
)

event = programme(
    "event",
    doc=__doc__,
    enrol=on("Appointment Scheduled"),
    when='appointment.kind == "event"',
    leave=on("Appointment Cancelled", "Appointment Moved"),
    per="appointment",
    basis="contract",
    mail_class=NOTIFICATION,
    steps=(mail("reminder", kind="k37", after=THE_DAY_BEFORE, late=IN_TIME, topic="event"),),
)
