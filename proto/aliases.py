"""Other people's names for the same events: GA4, Shopify's pixel, Segment v1.

Shops emit these already; they are turned into ours at the edge and never seen inside. Each alias is
data: the event it stands for, and where each of our properties is found in theirs. What is not
mentioned passes through under its own name, so shared names (`currency`, `tax`) need no row.

GA4 and Shopify both call `Order Completed` what says that the order was submitted: neither knows
whether the bank has agreed (R54).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

Path = tuple[str, ...]
Fields = Mapping[str, tuple[Path, ...]]


class Alias(msgspec.Struct, frozen=True):
    """`fields` maps our property to the paths to look for it, in turn; `items` is the path of the
    list of products and `item` what is found in each. Where `alone`, our event is about the one
    product of that list, flat. `fixed` is what the name itself tells.
    """

    event: str
    fields: Fields = {}
    items: Path = ()
    item: Fields = {}
    alone: bool = False
    fixed: Mapping[str, str] = {}


class SeveralProducts(ValueError):
    """Our event is about one product, and theirs names several: send one message for each."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def _at(**places: str) -> Fields:
    """`total="a.b c"`: `total` is at a.b, else at c."""
    return {
        target: tuple(tuple(path.split(".")) for path in paths.split())
        for target, paths in places.items()
    }


# GA4: developers.google.com/analytics/devguides/collection/ga4/reference/events

_GA4_ITEM: Final = _at(
    product_id="item_id",
    name="item_name",
    brand="item_brand",
    category="item_category",
    variant="item_variant",
    position="index",
)
_GA4_ORDER: Final = _at(order_id="transaction_id", total="value")
_GA4_STEP: Final = _at(payment_method="payment_type", shipping_method="shipping_tier")


def _ga4(event: str, fields: Fields | None = None, **fixed: str) -> Alias:
    return Alias(event, fields or {}, ("items",), _GA4_ITEM, fixed=fixed)


def _ga4_one(event: str) -> Alias:
    return Alias(event, {}, ("items",), _GA4_ITEM, alone=True)


_GA4: Final = {
    "search": _ga4("Products Searched", _at(query="search_term")),
    "view_search_results": _ga4("Products Searched", _at(query="search_term")),
    "view_item_list": _ga4(
        "Product List Viewed", _at(list_id="item_list_id", category="item_list_name")
    ),
    "view_item": _ga4_one("Product Viewed"),
    "add_to_cart": _ga4_one("Product Added"),
    "remove_from_cart": _ga4_one("Product Removed"),
    "add_to_wishlist": _ga4_one("Product Added to Wishlist"),
    "view_cart": _ga4("Cart Viewed"),
    "begin_checkout": _ga4("Checkout Started"),
    "add_shipping_info": _ga4("Checkout Step Completed", _GA4_STEP, step_name="shipping"),
    "add_payment_info": _ga4("Payment Info Entered", _GA4_STEP, step_name="payment"),
    "purchase": _ga4("Order Completed", _GA4_ORDER),
    "refund": _ga4("Order Refunded", _GA4_ORDER),
    "sign_up": _ga4("Signed Up"),
    "login": _ga4("Signed In"),
}

# Shopify: shopify.dev/docs/api/web-pixels-api/standard-events; properties are the event's `data`.


def _variant(prefix: str) -> dict[str, str]:
    """Where a product variant keeps our P; the variant's own id serves where it has no product."""
    return {
        "product_id": f"{prefix}product.id {prefix}id",
        "sku": f"{prefix}sku",
        "name": f"{prefix}product.title {prefix}title",
        "variant": f"{prefix}title",
        "brand": f"{prefix}product.vendor",
        "category": f"{prefix}product.type",
        "price": f"{prefix}price.amount",
        "currency": f"{prefix}price.currencyCode",
        "url": f"{prefix}product.url",
        "image_url": f"{prefix}image.src",
    }


_SHOPIFY_CHECKOUT: Final = _at(
    checkout_id="checkout.token",
    value="checkout.totalPrice.amount",
    currency="checkout.currencyCode checkout.totalPrice.currencyCode",
)
_SHOPIFY_ORDER: Final = {
    **_SHOPIFY_CHECKOUT,
    **_at(
        order_id="checkout.order.id checkout.token",
        total="checkout.totalPrice.amount",
        revenue="checkout.subtotalPrice.amount",
        shipping="checkout.shippingLine.price.amount",
        tax="checkout.totalTax.amount",
        discount="checkout.discountsAmount.amount",
    ),
}
_SHOPIFY_LINE: Final = _at(**_variant("variant."))
_SHOPIFY_CART_LINE: Final = _at(**_variant("merchandise."))
_SHOPIFY_LINES: Final = ("checkout", "lineItems")
_SHOPIFY_ONE: Final = _at(**_variant("cartLine.merchandise."), quantity="cartLine.quantity")


def _step(name: str) -> Alias:
    return Alias("Checkout Step Completed", _SHOPIFY_CHECKOUT, fixed={"step_name": name})


