"""Left cart: a reminder within the hour, an offer of one day after two, a last word after five.

Two clocks start the reminder: ten minutes after a checkout that was begun (R14), or one hour after
the last product was put into the cart, and never later than three (R13). Whoever left at the
payment is told how the payment is protected; whoever was still looking at products hears about
products (R17). Two days later comes 10 %, valid that day only (R15, R16), after five a last mail
without an offer. An order empties the cart, and an emptied cart cancels what is pending, also what
already waits in the delivery queue.
"""

from __future__ import annotations

from ecrm.delays import Latest, after, earliest, latest
from ecrm.mail import MARKETING
from ecrm.moment import Duration, days, hours, minutes
from ecrm.offers import Offer
from ecrm.programme import again, mail, on, programme, recompute, variant

SOMETHING_LEFT = "cart.lines > 0"
# Kept apart from the wording for everyone else: why they left (R17).
CAUSES = (
    variant("security", kind="k09", when='cart.step == "payment" or cart.step == "review"'),
    variant("promotion", kind="k10", when="cart.browsed"),
)


def quiet_for(span: Duration) -> Latest:
    """So long after the person last did anything with the cart."""
    return latest(after(span, since="Product Added"), after(span, since="Checkout Started"))


cart = programme(
    "cart",
    doc=__doc__,
    enrol=on("Product Added", "Checkout Started"),
    leave=on("Cart Emptied"),
    again=again(),
    basis="soft_opt_in",
    mail_class=MARKETING,
    steps=(
        mail(
            "reminder",
            kind="k07",
            after=earliest(
                after(minutes(10), since="Checkout Started"),
                after(hours(1), since="Product Added"),
            ),
            when=SOMETHING_LEFT,
            # Never later than three hours (R13), and with the cart as it is by then.
            late=recompute(after=minutes(30), skip=hours(2)),
            variants=CAUSES,
            shows=("cart",),
            by_night=True,
        ),
        mail(
            "offer",
            kind="k08",
            after=quiet_for(days(2)),
            when=SOMETHING_LEFT,
            # A coupon of the day is worth nothing the day after: another one is made.
            late=recompute(after=hours(2), skip=days(2)),
            offer=Offer(percent=10),
            variants=CAUSES,
            shows=("cart",),
        ),
        mail(
            "last-call",
            kind="k08",
            after=quiet_for(days(5)),
            when=SOMETHING_LEFT,
            # The two before it fill the week's cap: a week after the first there is room again.
            late=recompute(after=hours(2), skip=days(3)),
            shows=("cart",),
        ),
    ),
)
