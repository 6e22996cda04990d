"""Money: decimal numbers with a currency on the wire, integer minor units inside (wire §3)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

# ISO 4217: the currencies whose minor unit is not a hundredth.
_WHOLE: tuple[str, ...] = (
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "UYI",
)
_WHOLE += ("VND", "VUV", "XAF", "XOF", "XPF")
_TEN_THOUSANDTHS = ("CLF", "UYW")
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_DIGITS = (
    dict.fromkeys(_WHOLE, 0) | dict.fromkeys(_THOUSANDTHS, 3) | dict.fromkeys(_TEN_THOUSANDTHS, 4)
)


# Beyond it a sum is no money any more but somebody's test; it stays within what rows can hold.
LIMIT = 2**53


def bounded(amount: int) -> int:
    return max(-LIMIT, min(LIMIT, amount))


def digits_of(currency: str) -> int:
    """How many decimal digits a currency's minor unit takes."""
    return _DIGITS.get(currency, 2)


def minor_units(amount: float | Decimal, currency: str) -> int:
    """`12.34` EUR is `1234`. A float is read by its shortest decimal form, as it was written."""
    exact = amount if isinstance(amount, Decimal) else Decimal(repr(amount))
    return int(exact.scaleb(digits_of(currency)).quantize(Decimal(1), ROUND_HALF_UP))
