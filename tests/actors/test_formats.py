from __future__ import annotations

from decimal import Decimal

import pytest
from babel import Locale, numbers
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import formats
from ecrm import money
from ecrm.moment import parse_instant

LOCALES = ["fr-FR", "fr-CH", "fr-CA", "en-GB", "en-US", "de-CH", "es-ES", "hi-IN", "ar-EG", "ja-JP"]
EVENING = parse_instant("2026-03-05T23:30:00Z")


def of(locale: str, zone: str = "Europe/Paris") -> formats.Formats:
    parsed = formats.parse_locale(locale)
    assert parsed is not None
    return formats.formats_of(parsed, zone)


@settings(max_examples=60)
@given(
    st.integers(-(10**6), 10**12),
    st.sampled_from(LOCALES),
    st.sampled_from(["EUR", "JPY", "KWD", "USD"]),
)
def test_money_is_written_as_babel_writes_it(amount, locale, currency):
    exact = Decimal(amount).scaleb(-numbers.get_currency_precision(currency))
    theirs = numbers.format_currency(exact, currency, locale=Locale.parse(locale, sep="-"))
    assert of(locale).money(amount, currency) == theirs


@pytest.mark.parametrize(
    ("locale", "currency", "written"),
    [
        ("fr-FR", "EUR", "1\u202f234,50\u00a0€"),
        ("en-GB", "EUR", "€1,234.50"),
        ("fr-CH", "CHF", "1\u202f234,50\u00a0CHF"),
        ("ja-JP", "JPY", "￥123,450"),
    ],
)
def test_money_follows_the_whole_locale_and_the_currencys_minor_units(locale, currency, written):
    assert of(locale).money(123450, currency) == written


def test_an_instant_is_written_in_the_customers_zone():
    assert of("fr-FR").date(EVENING) == "6 mars 2026"
    assert of("fr-FR").time(EVENING) == "00:30"
    assert of("fr-FR").day(EVENING) == "vendredi 6 mars 2026"
    assert of("en-US", "America/New_York").day(EVENING) == "Thursday, March 5, 2026"


@pytest.mark.parametrize("text", ["", "xx-YY", "C", "../etc", "fr-FR-x-y-z-" + "a" * 99])
def test_a_locale_nobody_knows_is_none(text):
    assert formats.parse_locale(text) is None


def test_a_locale_is_read_with_either_separator():
    assert formats.parse_locale("fr-CA") == formats.parse_locale("fr_CA") == Locale("fr", "CA")


@pytest.mark.parametrize("locale", ["fr_FR", "en_GB", "de_CH"])
def test_every_currency_is_shown_with_the_digits_it_is_kept_in(locale):
    for currency in sorted(Locale.parse("en").currencies):
        amount = money.minor_units(1234.5, currency)
        shown = formats.formats_of(Locale.parse(locale), "Europe/Paris").money(amount, currency)
        figures = "".join(sign for sign in shown if sign.isdigit())
        if money.digits_of(currency):
            assert figures == "12345" + "0" * (money.digits_of(currency) - 1), (currency, shown)
        else:
            assert figures == "1235", (currency, shown)
