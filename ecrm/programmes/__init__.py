"""The programmes, in order of priority: where two mails compete, the earlier line goes first.

First what is awaited within seconds, then what is owed, then notifications. Cart reminders come
first among the marketing ones: they are worth something for hours only (mission §9.7); last are the
newsletter and what can be asked another day as well.
"""

from __future__ import annotations

from typing import Final

from ecrm.programme import Programme
from ecrm.programmes.account import account, address
from ecrm.programmes.affinity import affinity
from ecrm.programmes.appointment import appointment, event
from ecrm.programmes.carrier import carrier
from ecrm.programmes.cart import cart
from ecrm.programmes.comment import comment
from ecrm.programmes.confirmation import confirmation
from ecrm.programmes.cross_sell import cross_sell
from ecrm.programmes.digest import digest
from ecrm.programmes.edition import edition
from ecrm.programmes.farewell import farewell
from ecrm.programmes.invitation import invitation
from ecrm.programmes.invoice import invoice
from ecrm.programmes.last_chance import last_chance
from ecrm.programmes.login import login
from ecrm.programmes.newsletter import newsletter
from ecrm.programmes.nursing import nursing
from ecrm.programmes.parcel import parcel
from ecrm.programmes.payment import payment
from ecrm.programmes.preparation import preparation
from ecrm.programmes.question import question
from ecrm.programmes.refund import refund
from ecrm.programmes.reset import reset
from ecrm.programmes.review import review
from ecrm.programmes.reward import reward
from ecrm.programmes.shipment import shipment
from ecrm.programmes.support import support, support_news, support_survey
from ecrm.programmes.thanks import thanks
from ecrm.programmes.tiers import active, inactive, semi_active, super_active
from ecrm.programmes.unpaid import unpaid
from ecrm.programmes.verification import verification
from ecrm.programmes.welcome import welcome

ALL: Final[tuple[Programme, ...]] = (
    verification,
    reset,
    login,
    address,
    account,
    confirmation,
    payment,
    preparation,
    shipment,
    refund,
    invoice,
    unpaid,
    support,
    support_news,
    reward,
    invitation,
    farewell,
    appointment,
    event,
    comment,
    carrier,
    digest,
    cart,
    edition,
    welcome,
    last_chance,
    question,
    parcel,
    review,
    nursing,
    thanks,
    cross_sell,
    inactive,
    super_active,
    active,
    semi_active,
    affinity,
    support_survey,
    newsletter,
)
