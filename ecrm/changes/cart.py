"""What changes the cart."""

from __future__ import annotations

from msgspec.structs import replace

from ecrm import facts, money
from ecrm.changes.bounds import Changes
from ecrm.state import VIEWED_KEPT, Cart, Line, State


def line_put(state: State, fact: facts.LinePut) -> Changes:
    cart = state.cart or Cart(cart_id=fact.cart_id, currency=fact.currency)
    put, lines = fact.line, []
    for line in cart.lines:
        if line.product_id == put.product_id:
            put = replace(put, quantity=money.bounded(line.quantity + fact.line.quantity))
        else:
            lines.append(line)
    touched = max(cart.touched_at, fact.occurred)
    return {
        "cart": replace(
            cart,
            cart_id=fact.cart_id or cart.cart_id,
            currency=cart.currency or fact.currency,
            lines=(*lines, put),
            touched_at=touched,
            browsed=False,
        )
    }


def line_taken(state: State, fact: facts.LineTaken) -> Changes:
    if state.cart is None:
        return {}
    left: list[Line] = []
    for line in state.cart.lines:
        if line.product_id != fact.product_id:
            left.append(line)
        elif line.quantity > fact.quantity:
            left.append(replace(line, quantity=line.quantity - fact.quantity))
    touched = max(state.cart.touched_at, fact.occurred)
    return {"cart": replace(state.cart, lines=tuple(left), touched_at=touched)}


def cart_replaced(state: State, fact: facts.CartReplaced) -> Changes:
    cart = state.cart or Cart(cart_id=fact.cart_id, currency=fact.currency)
    touched = max(cart.touched_at, fact.occurred)
    return {
        "cart": replace(
            cart,
            cart_id=fact.cart_id or cart.cart_id,
            currency=fact.currency,
            lines=fact.lines,
            touched_at=touched,
        )
    }


def cart_emptied(state: State, fact: facts.CartEmptied) -> Changes:
    return {"cart": None, "emptied_at": max(state.emptied_at, fact.occurred)}


def checkout(state: State, fact: facts.CheckoutReached) -> Changes:
    cart = state.cart or Cart(cart_id=fact.cart_id, currency="")
    touched = max(cart.touched_at, fact.occurred)
    return {"cart": replace(cart, step=fact.step, touched_at=touched, browsed=False)}


def browsed(state: State, _fact: facts.Browsed) -> Changes:
    return {} if state.cart is None else {"cart": replace(state.cart, browsed=True)}


def viewed(state: State, fact: facts.Viewed) -> Changes:
    others = (line for line in state.viewed if line.product_id != fact.line.product_id)
    return {"viewed": (*others, fact.line)[-VIEWED_KEPT:]}
