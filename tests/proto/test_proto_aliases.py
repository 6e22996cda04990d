"""Other vocabularies: what they say arrives as our events with our properties."""

from __future__ import annotations

import msgspec
import pytest

from proto import aliases, codec, events
from proto.events import Product

ITEM = {
    "item_id": "p1",
    "item_name": "Chair",
    "item_brand": "Acme",
    "item_category": "Seats",
    "item_variant": "red",
    "index": 3,
    "price": 12.5,
    "quantity": 2,
}
OURS = Product(
    product_id="p1",
    name="Chair",
    brand="Acme",
    category="Seats",
    variant="red",
    position=3,
    price=12.5,
    quantity=2,
)
VARIANT = {
    "id": "v9",
    "sku": "CH-R",
    "title": "Red",
    "price": {"amount": 12.5, "currencyCode": "EUR"},
    "image": {"src": "https://cdn.example/c.png"},
    "product": {
        "id": "p1", "title": "Chair", "vendor": "Acme", "type": "Seats", "url": "/products/chair",
    },
}  # fmt: skip
SOLD = Product(
    product_id="p1",
    sku="CH-R",
    name="Chair",
    variant="Red",
    brand="Acme",
    category="Seats",
    price=12.5,
    currency="EUR",
    url="/products/chair",
    image_url="https://cdn.example/c.png",
)
CHECKOUT = {
    "token": "k1",
    "order": {"id": "o1"},
    "currencyCode": "EUR",
    "totalPrice": {"amount": 31.0, "currencyCode": "EUR"},
    "subtotalPrice": {"amount": 25.0},
    "totalTax": {"amount": 2.0},
    "shippingLine": {"price": {"amount": 4.0}},
    "discountsAmount": {"amount": 1.0},
    "lineItems": [{"title": "Chair", "quantity": 2, "variant": VARIANT}],
}


def read(name, properties, form=codec.JSON):
    return form.event(name, msgspec.Raw(form.encode(properties)))


def test_every_alias_stands_for_an_event_of_ours_and_is_none_itself():
    assert {alias.event for alias in aliases.ALIASES.values()} <= set(events.TRACKED)
    assert not set(aliases.ALIASES) & set(events.TRACKED)


def test_every_property_of_an_alias_is_one_of_its_event():
    fields = {name: set(kind.__struct_fields__) for name, kind in events.TRACKED.items()}
    shared = {"product_id", "image_url", "order_id", "cart_id", "checkout_id", "payment_method",
              "shipping_method", "value"}  # fmt: skip
    for name, alias in aliases.ALIASES.items():
        assert set(alias.fields) | set(alias.fixed) <= fields[alias.event] | shared, name
        assert set(alias.item) <= set(Product.__struct_fields__), name


@pytest.mark.parametrize("form", [codec.JSON, codec.MSGPACK])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("view_item", "Product Viewed"),
        ("add_to_cart", "Product Added"),
        ("remove_from_cart", "Product Removed"),
        ("add_to_wishlist", "Product Added to Wishlist"),
    ],
)
def test_ga4_tells_of_one_product_in_a_list_and_we_flat(theirs, ours, form):
    told = {"currency": "EUR", "value": 25, "items": [ITEM]}
    name, event = read(theirs, told, form)
    assert name == ours
    assert type(event) is events.TRACKED[ours]
    assert event.product == msgspec.structs.replace(OURS, currency="EUR")


def test_ga4_purchase_is_an_order_completed_with_its_products():
    told = {"transaction_id": "T1", "value": 30, "tax": 2, "currency": "EUR", "items": [ITEM]}
    assert read("purchase", told) == (
        "Order Completed",
        events.OrderCompleted(order_id="T1", total=30, tax=2, currency="EUR", products=(OURS,)),
    )


def test_ga4_refund_without_products_is_of_the_whole_order():
    assert read("refund", {"transaction_id": 77}) == (
        "Order Refunded",
        events.OrderRefunded(order_id="77"),
    )


def test_ga4_begin_checkout_starts_a_checkout():
    name, event = read("begin_checkout", {"value": 25, "currency": "EUR", "items": [ITEM]})
    assert (name, event) == (
        "Checkout Started",
        events.CheckoutStarted(value=25, currency="EUR", products=(OURS,)),
    )


@pytest.mark.parametrize(
    ("theirs", "ours", "step"),
    [
        ("add_shipping_info", "Checkout Step Completed", "shipping"),
        ("add_payment_info", "Payment Info Entered", "payment"),
        ("checkout_contact_info_submitted", "Checkout Step Completed", "contact"),
        ("checkout_address_info_submitted", "Checkout Step Completed", "address"),
        ("checkout_shipping_info_submitted", "Checkout Step Completed", "shipping"),
        ("payment_info_submitted", "Payment Info Entered", "payment"),
    ],
)
def test_a_name_that_tells_the_step_tells_it_here_too(theirs, ours, step):
    name, event = read(theirs, {"payment_type": "card"})
    assert (name, event.named) == (ours, step)


@pytest.mark.parametrize(
    ("theirs", "told", "event"),
    [
        ("search", {"search_term": "chair"}, events.ProductsSearched(query="chair")),
        ("sign_up", {"method": "e-mail"}, events.SignedUp()),
        ("login", {"method": "e-mail"}, events.SignedIn()),
        ("view_cart", {"items": [ITEM]}, events.CartViewed(products=(OURS,))),
        (
            "view_item_list",
            {"item_list_id": "l", "item_list_name": "Seats", "items": []},
            events.ProductListViewed(list_id="l", category="Seats"),
        ),
    ],
)
def test_ga4_says_the_rest_under_other_names_too(theirs, told, event):
    assert read(theirs, told) == (events.NAMES[type(event)], event)


