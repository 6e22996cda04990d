"""The programmes, in order of priority: where two mails compete, the earlier line goes first.

Cart reminders come first among the marketing ones: they are worth something for hours only
(mission §9.7).
"""

from __future__ import annotations

from typing import Final

from ecrm.programme import Programme
from ecrm.programmes.cart import cart
from ecrm.programmes.confirmation import confirmation
from ecrm.programmes.parcel import parcel
from ecrm.programmes.preparation import preparation
from ecrm.programmes.review import review
from ecrm.programmes.shipment import shipment
from ecrm.programmes.welcome import welcome

ALL: Final[tuple[Programme, ...]] = (
    confirmation,
    preparation,
    shipment,
    cart,
    welcome,
    parcel,
    review,
)
