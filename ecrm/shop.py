"""The shop as its mails show it: who writes, in which language, money, hours and colour.

`Shop` is the `[shop]` section of the settings (wire §5) as a value. `brand` turns the one colour a
shop names into the four a mail needs, so that text keeps a contrast of at least 4.5:1 whatever the
shop chose (delivery §2.3 rule 5; WCAG 2.1 §1.4.3).
"""

from __future__ import annotations

import re

import msgspec

CONTRAST = 4.5
# the grounds on which a link is hardest to read, by day and by night (`parts/layout.mjml`)
PAGE, NIGHT = "#f3f3ef", "#25272b"
WHITE, BLACK = "#ffffff", "#000000"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class Shop(msgspec.Struct, frozen=True, gc=False):
    """`cart_url` is where a customer finds the cart again; without one, the shop's front page."""

    name: str
    public_url: str
    support_email: str
    postal_address: str = ""
    logo_url: str = ""
    locale: str = "fr"
    timezone: str = "Europe/Paris"
    currency: str = "EUR"
    colour: str = "#1d5c54"
    cart_url: str = ""


class Brand(msgspec.Struct, frozen=True, gc=False):
    """`colour` fills buttons, `on_colour` is written on it; `link` is written on light
    grounds and `link_dark` on dark ones.
    """

    colour: str
    on_colour: str
    link: str
    link_dark: str


def brand(colour: str) -> Brand:
    """All colours of a mail from the shop's one. Raises ValueError unless it is `#rrggbb`."""
    if not _COLOUR.fullmatch(colour):
        raise ValueError(f"{colour!r} is no colour: write #rrggbb")
    return Brand(
        colour=colour,
        on_colour=max((WHITE, BLACK), key=lambda ink: contrast(colour, ink)),
        link=_until_legible(colour, PAGE, BLACK),
        link_dark=_until_legible(colour, NIGHT, WHITE),
    )


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.1, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _until_legible(colour: str, ground: str, towards: str) -> str:
    """Mix `colour` with `towards`, a tenth at a time, until it can be read on `ground`."""
    mixes = (_mix(colour, towards, tenth / 10) for tenth in range(11))
    return next(mix for mix in mixes if contrast(mix, ground) >= CONTRAST)


def _mix(one: str, other: str, share: float) -> str:
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _luminance(colour: str) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
