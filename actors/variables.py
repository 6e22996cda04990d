"""What a template asks for, followed through the types of what there is.

A template that says `cart.totl` would fail in front of a customer; here its syntax tree is walked
with the types of `ecrm.mail.Values`, `Shop`, `Brand` and the links, through loops, slices and
assignments, and every name or field that does not exist is reported before anything is sent.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Union, get_args, get_origin

import jinja2
import msgspec
from jinja2 import nodes

from actors.compose import Links
from ecrm.mail import Values
from ecrm.shop import Brand, Shop

Kind = object  # a type, or UNKNOWN for what cannot be followed further
UNKNOWN: Kind = None
_SAME_ELEMENT = frozenset(("first", "last"))
_SAME_LIST = frozenset(("list", "reverse", "sort", "unique", "select", "reject"))

ROOTS: dict[str, Kind] = {
    **{field.name: field.type for field in msgspec.structs.fields(Values)},
    "shop": Shop,
    "brand": Brand,
    "links": Links,
    "marketing": bool,
    "notification": bool,
    "stranger": bool,
}


def undefined(env: jinja2.Environment, source: str) -> list[tuple[int, str]]:
    """The line and one sentence for each name or field the source asks for that does not exist.

    Raises jinja2.TemplateSyntaxError.
    """
    walk = _Walk()
    walk.all(env.parse(source).body, dict(ROOTS))
    return list(dict.fromkeys(walk.wrong))


class _Walk:
    def __init__(self) -> None:
        self.wrong: list[tuple[int, str]] = []

    def all(self, body: list[nodes.Node], scope: dict[str, Kind]) -> None:
        for node in body:
            self.kind(node, scope)

    def kind(self, node: nodes.Node, scope: dict[str, Kind]) -> Kind:
        """The type of an expression, having looked at all of it."""
        match node:
            case nodes.Name(ctx="load"):
                return self._name(node, scope)
            case nodes.Getattr():
                return self._field(node, self.kind(node.node, scope))
            case nodes.Getitem():
                return self._item(node, scope)
            case nodes.Filter(node=nodes.Expr()):
                return self._filtered(node, scope)
            case nodes.CondExpr():
                self.kind(node.test, scope)
                kinds = [self.kind(branch, scope) for branch in (node.expr1, node.expr2) if branch]
                return kinds[0]
            case nodes.Assign(target=nodes.Name() as target):
                scope[target.name] = self.kind(node.node, scope)
            case nodes.For():
                self._loop(node, scope)
            case _:
                self.all(list(node.iter_child_nodes()), scope)
        return UNKNOWN

    def _name(self, node: nodes.Name, scope: Mapping[str, Kind]) -> Kind:
        if node.name not in scope:
            self.wrong.append((node.lineno, f"{node.name} is not defined"))
        return scope.get(node.name, UNKNOWN)

    def _field(self, node: nodes.Getattr, owner: Kind) -> Kind:
        owner = _present(owner)
        if not isinstance(owner, type):
            return UNKNOWN
        if issubclass(owner, msgspec.Struct):
            fields = _fields(owner)
            if node.attr in fields:
                return fields[node.attr]
        elif owner is not Links or node.attr in _LINKS:
            return UNKNOWN
        self.wrong.append((node.lineno, f"{owner.__name__} has no {node.attr}"))
        return UNKNOWN

    def _item(self, node: nodes.Getitem, scope: dict[str, Kind]) -> Kind:
        of = self.kind(node.node, scope)
        self.kind(node.arg, scope)
        return of if isinstance(node.arg, nodes.Slice) else _element(of)

    def _filtered(self, node: nodes.Filter, scope: dict[str, Kind]) -> Kind:
        assert node.node is not None
        of = self.kind(node.node, scope)
        self.all([*node.args, *node.kwargs], scope)
        if node.name in _SAME_ELEMENT:
            return _element(of)
        return of if node.name in _SAME_LIST else UNKNOWN

    def _loop(self, node: nodes.For, scope: dict[str, Kind]) -> None:
        inner = {**scope, "loop": UNKNOWN}
        element = _element(self.kind(node.iter, scope))
        for target in _names(node.target):
            inner[target] = element if isinstance(node.target, nodes.Name) else UNKNOWN
        self.all([*([node.test] if node.test else []), *node.body, *node.else_], inner)


_LINKS = frozenset(
    (
        "shop",
        "cart",
        *(name for name in vars(Links) if not name.startswith("_") and name != "token"),
    )
)


@cache
def _fields(owner: type[msgspec.Struct]) -> dict[str, Kind]:
    return {field.name: field.type for field in msgspec.structs.fields(owner)}


def _names(target: nodes.Node) -> Iterator[str]:
    if isinstance(target, nodes.Name):
        yield target.name
    for name in target.find_all(nodes.Name):
        yield name.name


def _present(kind: Kind) -> Kind:
    """The type behind `X | None`: whether it is there is the samples' business."""
    if get_origin(kind) in {Union, types.UnionType}:
        return next((one for one in get_args(kind) if one is not types.NoneType), UNKNOWN)
    return kind


def _element(kind: Kind) -> Kind:
    kind = _present(kind)
    return get_args(kind)[0] if get_origin(kind) in {tuple, list} else UNKNOWN
