"""A few products for `serve --demo`, told the way a shop's back end tells them."""

from __future__ import annotations

from typing import Final

import trio

from actors.intake import Answer
from actors.service import Service
from proto import envelope, events

PRODUCTS: Final = (
    ("tea-cup", "Tasse à thé en grès bleu", 18.0),
    ("tea-pot", "Théière en fonte, 0,8 l", 64.0),
    ("tea-black", "Thé noir fumé, 100 g", 12.5),
    ("tea-green", "Thé vert au jasmin, 100 g", 14.0),
    ("tray", "Plateau en hêtre", 39.0),
)


async def seed(service: Service) -> None:
    """Tell the products and wait until the catalogue has them. The same start after start: what is
    known already is not told again.
    """
    left = len(PRODUCTS)
    done = trio.Event()

    def answered(_answer: Answer) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    for product_id, name, price in PRODUCTS:
        service.system.offer(_upserted(service, product_id, name, price), answered)
    await done.wait()


def _upserted(service: Service, product_id: str, name: str, price: float) -> envelope.Message:
    settings = service.settings
    return envelope.Message(
        kind="track",
        message_id=f"demo-{product_id}",
        event_name="Product Upserted",
        event=events.ProductUpserted(
            product_id=product_id,
            name=name,
            price=price,
            currency=settings.shop.currency,
        ),
        timestamp=service.clock.now(),
    )
