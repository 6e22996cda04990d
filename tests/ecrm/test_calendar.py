from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import calendar
from ecrm.calendar import LocalTime, Quiet
from ecrm.moment import DAY, HOUR, Instant, format_instant, parse_instant

PARIS = ZoneInfo("Europe/Paris")
ZONES = st.sampled_from(
    ["Europe/Paris", "Asia/Kolkata", "America/New_York", "Pacific/Chatham", "Africa/Cairo",
     "America/Havana", "Australia/Lord_Howe", "UTC"]
).map(ZoneInfo)  # fmt: skip
INSTANTS = st.integers(
    parse_instant("2026-01-01T00:00:00Z"), parse_instant("2027-12-31T00:00:00Z")
).map(Instant)
TIMES = st.builds(LocalTime, st.integers(0, 23), st.integers(0, 59))
NIGHT = Quiet(LocalTime(21), LocalTime(8))


def next_in_paris(after: str, at: str) -> str:
    return format_instant(
        calendar.next_local(parse_instant(after), calendar.parse_local_time(at), PARIS)
    )


@pytest.mark.parametrize(
    ("after", "at", "found"),
    [
        ("2026-06-01T10:00:00+02:00", "09:30", "2026-06-02T07:30:00Z"),
        ("2026-06-01T09:30:00+02:00", "09:30", "2026-06-01T07:30:00Z"),
        ("2026-06-01T09:30:00.001+02:00", "09:30", "2026-06-02T07:30:00Z"),
        ("2026-06-01T01:00:00+02:00", "09:30", "2026-06-01T07:30:00Z"),
        # 02:30 does not exist on the 29th: it moves forward to 03:30
        ("2026-03-29T00:00:00+01:00", "02:30", "2026-03-29T01:30:00Z"),
        # 02:30 comes twice on the 25th: the first counts
        ("2026-10-25T00:00:00+02:00", "02:30", "2026-10-25T00:30:00Z"),
        ("2026-10-25T00:30:00.001Z", "02:30", "2026-10-26T01:30:00Z"),
        ("2026-03-28T12:00:00+01:00", "09:00", "2026-03-29T07:00:00Z"),
        ("2026-10-24T12:00:00+02:00", "09:00", "2026-10-25T08:00:00Z"),
    ],
)
def test_a_local_time_is_the_next_one_on_the_clock_on_the_wall(after, at, found):
    assert next_in_paris(after, at) == found


@given(INSTANTS, TIMES, ZONES)
def test_the_next_local_time_is_within_two_days_and_shows_it_unless_it_was_skipped(now, at, zone):
    found = calendar.next_local(now, at, zone)
    assert now <= found < now + 2 * DAY
    here = calendar.local(found, zone)
    shown = LocalTime(here.hour, here.minute)
    if shown != at:
        before = calendar.local(Instant(found - 4 * HOUR), zone)
        assert before.utcoffset() < here.utcoffset()


@pytest.mark.parametrize(
    ("day", "length"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_a_day_is_as_long_as_its_night_makes_it(day, length):
    begin = calendar.resolve(
        calendar.local(parse_instant(f"{day}T12:00:00Z"), PARIS).date(), LocalTime(0), PARIS
    )
    end = calendar.end_of_day(begin, PARIS)
    assert end - begin + 1 == length * HOUR


@given(INSTANTS, ZONES)
def test_the_end_of_the_day_is_the_last_millisecond_of_it(now, zone):
    end = calendar.end_of_day(now, zone)
    assert end >= now
    day = calendar.local(now, zone).date()
    assert calendar.local(end, zone).date() == day
    assert calendar.local(Instant(end + 1), zone).date() > day


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-06-01T20:59:59.999+02:00", None),
        ("2026-06-01T21:00:00+02:00", "2026-06-02T06:00:00Z"),
        ("2026-06-01T23:59:00+02:00", "2026-06-02T06:00:00Z"),
        ("2026-06-02T00:00:00+02:00", "2026-06-02T06:00:00Z"),
        ("2026-06-02T07:59:59.999+02:00", "2026-06-02T06:00:00Z"),
        ("2026-06-02T08:00:00+02:00", None),
        ("2026-03-28T22:00:00+01:00", "2026-03-29T06:00:00Z"),
        ("2026-10-24T22:00:00+02:00", "2026-10-25T07:00:00Z"),
    ],
)
def test_the_night_is_quiet_until_the_morning(now, until):
    found = calendar.quiet_until(parse_instant(now), NIGHT, PARIS)
    assert (found and format_instant(found)) == until


def test_quiet_hours_by_day_do_not_span_midnight():
    siesta = Quiet(LocalTime(13), LocalTime(15))
    noon = parse_instant("2026-06-01T12:00:00+02:00")
    two = parse_instant("2026-06-01T14:00:00+02:00")
    assert calendar.quiet_until(noon, siesta, PARIS) is None
    assert calendar.quiet_until(two, siesta, PARIS) == parse_instant("2026-06-01T15:00:00+02:00")


def test_quiet_hours_begin_and_end_to_the_minute():
    nap = Quiet(LocalTime(13, 20), LocalTime(13, 40))
    begin = parse_instant("2026-06-01T13:20:00+02:00")
    end = parse_instant("2026-06-01T13:40:00+02:00")
    assert calendar.quiet_until(Instant(begin - 1), nap, PARIS) is None
    assert calendar.quiet_until(begin, nap, PARIS) == end
    assert calendar.quiet_until(Instant(end - 1), nap, PARIS) == end
    assert calendar.quiet_until(end, nap, PARIS) is None


def test_quiet_hours_of_no_length_are_never():
    never = Quiet(LocalTime(8), LocalTime(8))
    assert calendar.quiet_until(parse_instant("2026-06-01T06:00:00Z"), never, PARIS) is None


def test_quiet_hours_that_end_in_an_hour_that_comes_twice_end_in_the_same_pass():
    until = Quiet(LocalTime(21), LocalTime(2, 30))
    second_pass = parse_instant("2026-10-25T01:15:00Z")
    assert calendar.quiet_until(second_pass, until, PARIS) == parse_instant("2026-10-25T01:30:00Z")


@given(INSTANTS, st.builds(Quiet, TIMES, TIMES), ZONES)
def test_quiet_hours_end_within_a_day_and_a_bit(now, quiet, zone):
    until = calendar.quiet_until(now, quiet, zone)
    assert until is None or now < until <= now + 25 * HOUR


@pytest.mark.parametrize("text", ["9:30", "09:30"])
def test_a_time_of_day_is_read(text):
    assert calendar.parse_local_time(text) == LocalTime(9, 30)


@pytest.mark.parametrize("text", ["", "9", "24:00", "12:60", "nine", "09:30:00", "-1:00"])
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(ValueError, match="is no time of day: write 09:30"):
        calendar.parse_local_time(text)


@given(st.builds(Quiet, TIMES, TIMES))
def test_quiet_hours_read_as_they_are_written(quiet):
    assert calendar.parse_quiet(str(quiet)) == quiet


@pytest.mark.parametrize("text", ["21:00", "", "21:00-", "late-early"])
def test_what_are_no_quiet_hours_are_refused(text):
    with pytest.raises(ValueError, match="write"):
        calendar.parse_quiet(text)


@pytest.mark.parametrize(
    "name", ["", "Europe", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "\0"]
)
def test_what_is_no_zone_is_none(name):
    assert calendar.zone_of(name) is None
