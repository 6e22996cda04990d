"""What the demo shop sells: a dozen things around tea, with what goes with what.

Names are those of the things, the same in every language; the rest is English here and translated
by `demo.po`. Prices are minor units of the shop's currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from proto import events

CATEGORIES: Final = {"teas": "Teas", "ceramics": "Ceramics", "tools": "Tools and care"}


class Good(msgspec.Struct, frozen=True, kw_only=True):
    product_id: str
    name: str
    category: str
    price: int
    kind: str
    about: str
    complements: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    creator_id: str | None = None
    series_id: str | None = None
    edition: str | None = None
    purchase_kind: events.PurchaseKind = "impulse"
    cycle_days: int | None = None


GOODS: Final = (
    Good(
        product_id="sencha",
        name="Sencha Yame",
        category="teas",
        price=1450,
        kind="Green tea, 100 g",
        about="First spring leaves, steamed within the hour. Fresh grass, sea air and a long sweet "
        "end. Seventy degrees, one minute, three infusions.",
        complements=("kyusu", "yunomi"),
        cycle_days=45,
    ),
    Good(
        product_id="hojicha",
        name="Hōjicha Kaga",
        category="teas",
        price=1100,
        kind="Roasted tea, 100 g",
        about="Stems roasted over sand until the whole street knows. Hazelnut, caramel, hardly any "
        "caffeine: the cup for the evening.",
        complements=("yunomi",),
        cycle_days=45,
    ),
    Good(
        product_id="genmaicha",
        name="Genmaicha",
        category="teas",
        price=1200,
        kind="Green tea with toasted rice, 100 g",
        about="Green tea and toasted rice in equal parts, once the tea of those who had little. "
        "Warm, round, and very good with a meal.",
        complements=("kyusu",),
        cycle_days=45,
    ),
    Good(
        product_id="matcha",
        name="Matcha Uji",
        category="teas",
        price=2400,
        kind="Stone-ground tea, 30 g",
        about="Shaded for three weeks, ground for an hour to make thirty grams. Whisked, it is "
        "bright, creamy and wide awake.",
        complements=("chasen", "chawan", "natsume"),
        cycle_days=30,
    ),
    Good(
        product_id="shincha",
        name="Shincha 2026",
        category="teas",
        price=1900,
        kind="The year's first harvest, 80 g",
        about="Picked in the last days of April and here in May. There is one of it each year, and "
        "when it is gone it is gone.",
        complements=("kyusu", "yunomi"),
        series_id="shincha",
        edition="2026",
        cycle_days=45,
    ),
    Good(
        product_id="kyusu",
        name="Kyūsu Tokoname",
        category="ceramics",
        price=6800,
        kind="Red clay teapot, 30 cl",
        about="Thrown in Tokoname from iron-rich clay, with a sieve of two hundred holes cut by "
        "hand. It pours to the last drop, and gets better with the years.",
        complements=("sencha", "yunomi", "furoshiki"),
        services=("kintsugi",),
        creator_id="yamada",
        purchase_kind="considered",
    ),
    Good(
        product_id="chawan",
        name="Chawan Hagi",
        category="ceramics",
        price=5400,
        kind="Tea bowl, 35 cl",
        about="A soft glaze that drinks a little of every tea and changes with its owner. No two "
        "are alike; yours has a run on the left.",
        complements=("matcha", "chasen"),
        services=("kintsugi",),
        creator_id="saka",
        purchase_kind="considered",
    ),
    Good(
        product_id="yunomi",
        name="Yunomi Nami",
        category="ceramics",
        price=3200,
        kind="Two cups, 15 and 20 cl",
        about="A tall one and a small one, with one wave running round both. For two people, "
        "or for one and a guest.",
        complements=("hojicha", "furoshiki"),
        services=("kintsugi",),
        creator_id="yamada",
    ),
    Good(
        product_id="chasen",
        name="Chasen Takayama",
        category="tools",
        price=1900,
        kind="Bamboo whisk, 80 prongs",
        about="Split eighty times from a single piece of bamboo. Warm it in water before, let it "
        "dry upright after.",
        complements=("matcha",),
        cycle_days=180,
    ),
    Good(
        product_id="natsume",
        name="Natsume Kiku",
        category="tools",
        price=4600,
        kind="Lacquered tea caddy",
        about="Red lacquer in eleven coats, gold flowers in one breath. It keeps matcha from "
        "light, and looks after the table.",
        complements=("matcha",),
        purchase_kind="considered",
    ),
    Good(
        product_id="furoshiki",
        name="Furoshiki Umi",
        category="tools",
        price=1600,
        kind="Wrapping cloth, 70 cm",
        about="A cloth that is wrapping today, a bag tomorrow and a tablecloth on Sunday. We show "
        "you the knot.",
    ),
    Good(
        product_id="kintsugi",
        name="Kintsugi",
        category="tools",
        price=1500,
        kind="Mended with gold, two years",
        about="Whatever breaks in two years comes back to us, and from us back to you, mended with "
        "lacquer and gold.",
    ),
)
BY_ID: Final = {good.product_id: good for good in GOODS}


def along(chosen: Sequence[Good], most: int = 3) -> list[Good]:
    """What goes with these and is not among them."""
    named = (other for good in chosen for other in (*good.complements, *good.services))
    wanted = dict.fromkeys(other for other in named if BY_ID[other] not in chosen)
    return [BY_ID[product_id] for product_id in wanted][:most]


class Shelf:
    """The goods as the wire says them; `base` is where the demo shop is, like
    `http://127.0.0.1:8080/demo/`.
    """

    def __init__(self, base: str, currency: str) -> None:
        self.currency = currency
        self.base = base

    def product(self, good: Good, quantity: int | None = None) -> events.Product:
        return events.Product(
            product_id=good.product_id,
            name=good.name,
            variant=None,
            category=good.category,
            price=good.price / 100,
            quantity=quantity,
            currency=self.currency,
            url=f"{self.base}p/{good.product_id}",
            image_url=f"{self.base}pictures/{good.product_id}.svg",
        )

    def upserted(self, good: Good) -> events.ProductUpserted:
        return events.ProductUpserted(
            **msgspec.structs.asdict(self.product(good)),
            complements=good.complements,
            services=good.services,
            creator_id=good.creator_id,
            series_id=good.series_id,
            edition=good.edition,
            purchase_kind=good.purchase_kind,
            recurring=good.category == "teas",
            cycle_days=good.cycle_days,
            affinity_categories=("ceramics", "tools") if good.category == "teas" else ("teas",),
            in_stock=True,
        )
