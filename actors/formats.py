"""Money, dates and hours as a customer's locale writes them (Babel, CLDR).

Money is written thousands of times a minute, and Babel takes some 70 µs for each; where a locale
groups by three and keeps its digits Latin, its pattern is read from Babel once and applied by hand.
Other locales and negative amounts go to Babel itself.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

import msgspec
from babel import Locale, UnknownLocaleError, dates

from ecrm import money
from ecrm.moment import Instant


class MoneyShape(msgspec.Struct, frozen=True, gc=False):
    """What surrounds an amount in a locale and what separates its digits."""

    before: str
    after: str
    group: str
    point: str
    decimals: int


def parse_locale(text: str) -> Locale | None:
    """`fr-FR`, `fr_FR` or `fr`; None for what CLDR does not know."""
    try:
        return Locale.parse(text.replace("-", "_"))
    except (ValueError, TypeError, UnknownLocaleError):
        return None


class Formats:
    """How one customer reads amounts and instants: a locale and a time zone."""

    def __init__(self, locale: Locale, zone: ZoneInfo) -> None:
        self._locale = str(locale)
        self._zone = zone.key

    def money(self, amount: int, currency: str) -> str:
        """Minor units of an ISO 4217 currency: 1250, EUR → `12,50 €`."""
        return _money(amount, currency, self._locale)

    def date(self, at: Instant) -> str:
        return _date(at, self._zone, self._locale)

    def time(self, at: Instant) -> str:
        return _time(at, self._zone, self._locale)

    def day(self, at: Instant) -> str:
        """A date with its day of the week: `jeudi 5 mars 2026`."""
        return _day(at, self._zone, self._locale)


@lru_cache(maxsize=1024)
def formats_of(locale: Locale, zone: str) -> Formats:
    """Raises KeyError on a zone nobody knows (ZoneInfoNotFoundError is one)."""
    return Formats(locale, ZoneInfo(zone))


@lru_cache(maxsize=4096)  # the text part shows what the HTML showed
def _money(amount: int, currency: str, locale: str) -> str:
    shape = _shape(currency, locale)
    if shape is None or amount < 0:
        return _written(amount, currency, locale)
    return _applied(shape, amount)


def _written(amount: int, currency: str, locale: str) -> str:
    """As Babel writes it, with as many digits as our minor units have: Babel would round some
    currencies to what is usual in cash.
    """
    digits = money.digits_of(currency)
    known = Locale.parse(locale)
    pattern = copy(known.currency_formats["standard"])
    pattern.frac_prec = (digits, digits)
    exact = Decimal(amount).scaleb(-digits)
    text: str = pattern.apply(exact, known, currency=currency, currency_digits=False)
    return text


@lru_cache(maxsize=1024)
def _shape(currency: str, locale: str) -> MoneyShape | None:
    """Read the shape off three amounts as Babel writes them; None where they do not fit one."""
    decimals = money.digits_of(currency)
    written = partial(_written, currency=currency, locale=locale)

    unit = 10**decimals
    before, one, _ = written(unit).partition("1")
    group = written(1234567 * unit).removeprefix(before)[1:2]
    tail = written(9 * unit).removeprefix(before)[1:]
    point, after = (tail[:1], tail[1 + decimals :]) if decimals else ("", tail)
    shape = MoneyShape(before, after, group, point, decimals)
    fits = one and all(_applied(shape, n) == written(n) for n in (7, 1234 * unit, 98765432 * unit))
    return shape if fits else None


def _applied(shape: MoneyShape, amount: int) -> str:
    whole, minor = divmod(amount, 10**shape.decimals)
    digits = f"{whole:,}".replace(",", shape.group)
    fraction = f"{shape.point}{minor:0{shape.decimals}d}" if shape.decimals else ""
    return f"{shape.before}{digits}{fraction}{shape.after}"


def _cached(write: Callable[[datetime, str], str]) -> Callable[[Instant, str, str], str]:
    @lru_cache(maxsize=4096)
    def written(at: Instant, zone: str, locale: str) -> str:
        return write(datetime.fromtimestamp(at / 1_000, ZoneInfo(zone)), locale)

    return written


_date = _cached(lambda at, locale: dates.format_date(at, "long", locale=locale))
_time = _cached(lambda at, locale: dates.format_time(at, "short", tzinfo=at.tzinfo, locale=locale))
_day = _cached(lambda at, locale: dates.format_date(at, "full", locale=locale))