def test_several_products_in_one_cart_event_are_refused_not_lost():
    with pytest.raises(codec.Fault) as caught:
        read("add_to_cart", {"items": [ITEM, ITEM]})
    assert caught.value.path == "$.properties.items"
    assert "one message for each" in caught.value.reason


@pytest.mark.parametrize("items", [[], ["p1"], None, "p1"])
def test_a_cart_event_without_a_product_is_refused(items):
    with pytest.raises(codec.Fault, match="product_id"):
        read("add_to_cart", {"items": items})


def test_a_wrong_property_of_an_alias_says_how_it_was_read():
    with pytest.raises(codec.Fault) as caught:
        read("purchase", {"transaction_id": "T", "items": [{**ITEM, "price": "12.50"}]})
    assert caught.value.path == "$.properties.products[0].price"
    assert caught.value.reason.endswith("(purchase is read as Order Completed)")


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("product_added_to_cart", "Product Added"), ("product_removed_from_cart", "Product Removed")],
)
def test_shopify_tells_of_a_cart_line_deep_inside(theirs, ours, wrapped):
    data = {"cartLine": {"merchandise": VARIANT, "quantity": 2}}
    name, event = read(theirs, {"data": data} if wrapped else data)
    assert name == ours
    assert event.product == msgspec.structs.replace(SOLD, quantity=2)


def test_shopify_shows_a_product():
    name, event = read("product_viewed", {"productVariant": VARIANT})
    assert (name, event.product) == ("Product Viewed", SOLD)


def test_a_variant_without_a_product_stands_for_itself():
    _, event = read("product_viewed", {"productVariant": {"id": 9, "title": "Red"}})
    assert (event.product_id, event.name) == ("9", "Red")


def test_shopify_checkout_completed_is_an_order_completed():
    assert read("checkout_completed", {"checkout": CHECKOUT}) == (
        "Order Completed",
        events.OrderCompleted(
            order_id="o1",
            checkout_id="k1",
            total=31.0,
            revenue=25.0,
            tax=2.0,
            shipping=4.0,
            discount=1.0,
            currency="EUR",
            products=(msgspec.structs.replace(SOLD, quantity=2),),
        ),
    )


def test_shopify_checkout_started_carries_its_lines():
    assert read("checkout_started", {"checkout": CHECKOUT}) == (
        "Checkout Started",
        events.CheckoutStarted(
            checkout_id="k1",
            value=31.0,
            currency="EUR",
            products=(msgspec.structs.replace(SOLD, quantity=2),),
        ),
    )


@pytest.mark.parametrize(
    ("theirs", "told", "event"),
    [
        (
            "search_submitted",
            {"searchResult": {"query": "chair"}},
            events.ProductsSearched(query="chair"),
        ),
        (
            "collection_viewed",
            {"collection": {"id": "c", "title": "Seats", "productVariants": [VARIANT]}},
            events.ProductListViewed(list_id="c", category="Seats", products=(SOLD,)),
        ),
        (
            "cart_viewed",
            {
                "cart": {
                    "id": "c1",
                    "cost": {"totalAmount": {"amount": 25.0, "currencyCode": "EUR"}},
                    "lines": [{"merchandise": VARIANT, "quantity": 2}],
                }
            },
            events.CartViewed(
                cart_id="c1",
                value=25.0,
                currency="EUR",
                products=(msgspec.structs.replace(SOLD, quantity=2),),
            ),
        ),
    ],
)
def test_shopify_says_the_rest_under_other_names_too(theirs, told, event):
    assert read(theirs, told) == (events.NAMES[type(event)], event)


@pytest.mark.parametrize(
    ("theirs", "told", "event"),
    [
        (
            "Viewed Product",
            {"id": "p1", "price": 3},
            events.ProductViewed(product_id="p1", price=3),
        ),
        ("Added Product", {"id": 7}, events.ProductAdded(product_id="7")),
        ("Added Product", {"product_id": "p1", "id": "x"}, events.ProductAdded(product_id="p1")),
        ("Removed Product", {"id": "p1"}, events.ProductRemoved(product_id="p1")),
        (
            "Completed Order",
            {"orderId": "o1", "total": 3, "products": [{"id": "p1"}, {"id": True}]},
            None,
        ),
        (
            "Completed Order",
            {"id": "o1", "total": 3, "products": [{"id": "p1"}]},
            events.OrderCompleted(order_id="o1", total=3, products=(Product(product_id="p1"),)),
        ),
        ("Viewed Checkout Step", {"step": 2}, events.CheckoutStepViewed(step=2)),
        (
            "Completed Checkout Step",
            {"step": 2, "shippingMethod": "post"},
            events.CheckoutStepCompleted(step=2, shipping_method="post"),
        ),
    ],
)
def test_segment_v1_says_verb_first_and_id(theirs, told, event):
    if event is None:
        with pytest.raises(codec.Fault, match="Completed Order is read as Order Completed"):
            read(theirs, told)
    else:
        assert read(theirs, told) == (events.NAMES[type(event)], event)
