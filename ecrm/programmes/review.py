"""What do you think of it? A month after the parcel left, with two reminders (R37, R40).

Asked apart from the question about the parcel, because more people answer when it is. A review of
any product of the order ends it, and what was sent back is not asked about.
"""

from __future__ import annotations

from ecrm.delays import after
from ecrm.mail import MARKETING
from ecrm.moment import days
from ecrm.programme import mail, merge, on, programme

UNANSWERED = "order.reviewable > 0 and not order.reviewed and not order.undelivered"
# Two of these at once would be one too many.
SOON_ENOUGH = merge(skip=days(7))

review = programme(
    "review",
    doc=__doc__,
    enrol=on("Order Fulfilled"),
    when="not (order.cancelled or order.refunded)",
    leave=on("Order Cancelled", "Order Refunded"),
    per="order",
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "product",
            kind="k18",
            after=after(days(30), since="Order Fulfilled"),
            when=UNANSWERED,
            late=SOON_ENOUGH,
            shows=("order",),
        ),
        mail(
            "reminder-1",
            kind="k19",
            after=after(days(40), since="Order Fulfilled"),
            when=UNANSWERED,
            late=SOON_ENOUGH,
            shows=("order",),
        ),
        mail(
            "reminder-2",
            kind="k19",
            after=after(days(50), since="Order Fulfilled"),
            when=UNANSWERED,
            late=SOON_ENOUGH,
            shows=("order",),
        ),
    ),
)
