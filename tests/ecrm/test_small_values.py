"""Instants, durations, money, offers, consent: the small values everything stands on."""

from __future__ import annotations

import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import consent, errors, mail, money
from ecrm.moment import (
    DAY,
    NEVER,
    CustomerId,
    Instant,
    Seq,
    days,
    format_duration,
    format_instant,
    hours,
    later,
    minutes,
    moment_of,
    parse_duration,
    parse_instant,
    seconds,
)
from ecrm.state import Consent, Purchases, State

PARIS = ZoneInfo("Europe/Paris")
LAST = parse_instant("9999-12-31T23:59:59.999Z")
FIRST = parse_instant("0001-01-01T00:00:00Z")


# Instants and durations


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T00:00:00", 0),
        ("1970-01-02", DAY),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-03-29T03:00:00+02:00", 1_774_746_000_000),
    ],
)
def test_an_instant_is_read_as_utc_unless_it_says_otherwise(text, instant):
    assert parse_instant(text) == instant


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-01-01T25:00"])
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(ValueError, match=r"Invalid isoformat|must be in|is out of range|hour"):
        parse_instant(text)


@given(st.integers(FIRST, LAST))
def test_an_instant_reads_as_it_is_written_to_the_millisecond(instant):
    assert parse_instant(format_instant(instant)) == instant


def test_milliseconds_are_written_only_where_there_are_any():
    assert format_instant(Instant(0)) == "1970-01-01T00:00:00Z"
    assert format_instant(Instant(10)) == "1970-01-01T00:00:00.010Z"


@pytest.mark.parametrize("instant", [NEVER, -(2**62), LAST + 1, FIRST - 1, 10**30])
def test_an_instant_no_calendar_knows_is_written_as_its_number(instant):
    assert format_instant(instant) == f"{instant} ms"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30s", seconds(30)),
        ("10min", minutes(10)),
        ("3h", hours(3)),
        ("15d", days(15)),
        ("1d12h", hours(36)),
        ("1d 12h", hours(36)),
        ("5ms", 5),
        ("0s", 0),
    ],
)
def test_a_duration_is_read(text, span):
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "3", "h", "3 weeks", "-3h", "3h!", "1.5h", "3H"])
def test_what_is_no_duration_is_refused_and_told_how_to_write_one(text):
    with pytest.raises(ValueError, match="is no duration: write 30s, 10min, 3h or 15d"):
        parse_duration(text)


@given(st.integers(0, 10**15))
def test_a_duration_reads_as_it_is_written(span):
    assert parse_duration(format_duration(span)) == span


def test_a_duration_is_written_with_the_largest_units_first():
    assert format_duration(days(1) + hours(2) + minutes(3) + seconds(4) + 5) == "1d2h3min4s5ms"
    assert format_duration(0) == "0s"


def test_later_is_later():
    assert later(Instant(5), seconds(1)) == 1_005


@given(st.text(max_size=9), st.integers(0, 99), st.text(max_size=9), st.integers(0, 99))
def test_the_key_of_a_moment_is_its_customers_and_its_places(one, seq, other, place):
    first = moment_of(CustomerId(one), Seq(seq), Instant(0))
    second = moment_of(CustomerId(other), Seq(place), Instant(1))
    same = (one, seq) == (other, place)
    assert (first.key == second.key) == same


# Money


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        (12.34, "EUR", 1_234),
        (0.1 + 0.2, "EUR", 30),
        (1.005, "EUR", 101),
        (2.675, "EUR", 268),
        (-1.005, "EUR", -101),
        (19, "EUR", 1_900),
        (1_500, "JPY", 1_500),
        (1_500.5, "JPY", 1_501),
        (1.2345, "TND", 1_235),
        (Decimal("12.345"), "EUR", 1_235),
        (3.5, "XXX", 350),
        (1e12, "TND", 10**15),
        (1e-7, "EUR", 0),
    ],
)
def test_an_amount_is_the_minor_units_it_was_written_as(amount, currency, minor):
    assert money.minor_units(amount, currency) == minor


@given(st.integers(-(10**14), 10**14), st.sampled_from(["EUR", "JPY", "TND"]))
def test_an_amount_in_minor_units_is_exact(minor, currency):
    amount = Decimal(minor).scaleb(-money.digits_of(currency))
    assert money.minor_units(amount, currency) == minor
    assert abs(minor) > 10**12 or money.minor_units(float(amount), currency) == minor


