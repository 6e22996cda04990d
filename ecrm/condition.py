"""Conditions: values, not lambdas, so that they can be printed, explained and checked.

A condition is written as text, in a programme or in `ecrm.toml`, and read once at start:

    orders.count == 0 and not (order.cancelled or order.refunded)

The grammar is the smallest part of Python's that says this: names of readings, numbers, quoted
texts, `true` and `false`, the six comparisons, `and`, `or`, `not` and brackets. `judge` gives the
verdict together with what it saw and, where it fails, the first thing that failed and its need.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

import msgspec

Value = str | int | bool
Look = Callable[[str], Value]


class Compare(msgspec.Struct, frozen=True, gc=False, tag=True):
    reading: str
    operator: str
    value: Value

    def __str__(self) -> str:
        if self.value is True and self.operator == "==":
            return self.reading
        return f"{self.reading} {self.operator} {written(self.value)}"


class Not(msgspec.Struct, frozen=True, gc=False, tag=True):
    condition: Condition

    def __str__(self) -> str:
        return f"not {_bracketed(self.condition)}"


class All(msgspec.Struct, frozen=True, gc=False, tag=True):
    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        return " and ".join(_bracketed(part) for part in self.conditions) or "always"


class AnyOf(msgspec.Struct, frozen=True, gc=False, tag=True):
    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(_bracketed(part) for part in self.conditions)


Condition = Compare | Not | All | AnyOf

ALWAYS: Final = All()

# Nobody reads a longer one, and Python's own reader gives up on what is nested too deep.
LONGEST: Final = 1_000


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """`failed` reads like "orders.count was 2, needs == 1"; it is empty where `holds`."""

    holds: bool
    seen: dict[str, Value]
    failed: str


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A comparison that does not hold: the value that was seen, and what it has to be."""

    reading: str
    saw: Value
    operator: str
    value: Value

    def __str__(self) -> str:
        needs = f"{self.operator} {written(self.value)}"
        return f"{self.reading} was {written(self.saw)}, needs {needs}"


def written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # As JSON writes it, which Python reads alike: a quote in a text does not end it.
        return msgspec.json.encode(value).decode()
    return str(value)


def _bracketed(part: Condition) -> str:
    return f"({part})" if isinstance(part, All | AnyOf) and len(part.conditions) > 1 else str(part)


_OPERATORS: Final[dict[type, str]] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip

_OPPOSITE: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def parse(text: str) -> Condition:
    """Read a condition. Raises ValueError, quoting the part that is not understood."""
    if not text.strip():
        return ALWAYS
    if len(text) > LONGEST:
        raise ValueError(f"{text[:40]!r}... is no condition: it has over {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"{text!r} is no condition: {error.msg}") from None
    return _read(tree.body)


def _read(node: ast.expr) -> Condition:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return All(tuple(_read(value) for value in values))
        case ast.BoolOp(values=values):
            return AnyOf(tuple(_read(value) for value in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_read(operand))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return Compare(_name(left), _OPERATORS[type(op)], _constant(right))
        case ast.Name() | ast.Attribute():
            return Compare(_name(node), "==", value=True)
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not understood in a condition")


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{_name(value)}.{attr}"
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is no reading: write one like orders.count")


def _constant(node: ast.expr) -> Value:
    match node:
        case ast.Constant(value=bool() | int() | str() as value):
            return value
        case ast.Name(id="true" | "false" as name):
            return name == "true"
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is no value: write a number or a quoted text")


def readings_of(condition: Condition) -> frozenset[str]:
    match condition:
        case Compare(reading=reading):
            return frozenset((reading,))
        case Not(condition=inner):
            return readings_of(inner)
        case All(conditions=parts) | AnyOf(conditions=parts):
            return frozenset().union(*(readings_of(part) for part in parts))


def judge(condition: Condition, look: Look) -> Verdict:
    """Does it hold, what did it see, and if not, why not. `look` reads one value by name."""
    seen: dict[str, Value] = {}
    failed = _failure(condition, look, seen, wanted=True)
    return Verdict(holds=not failed, seen=seen, failed=failed)


def first_failure(condition: Condition, look: Look, *, wanted: bool = True) -> Failure | None:
    """The first comparison that would have to come out otherwise; None where it is as wanted. Of
    several of which one is enough, it is the first.
    """
    match condition:
        case Compare(reading, operator, value):
            found = look(reading)
            if _compares(found, operator, value) == wanted:
                return None
            return Failure(reading, found, operator if wanted else _OPPOSITE[operator], value)
        case Not(inner):
            return first_failure(inner, look, wanted=not wanted)
        case All(parts) | AnyOf(parts):
            failures = [first_failure(part, look, wanted=wanted) for part in parts]
            if isinstance(condition, All) != wanted and None in failures:
                return None
            return next((failure for failure in failures if failure is not None), None)


def _failure(condition: Condition, look: Look, seen: dict[str, Value], *, wanted: bool) -> str:
    """What keeps `condition` from being as wanted; empty where nothing does."""
    match condition:
        case Compare(reading, operator, value):
            if reading not in seen:
                seen[reading] = look(reading)
            found = seen[reading]
            if _compares(found, operator, value) == wanted:
                return ""
            return str(Failure(reading, found, operator if wanted else _OPPOSITE[operator], value))
        case Not(inner):
            return _failure(inner, look, seen, wanted=not wanted)
        case All(parts) | AnyOf(parts):
            failures = [_failure(part, look, seen, wanted=wanted) for part in parts]
            # "all" wanted true and "any" wanted false need every part; the others need one.
            if isinstance(condition, All) == wanted:
                return next((failure for failure in failures if failure), "")
            return "" if "" in failures else " and ".join(failures) or "it holds always"


def _compares(found: Value, operator: str, value: Value) -> bool:
    # A text never orders against a number; unequal kinds are only ever unequal.
    if isinstance(found, str) != isinstance(value, str):
        return operator == "!="
    order = (found > value) - (found < value)  # type: ignore[operator]  # the same kind by now
    return {
        "==": order == 0,
        "!=": order != 0,
        "<": order < 0,
        "<=": order <= 0,
        ">": order > 0,
        ">=": order >= 0,
    }[operator]
