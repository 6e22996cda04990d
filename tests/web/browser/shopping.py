"""What customers do before their mails are looked at in a browser.

All live the same life, a month of it; each test that changes something takes one of its own.
"""

from __future__ import annotations

from tests.browsers import House, identify, track

ENGLISH = ("ana", "bob", "cleo", "dan", "eve", "fay", "gus", "hal", "ida", "joe")
FRENCH = ("zoe",)

LINES = [
    {"product_id": "teapot", "name": "Cast-iron teapot, 0.8 l", "price": 39.9, "quantity": 1},
    {"product_id": "cup", "name": "Cup without a handle", "price": 8.5, "quantity": 2},
]
ORDER = {"total": 56.9, "currency": "EUR", "products": LINES}


def _begins(who: str, locale: str, front: str) -> list[dict]:
    order = {"order_id": f"A-{who}", **ORDER}
    ticket = {"ticket_id": f"T-{who}", "subject": "A lid that does not fit"}
    consents = ("email_marketing", "open_tracking", "click_tracking")
    return [
        identify(
            who,
            email=f"{who}@customers.example",
            firstName=who.capitalize(),
            lastName="Martin",
            locale=locale,
            phone="+33 6 12 34 56 78",
        ),
        *(track(who, "Consent Updated", purpose=one, state="granted") for one in consents),
        track(who, "Order Completed", **order),
        track(who, "Order Paid", **order),
        track(
            who, "Order Fulfilled", order_id=f"A-{who}", fulfillment_id="p1", carrier="Colissimo"
        ),
        track(who, "Support Ticket Opened", **ticket, status="open"),
        track(who, "Product Viewed", product_id="lamp", name="Paper lamp", url=f"{front}/lamp"),
    ]


def a_life(house: House) -> None:
    everybody = [(who, "en") for who in ENGLISH] + [(who, "fr") for who in FRENCH]
    house.tells(*(one for who, locale in everybody for one in _begins(who, locale, house.front)))
    house.tells(track("ana", "Invite Sent", invitee_email="friend@elsewhere.example"))
    house.passes("1d")
    house.tells(
        *(track(who, "Support Ticket Closed", ticket_id=f"T-{who}") for who, _ in everybody)
    )
    house.passes("40d")
    cart = {"cart_id": "c1", "currency": "EUR", "price": 8.5, "quantity": 1}
    cup = {"product_id": "cup", "name": "Cup without a handle", "url": f"{house.front}/cup"}
    house.tells(*(track(who, "Product Added", **cart, **cup) for who, _ in everybody))
    house.passes("20h")