# Consent


def someone(said: bool | None, orders: int) -> State:
    consents = {} if said is None else {"email_marketing": Consent(granted=said, at=Instant(0))}
    return State(customer_id=CustomerId("c"), consents=consents, purchases=Purchases(count=orders))


@pytest.mark.parametrize(
    ("basis", "said", "orders", "may"),
    [
        ("contract", None, 0, True),
        ("contract", False, 0, True),
        ("contract", True, 1, True),
        ("soft_opt_in", None, 0, False),
        ("soft_opt_in", None, 1, True),
        ("soft_opt_in", True, 0, True),
        ("soft_opt_in", True, 1, True),
        ("soft_opt_in", False, 0, False),
        ("soft_opt_in", False, 1, False),
        ("consent", None, 0, False),
        ("consent", None, 1, False),
        ("consent", True, 0, True),
        ("consent", False, 1, False),
    ],
)
def test_every_basis_asks_for_what_it_needs(basis, said, orders, may):
    objection = consent.objection(someone(said, orders), basis)
    assert (not objection) == may


def test_an_objection_says_what_is_missing():
    assert consent.objection(someone(False, 1), "soft_opt_in") == "email_marketing was denied"
    assert consent.objection(someone(None, 0), "soft_opt_in") == (
        "no email_marketing consent was given, nor an order"
    )
    assert consent.objection(someone(None, 1), "consent") == (
        "no email_marketing consent was given, and it is needed"
    )


def test_another_purposes_consent_is_no_consent_to_marketing():
    tracked = {"open_tracking": Consent(granted=True, at=Instant(0))}
    state = State(customer_id=CustomerId("c"), consents=tracked)
    assert consent.objection(state, "consent")


@pytest.mark.parametrize(
    ("said", "orders", "may"), [(None, 0, False), (None, 1, True), (False, 1, False)]
)
def test_promotion_in_an_owed_mail_needs_what_marketing_needs(said, orders, may):
    assert consent.may_promote(someone(said, orders)) == may


# Mails


@given(st.text(max_size=20), st.integers(0, 2**48 - 1))
def test_a_mail_id_is_a_uuid_of_version_7_that_tells_its_instant(cause, since):
    mail_id = mail.mail_id_for(cause, Instant(since))
    read = uuid.UUID(mail_id)
    assert (str(read), read.version, read.variant) == (mail_id, 7, uuid.RFC_4122)
    assert int(mail_id.replace("-", "")[:12], 16) == since


def test_a_mail_id_never_changes():
    # It is the Message-ID of mails that are out, and what keeps a decision from being sent twice.
    assert (
        mail.mail_id_for("c1 cart 1 reminder", Instant(1)) == "00000000-0001-7dad-9c87-c6133cbeace1"
    )


def test_a_mail_reads_as_it_was_written():
    wanted = mail.Mail(
        mail_id="m", customer_id=CustomerId("c"), kind="k07", programme="cart", step="reminder",
        template="cart/reminder", mail_class="marketing", lane=2, at=Instant(1), not_after=Instant(2),
        to="ana@post.example", locale="fr", zone="Europe/Paris",
        values=mail.Values(cart=mail.ShownCart("k", "EUR", (mail.ShownLine("p"),), 3)),
    )  # fmt: skip
    assert mail.decode(mail.encode(wanted)) == wanted


# Errors


def test_an_error_that_does_not_say_whose_fault_it_is_cannot_be_raised():
    with pytest.raises(TypeError, match="abstract"):
        errors.EcrmError("oh")


def test_an_error_says_its_own_first_sentence_unless_it_knows_more():
    assert str(errors.StoreBroken()) == "The database cannot be used."
    assert str(errors.StoreBroken("disk full")) == "disk full"
    assert str(errors.Poison()).startswith("A decision failed on this message")


def test_an_error_carries_what_its_catcher_needs():
    assert errors.Rejected("invalid", "no", "$.x").path == "$.x"
    assert errors.Busy(seconds(3)).retry_after == 3_000
    assert errors.Undelivered("451", retry=True).retry
