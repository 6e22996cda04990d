from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import calendar
from ecrm.moment import DAY, HOUR, NEVER, Duration, Instant, days, format_instant, parse_instant
from ecrm.pressure import Limits, Room, room, wished
from ecrm.state import Wish

PARIS = ZoneInfo("Europe/Paris")
NOON = parse_instant("2026-06-10T12:00:00+02:00")


def asked(*pressed: float, now: Instant = NOON, by_night: bool = False, **limits) -> Room:
    """`pressed` in hours before `now`."""
    mails = tuple(Instant(now - round(hours * HOUR)) for hours in pressed)
    return room(Limits(**limits), mails, now, PARIS, by_night=by_night)


def test_who_got_nothing_may_get_one_now():
    assert asked() == Room(NOON)


def test_twenty_hours_lie_between_two():
    found = asked(3)
    assert (found.at, found.brake) == (NOON + 17 * HOUR + 3 * HOUR, "cap")
    assert found.detail == "the last marketing mail is too recent"


def test_twenty_hours_that_end_by_day_are_exact():
    found = asked(19)
    assert found.at == NOON + HOUR
    assert asked(20) == Room(NOON)


def test_two_in_seven_days_are_enough():
    found = asked(160, 30)
    assert found.at == NOON + 8 * HOUR
    assert found.detail == "2 marketing mails in 7 days, at most 2"
    assert asked(7 * 24, 30) == Room(NOON)


def test_the_night_is_waited_out():
    late = parse_instant("2026-06-10T22:00:00+02:00")
    found = asked(now=late)
    assert format_instant(found.at) == "2026-06-11T06:00:00Z"
    assert (found.brake, found.detail) == ("quiet_hours", "21:00-08:00 in Europe/Paris")


def test_a_gap_that_ends_at_night_is_waited_out_and_told_as_the_gap():
    found = asked(10)
    assert format_instant(found.at) == "2026-06-11T06:00:00Z"
    assert found.brake == "cap"


def test_who_may_be_written_to_by_night_waits_for_the_cap_alone():
    late = parse_instant("2026-06-10T22:00:00+02:00")
    assert asked(now=late, by_night=True) == Room(late)
    assert asked(19, now=late, by_night=True).at == late + HOUR


def test_a_shop_without_quiet_hours_has_none():
    late = parse_instant("2026-06-10T22:00:00+02:00")
    assert asked(now=late, quiet=None) == Room(late)


@pytest.mark.parametrize("per_week", [0, -1])
def test_a_shop_that_allows_none_is_answered_never(per_week):
    assert asked(per_week=per_week) == Room(NEVER, "cap", "no marketing mail is allowed at all")


@given(
    st.lists(st.integers(0, 15 * DAY), max_size=12),
    st.builds(
        Limits,
        per_week=st.integers(1, 5),
        min_gap=st.integers(0, 3 * DAY).map(Duration),
        window=st.sampled_from([Duration(7 * DAY), Duration(30 * DAY)]),
    ),
    st.booleans(),
)
def test_the_room_found_keeps_every_limit_and_is_the_first_that_does(offsets, limits, by_night):
    pressed = []
    for offset in sorted(offsets):
        now = Instant(NOON + offset)
        found = room(limits, tuple(pressed), now, PARIS, by_night=by_night)
        assert found.at >= now
        assert (found.at == now) == (found.brake is None)
        assert allowed(limits, pressed, found.at, by_night=by_night)
        if found.at > now:
            assert not allowed(limits, pressed, Instant(found.at - 1), by_night=by_night)
        pressed.append(found.at)
        pressed.sort()


def allowed(limits, pressed, at, *, by_night) -> bool:
    """The three rules of mission §9.7, said plainly."""
    few = sum(abs(at - other) < limits.window for other in pressed) < limits.per_week
    apart = all(abs(at - other) >= limits.min_gap for other in pressed)
    hour = calendar.local(at, PARIS).hour
    return few and apart and (by_night or 8 <= hour < 21)


def test_a_stated_frequency_wins_over_the_shop_s_cap():
    limits = wished(Limits(), Wish(1, days(30)))
    found = room(limits, (NOON,), Instant(NOON + days(8)), PARIS, by_night=True)
    assert (found.at, found.brake) == (NOON + days(30), "cap")
    assert found.detail == "1 marketing mails in 30 days, at most 1"
    assert wished(Limits(), None) == Limits()
