"""What each kind of key may say (design §8).

A browser's key is public, so what it may say is a list, and only of its own visitor: whoever reads
the page's source could otherwise speak for anybody. Shops' back ends and operators may say all.
"""

from __future__ import annotations

from typing import Final

from proto.envelope import Message, Source

# Browsing, cart and checkout; never orders, payments, account or catalogue.
BROWSER_EVENTS: Final[frozenset[str]] = frozenset(
    (
        "Products Searched",
        "Product List Viewed",
        "Product Viewed",
        "Product Added",
        "Product Removed",
        "Product Added to Wishlist",
        "Product Removed from Wishlist",
        "Cart Viewed",
        "Cart Emptied",
        "Checkout Started",
        "Checkout Step Viewed",
        "Checkout Step Completed",
        "Payment Info Entered",
        "Coupon Entered",
    )
)
# None: everything.
MAY_TRACK: Final[dict[Source, frozenset[str] | None]] = {
    "publishable": BROWSER_EVENTS,
    "secret": None,
    "operator": None,
}
MAY_SUBSCRIBE: Final[frozenset[Source]] = frozenset(("secret", "operator"))


def refusal(kind: Source, message: Message) -> str | None:
    """Why a key of this kind may not say this; None where it may."""
    allowed = MAY_TRACK[kind]
    if allowed is None:
        return None
    if message.kind not in ("track", "page"):
        return f"a {kind} key may not {message.kind}: only the shop's back end says who is who"
    if message.user_id is not None:
        return f"a {kind} key speaks for its anonymousId only: leave userId out"
    if message.kind == "track" and message.event_name not in allowed:
        return f"a {kind} key may not say {message.event_name!r}: send it with a secret key"
    return None
