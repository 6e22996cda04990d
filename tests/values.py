"""Hypothesis strategies for the values of the core: any fact, with any content its types allow."""

from __future__ import annotations

import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from ecrm import facts

FACTS = get_args(facts.AnyFact)

# A few names, so that facts speak of the same things now and then; any text beside them.
NAMES = st.one_of(
    st.sampled_from(["", "o1", "o2", "p1", "cart", "welcome", "cart/o1", "hello", "EUR"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
NUMBERS = st.one_of(
    st.integers(0, 5),
    st.integers(1_770_000_000_000, 1_800_000_000_000),
    st.integers(-(2**40), 2**52),
)


def any_fact():
    return st.sampled_from(FACTS).flatmap(anything)


@cache
def anything(kind: Any) -> st.SearchStrategy:  # noqa: PLR0911 - one line a kind of type
    """Values of a type: a struct of the core, or what its fields are made of."""
    origin, args = get_origin(kind), get_args(kind)
    if hasattr(kind, "__supertype__"):
        return anything(kind.__supertype__)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (types.UnionType, Union):
        return st.one_of(*(anything(arg) for arg in args))
    if origin is tuple:
        return st.lists(anything(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(anything(args[0]), anything(args[1]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        fields = {name: anything(hints[name]) for name in kind.__struct_fields__}
        return st.builds(kind, **fields)
    return {str: NAMES, int: NUMBERS, bool: st.booleans(), types.NoneType: st.none()}[kind]
