"""How much one key or one address may take, and that the others do not notice."""

from __future__ import annotations

import pytest

from actors.door import Door
from actors.keys import Keyring
from actors.limits import BUCKETS, Bounds, Limits, counted
from actors.settings import Key, hashed
from ecrm.moment import Instant
from proto.session import Grant, Turned

FRONT, OTHER = Grant("front", "publishable"), Grant("other", "publishable")
BACK = Grant("back", "secret")


class Hands:
    """Limits on a clock that stands where it is put."""

    def __init__(self, **bounds):
        self.at = 1_000_000
        self.limits = Limits(Bounds(**bounds), lambda: Instant(self.at))

    def fills(self, grant, address):
        """How many messages come in at once."""
        count = 0
        while not self.limits.allow(grant, address):
            count += 1
        return count


def test_an_address_that_says_too_much_waits_and_the_others_go_on():
    hands = Hands(messages_per_address=200, messages_per_key=100_000)
    assert hands.fills(FRONT, "192.0.2.1") == 1_000
    assert hands.limits.allow(FRONT, "192.0.2.1") == 5
    assert hands.limits.allow(FRONT, "192.0.2.1", 200) == 1_000
    assert hands.limits.allow(FRONT, "192.0.2.2") == 0
    hands.at += 5
    assert hands.limits.allow(FRONT, "192.0.2.1") == 0
    assert hands.limits.allow(FRONT, "192.0.2.1") == 5


def test_a_key_is_bounded_over_all_its_addresses_and_no_other_key_notices():
    hands = Hands(messages_per_address=100, messages_per_key=200)
    assert sum(hands.fills(FRONT, f"192.0.2.{n}") for n in range(9)) == 1_000
    assert hands.limits.allow(FRONT, "192.0.2.99") == 5
    assert hands.limits.allow(OTHER, "192.0.2.99") == 0


def test_what_is_refused_is_not_counted_and_a_whole_batch_always_comes_in_at_last():
    hands = Hands(messages_per_address=1)
    assert hands.limits.allow(FRONT, "a", 500) == 0
    for _ in range(3):
        assert hands.limits.allow(FRONT, "a", 500) == 500_000
    hands.at += 500_000
    assert hands.limits.allow(FRONT, "a", 500) == 0


def test_a_back_end_is_bounded_by_the_intake_alone():
    hands = Hands(messages_per_address=1, messages_per_key=1)
    assert all(hands.limits.allow(BACK, "a", 500) == 0 for _ in range(100))


def test_the_addresses_of_a_flood_are_forgotten_again():
    hands = Hands()
    for n in range(BUCKETS):
        hands.limits.guessed(f"a{n}")
    hands.at += 60_000
    hands.limits.guessed("b")
    assert len(hands.limits._rates.tats) == 1


# Connections.


def test_silent_connections_are_few_by_address_and_in_all():
    hands = Hands(silent=5, silent_per_address=3)
    held = [hands.limits.enter("a") for _ in range(4)]
    assert [visit is None for visit in held] == [False, False, False, True]
    assert [hands.limits.enter("b") is None for _ in range(3)] == [False, False, True]
    assert hands.limits.welcome(held[0], FRONT)
    assert hands.limits.enter("c") is not None


def test_open_connections_are_bounded_by_address_key_and_in_all():
    hands = Hands(connections=6, connections_per_address=2, connections_per_key=3)

    def opens(address, grant):
        visit = hands.limits.enter(address)
        if visit is None:
            return None
        welcome = hands.limits.welcome(visit, grant)
        if not welcome:
            hands.limits.leave(visit)
        return welcome

    assert [opens("a", FRONT) for _ in range(3)] == [True, True, False]
    assert [opens("b", FRONT) for _ in range(2)] == [True, False]
    assert opens("b", OTHER)
    assert [opens("a", BACK) for _ in range(3)] == [True, True, None]


def test_who_leaves_makes_room_and_nothing_is_left_of_them():
    hands = Hands(connections=1)
    for grant in (FRONT, BACK, None):
        visit = hands.limits.enter("a")
        assert hands.limits.enter("b") is None
        if grant is not None:
            assert hands.limits.welcome(visit, grant)
        hands.limits.leave(visit)
    limits = hands.limits
    assert limits.visits == limits.silent == 0
    assert not limits._silent_at
    assert not limits._open_at
    assert not limits._open_with


# Guessing.


def door(hands):
    given = (("front", "publishable", "pk"), ("back", "secret", "sk"), ("op", "operator", "ok"))
    return Door(
        Keyring(tuple(Key(name, kind, hashed(kind, key)) for name, kind, key in given)),
        hands.limits,
    )


def test_who_guesses_is_not_told_when_the_guess_is_right():
    hands = Hands(wrong_keys_per_minute=10)
    ours = door(hands)
    assert [ours.admit(f"ok{n}", None, "a") for n in range(10)] == [None] * 10
    for key in ("ok", "sk", "ok_wrong"):
        turned = ours.admit(key, None, "a")
        assert turned == Turned("too many wrong keys: come back in 6 s", "limited")
    assert ours.admit("pk", None, "a") == FRONT
    assert ours.admit("ok", None, "b") == Grant("op", "operator")
    hands.at += 6_000
    assert ours.admit("ok", None, "a") == Grant("op", "operator")


def test_a_key_from_the_wrong_page_is_turned_away():
    ours = door(Hands())
    ours.keyring.add((Key("page", "publishable", "pk_page", ("https://boutique.example",)),))
    assert "origins" in ours.admit("pk_page", "https://evil.example", "a").reason
    assert ours.admit("pk_page", "https://boutique.example", "a").key_id == "page"


# Addresses.


@pytest.mark.parametrize(
    ("address", "as_"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("nonsense", "nonsense"),
        ("", ""),
    ],
)
def test_a_house_with_ipv6_counts_as_one_address(address, as_):
    assert counted(address) == as_


def test_who_connects_again_and_again_is_kept_out_for_a_while():
    hands = Hands(connects_per_minute=60)

    def connects(address):
        visit = hands.limits.enter(address)
        if visit is not None:
            hands.limits.leave(visit)
        return visit is not None

    assert [connects("a") for _ in range(101)] == [True] * 100 + [False]
    assert connects("b")
    hands.at += 1_000
    assert [connects("a") for _ in range(2)] == [True, False]
