"""What each kind of key may say, and from where (design §8): one table, `RIGHTS`.

A browser's key is public, so what it may say is a list, and only of its own visitor or of the
person whose `userHash` stands beside it (`proto/identity.py`): whoever reads the page's source
could otherwise speak for anybody. Even so it says nothing that costs money or moves mail: no
orders, payments, account, catalogue or consents, and no e-mail address, because codes and password
resets go there. Shops' back ends and operators may say all.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from proto.envelope import Message, Source, Traits

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
# By their names on the wire. Not `email` and `createdAt`: who we write to, and since when somebody
# is a customer, is the back end's to say.
BROWSER_TRAITS: Final[frozenset[str]] = frozenset(
    (
        "firstName", "lastName", "gender", "birthday", "phone", "address", "locale", "timezone",
        "preferences",
    )
)  # fmt: skip


class Rights(msgspec.Struct, frozen=True):
    """`events` and `traits` are lists, None: all. Who speaks not for `anybody` speaks for a visitor
    and, with a proof, for one person.
    """

    events: frozenset[str] | None = None
    traits: frozenset[str] | None = None
    anybody: bool = True
    subscribe: bool = True
    console: bool = False
    in_browsers: bool = False


RIGHTS: Final[dict[Source, Rights]] = {
    "publishable": Rights(
        BROWSER_EVENTS, BROWSER_TRAITS, anybody=False, subscribe=False, in_browsers=True
    ),
    "secret": Rights(),
    "operator": Rights(console=True, in_browsers=True),
}
MAY_SUBSCRIBE: Final[frozenset[Source]] = frozenset(
    kind for kind, rights in RIGHTS.items() if rights.subscribe
)

# In the origins of a key: what sends no Origin header, which is no browser.
NO_ORIGIN: Final = "none"

# RFC 6454 §6.2; a host in other letters is written in Punycode, as browsers send it.
_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(:(?P<port>[0-9]{1,5}))?/?"
)
_PORTS: Final = {"http": "80", "https": "443"}
_NEEDS_PROOF: Final = "userHash, which the shop's back end makes with the identity secret"


def refusal(kind: Source, message: Message, *, proved: bool = False) -> str | None:
    """Why a key of this kind may not say this; None where it may. `proved`: the message's userId
    was proved (`proto/identity.py`).
    """
    rights = RIGHTS[kind]
    if not rights.anybody and (reason := _unproved(kind, message, proved=proved)):
        return reason
    if message.kind == "track" and rights.events is not None:
        if message.event_name not in rights.events:
            return f"a {kind} key may not say {message.event_name!r}: send it with a secret key"
    elif isinstance(message.event, Traits) and rights.traits is not None:
        wrong = sorted(_told(message.event) - rights.traits)
        if wrong:
            return f"a {kind} key may not set {', '.join(wrong)}: identify with a secret key"
    return None


def _unproved(kind: Source, message: Message, *, proved: bool) -> str | None:
    """Why this key may not speak for whom the message is about."""
    if message.user_id is None:
        if message.kind in ("track", "page"):
            return None
        return f"a {kind} key may not {message.kind} without userId and {_NEEDS_PROOF}"
    if not proved:
        return (
            f"a {kind} key speaks for its anonymousId: leave userId out, or prove it with "
            f"{_NEEDS_PROOF}"
        )
    if message.kind == "alias" and message.anonymous_id not in (None, message.previous_id):
        return f"a {kind} key may alias its own visitor only: previousId is its anonymousId"
    return None


def _told(traits: Traits) -> set[str]:
    """The wire's names of the traits that are set."""
    return {
        field.encode_name
        for field in msgspec.structs.fields(Traits)
        if getattr(traits, field.name) not in (None, {})
    }


# Origins.


def origin(text: str) -> str:
    """An origin as browsers write it: scheme, host and, if it is not the usual one, port.

    Raises ValueError with what to write instead.
    """
    parts = _ORIGIN.fullmatch(text.strip().casefold())
    if parts is None or int(parts["port"] or 0) > 65_535:
        raise ValueError(f'{text!r} is no origin: write "https://www.boutique.example"')
    usual = parts["port"] in (None, _PORTS[parts["scheme"]])
    return f"{parts['scheme']}://{parts['host']}" + ("" if usual else f":{int(parts['port'])}")


def origin_refusal(origins: tuple[str, ...], came_from: str | None) -> str | None:
    """Why a key with these origins may not be used from there; None where it may.

    `came_from` is the Origin header, which browsers always send and pages cannot forge (RFC 6454
    §7); None where there was none: no browser. That there is one does not make it a browser: some
    clients of back ends send it too, so it turns nobody away whose key has no origins.

    `origins` are as `origin` writes them, or `NO_ORIGIN`; none at all: from everywhere.
    """
    if not origins or (NO_ORIGIN if came_from is None else came_from.casefold()) in origins:
        return None
    if came_from is None:
        return f'this key is for pages: add "{NO_ORIGIN}" to its origins, or use a secret key'
    return f"this key is not for pages of {came_from[:100]}: add that to its origins"


# For people.


def table() -> str:
    """What each kind of key may say, as the Markdown table of the README."""
    lines = ["| | " + " | ".join(RIGHTS) + " |", "|---" * (len(RIGHTS) + 1) + "|"]
    for name, cell in _ROWS.items():
        lines.append(f"| {name} | " + " | ".join(map(cell, RIGHTS.values())) + " |")
    return "\n".join(lines)


def _listed(names: frozenset[str] | None) -> str:
    return "all" if names is None else ", ".join(f"`{name}`" for name in sorted(names))


_ROWS: Final = {
    "speaks for": lambda may: (
        "everybody" if may.anybody else "its `anonymousId`; the `userId` that `userHash` proves"
    ),
    "`track`": lambda may: _listed(may.events),
    "`page`": lambda _: "yes",
    "`identify`": lambda may: (
        "all traits" if may.traits is None else f"proved; {_listed(may.traits)}"
    ),
    "`alias`": lambda may: "yes" if may.anybody else "proved; from its own `anonymousId`",
    "`subscribe`": lambda may: "yes" if may.subscribe else "no",
    "console": lambda may: "yes" if may.console else "no",
    "in web pages": lambda may: "yes, of its `origins`" if may.in_browsers else "never",
}
