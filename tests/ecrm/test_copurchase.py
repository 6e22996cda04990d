"""Co-purchase: what orders teach, and that it stays small however many there are."""

from __future__ import annotations

import gzip
from collections import Counter
from itertools import combinations, islice, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import retail
from ecrm.copurchase import BASKET, Companion, Copurchase, Tally

DATA = Path(__file__).parents[1] / "data" / "online-retail-2010-12.csv.gz"

BASKETS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=40)
KEYS = st.lists(st.sets(st.integers(0, 12), max_size=6), max_size=20)


def learnt(*baskets, **room):
    copurchase = Copurchase(**room)
    for basket in baskets:
        copurchase.learn(basket)
    return copurchase


def ids(companions):
    return [companion.product_id for companion in companions]


def test_lift_is_how_many_times_more_often_than_chance():
    orders = [["cup", "tea"]] * 4 + [["cup"], ["tray"], ["tray"], ["tray"], ["tray"], ["tray"]]
    # Of 10 orders 5 have a cup, 4 tea: by chance 2 would have both.
    assert learnt(*orders).companions("tea") == (Companion("cup", 4, 2.0, 1.0),)


def test_two_orders_are_a_coincidence():
    others = [["tray"]] * 10
    assert learnt(*[["cup", "tea"]] * 2, *others).companions("cup") == ()
    assert ids(learnt(*[["cup", "tea"]] * 3, *others).companions("cup")) == ["tea"]


def test_what_everybody_buys_anyway_is_no_companion():
    assert learnt(*[["cup", "bag"]] * 20, *[["bag"]] * 2).companions("cup") == ()


def test_many_orders_outrank_three_lucky_ones():
    orders = [["cup", "tea"]] * 90 + [["cup", "lucky"]] * 3 + [["cup"]] * 100 + [["tray"]] * 400
    lucky, tea = sorted(learnt(*orders).companions("cup"))
    assert lucky.lift > 3
    assert lucky.lift == pytest.approx(tea.lift)
    assert ids(learnt(*orders).companions("cup")) == ["tea", "lucky"]


def test_a_product_twice_in_an_order_is_bought_once():
    others = [["tray"]] * 5
    twice = learnt(*[["cup", "tea", "cup"]] * 3, *others)
    assert twice.popularity("cup") == 3
    assert twice.companions("cup") == learnt(*[["cup", "tea"]] * 3, *others).companions("cup")


def test_the_order_of_a_basket_is_of_no_account():
    others = [["tray"]] * 5
    mixed = learnt(["tea", "cup"], ["cup", "tea"], ["tea", "cup"], *others)
    assert mixed.companions("cup") == learnt(*[["cup", "tea"]] * 3, *others).companions("cup")


def test_an_empty_basket_is_no_order():
    assert learnt([], ["cup"]).orders == 1


def test_of_a_long_list_the_first_are_looked_at():
    long = [f"p{n:03}" for n in range(500)]
    copurchase = learnt(*[long] * 3, *[["tray"]] * 5)
    assert len(copurchase) == BASKET * (BASKET - 1) // 2
    assert len(copurchase.companions("p000")) == BASKET - 1
    assert copurchase.popularity(long[BASKET]) == 0


@given(BASKETS)
def test_with_room_enough_counts_are_exact(baskets):
    copurchase = learnt(*baskets)
    sets = [set(basket) for basket in baskets if basket]
    bought = Counter(product for basket in sets for product in basket)
    together = Counter(pair for basket in sets for pair in combinations(sorted(basket), 2))
    # What goes with one goes with the other.
    expected = {
        (one, other): (count, pytest.approx(count * len(sets) / (bought[one] * bought[other])))
        for pair, count in together.items()
        for one, other in permutations(pair)
        if count >= 3 and count * len(sets) / (bought[one] * bought[other]) > 1.2
    }
    found = {
        (one, other): (support, lift)
        for one in "abcdefgh"
        for other, support, lift, _ in copurchase.companions(one)
    }
    assert found == expected


@given(KEYS, st.integers(1, 8))
def test_a_tally_is_bounded_and_the_truth_lies_between_its_bounds(adds, room):
    tally, truth = Tally(room), Counter()
    for keys in adds:
        tally.add(sorted(keys))
        truth.update(keys)
        assert len(tally) <= room
        for key in range(13):
            assert tally.least(key) <= truth[key] <= tally.most(key)


@given(KEYS, st.integers(1, 8))
def test_a_tally_says_what_it_forgets(adds, room):
    tally, kept = Tally(room), set()
    for keys in adds:
        forgotten = tally.add(sorted(keys))
        kept = (kept | keys) - set(forgotten)
        assert {key for key in range(13) if tally.least(key)} == kept


def test_what_is_often_added_is_not_forgotten_for_what_is_not():
    tally = Tally(10)
    for n in range(1_000):
        tally.add(["often", f"once-{n}"])
    assert tally.least("often") == 1_000


def test_what_comes_into_fashion_late_is_learnt_in_a_full_table():
    tally = Tally(20)
    for n in range(500):
        tally.add([f"once-{n}", f"once-too-{n}", f"early-{n % 4}"])
    for n in range(500, 1_000):
        tally.add([f"once-{n}", f"once-too-{n}", "late"])
    assert tally.least("late") > 490


@given(BASKETS, st.integers(1, 12), st.integers(2, 8))
def test_a_full_memory_is_bounded_and_never_exaggerates(baskets, pairs, products):
    small, whole = learnt(*baskets, pairs=pairs, products=products), learnt(*baskets)
    assert len(small) <= pairs
    assert sum(map(len, small._met.values())) <= 2 * pairs
    for one in "abcdefgh":
        exact = {companion.product_id: companion for companion in whole.companions(one)}
        for companion in small.companions(one):
            assert companion.support <= exact[companion.product_id].support
            assert companion.lift <= exact[companion.product_id].lift + 1e-9


@given(BASKETS)
def test_the_same_orders_teach_the_same(baskets):
    one, other = learnt(*baskets, pairs=6), learnt(*baskets, pairs=6)
    assert [one.companions(x) for x in "abcdefgh"] == [other.companions(x) for x in "abcdefgh"]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """What four days of a wholesaler teach."""
    part = tmp_path_factory.mktemp("retail") / "part.csv"
    with gzip.open(DATA, "rt") as file:
        part.write_text("".join(islice(file, 6_000)))
    sold = [invoice for invoice in retail.read(part) if not invoice.takes_back]
    return learnt(*([line.code for line in one.lines if line.is_product] for one in sold))


@pytest.mark.parametrize(
    ("product", "companion"),
    [
        ("22726", "22727"),  # alarm clock bakelike: green, red
        ("22197", "22198"),  # popcorn holder: small, large
        ("22865", "22866"),  # hand warmer: owl, Scotty dog
        ("22961", "22960"),  # jam making set: printed, with jars
        ("20679", "15056BL"),  # Edwardian parasol: red, black
    ],
)
def test_real_orders_teach_what_belongs_together(real, product, companion):
    assert ids(real.companions(product))[0] == companion
    assert product in ids(real.companions(companion))