_SHOPIFY: Final = {
    "search_submitted": Alias("Products Searched", _at(query="searchResult.query")),
    "collection_viewed": Alias(
        "Product List Viewed",
        _at(list_id="collection.id", category="collection.title"),
        ("collection", "productVariants"),
        _at(**_variant("")),
    ),
    "product_viewed": Alias("Product Viewed", _at(**_variant("productVariant."))),
    "product_added_to_cart": Alias("Product Added", _SHOPIFY_ONE),
    "product_removed_from_cart": Alias("Product Removed", _SHOPIFY_ONE),
    "cart_viewed": Alias(
        "Cart Viewed",
        _at(
            cart_id="cart.id",
            value="cart.cost.totalAmount.amount",
            currency="cart.cost.totalAmount.currencyCode",
        ),
        ("cart", "lines"),
        _SHOPIFY_CART_LINE,
    ),
    "checkout_started": Alias("Checkout Started", _SHOPIFY_CHECKOUT, _SHOPIFY_LINES, _SHOPIFY_LINE),
    "checkout_contact_info_submitted": _step("contact"),
    "checkout_address_info_submitted": _step("address"),
    "checkout_shipping_info_submitted": _step("shipping"),
    "payment_info_submitted": Alias(
        "Payment Info Entered", _SHOPIFY_CHECKOUT, fixed={"step_name": "payment"}
    ),
    "checkout_completed": Alias("Order Completed", _SHOPIFY_ORDER, _SHOPIFY_LINES, _SHOPIFY_LINE),
}

# Segment's E-commerce v1, still spoken by older plug-ins: verb first, `id`, camelCase.

_V1_FIELDS: Final = _at(
    product_id="product_id productId id",
    order_id="order_id orderId",
    cart_id="cart_id cartId",
    checkout_id="checkout_id checkoutId",
    image_url="image_url imageUrl",
    shipping_method="shipping_method shippingMethod",
    payment_method="payment_method paymentMethod",
)
# Of an order or a cart, `id` is its own.
_V1_ORDER: Final = {**_V1_FIELDS, **_at(order_id="order_id orderId id")}
_V1_ITEM: Final = _at(product_id="product_id productId id", image_url="image_url imageUrl")


def _v1(event: str, fields: Fields = _V1_FIELDS) -> Alias:
    return Alias(event, fields, ("products",), _V1_ITEM)


_SEGMENT_V1: Final = {
    "Searched Products": _v1("Products Searched"),
    "Viewed Product Category": _v1("Product List Viewed"),
    "Viewed Product List": _v1("Product List Viewed"),
    "Viewed Product": _v1("Product Viewed"),
    "Added Product": _v1("Product Added"),
    "Removed Product": _v1("Product Removed"),
    "Added Product to Wishlist": _v1("Product Added to Wishlist"),
    "Removed Product from Wishlist": _v1("Product Removed from Wishlist"),
    "Reviewed Product": _v1("Product Reviewed"),
    "Viewed Cart": _v1("Cart Viewed"),
    "Started Checkout": _v1("Checkout Started"),
    "Started Order": _v1("Checkout Started"),
    "Viewed Checkout Step": _v1("Checkout Step Viewed"),
    "Completed Checkout Step": _v1("Checkout Step Completed"),
    "Entered Payment Info": _v1("Payment Info Entered"),
    "Completed Order": _v1("Order Completed", _V1_ORDER),
    "Updated Order": _v1("Order Updated", _V1_ORDER),
    "Refunded Order": _v1("Order Refunded", _V1_ORDER),
    "Cancelled Order": _v1("Order Cancelled", _V1_ORDER),
    "Entered Coupon": _v1("Coupon Entered"),
    "Applied Coupon": _v1("Coupon Applied"),
    "Denied Coupon": _v1("Coupon Denied"),
    "Removed Coupon": _v1("Coupon Removed"),
}

ALIASES: Final[dict[str, Alias]] = {**_GA4, **_SHOPIFY, **_SEGMENT_V1}


def translated(alias: Alias, properties: dict[str, object]) -> dict[str, object]:
    """Their properties under our names. Raises SeveralProducts where `alone` is not."""
    # A pixel that forwards its whole event keeps the properties under `data`.
    data = properties.get("data")
    told = data if isinstance(data, dict) else properties
    ours = {**told, **_read(alias.fields, told), **alias.fixed}
    items = _found(told, alias.items) if alias.items else None
    if not isinstance(items, list):
        return ours
    products = [{**x, **_read(alias.item, x)} if isinstance(x, dict) else x for x in items]
    if not alias.alone:
        return {**ours, "products": products}
    if len(products) > 1:
        raise SeveralProducts
    return {**ours, **products[0]} if products and isinstance(products[0], dict) else ours


def _read(fields: Fields, told: dict[str, object]) -> dict[str, object]:
    found = {
        target: next((x for path in paths if (x := _found(told, path)) is not None), None)
        for target, paths in fields.items()
    }
    return {target: _id(target, x) for target, x in found.items() if x is not None}


def _found(told: object, path: Path) -> object:
    for step in path:
        told = told.get(step) if isinstance(told, dict) else None
    return told


def _id(target: str, value: object) -> object:
    """Their ids may be numbers; ours are text."""
    number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64
    return str(value) if number and target.endswith("_id") else value
