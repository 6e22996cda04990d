"""The catalogue: what goes with what, and what is never proposed to whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.catalogue import ANCHORS, EMPTY, Catalogue, Product, Shelf, Taste, chosen, product_of
from ecrm.mail import Proposal
from proto import events

RELATIONS = ("complements", "services", "same_creator", "series", "affinity", "bought_with")


def product(product_id, **told):
    return Product(product_id, **{"name": product_id.title(), "price": 1_000, **told})


def stocked(*products):
    catalogue = Catalogue()
    for one in products:
        catalogue.put(one)
    return catalogue


def taste(*recent, had=(), cart=(), disliked=()):
    return Taste(frozenset(had), frozenset(cart), frozenset(disliked), recent)


def ids(proposals):
    return [proposal.product_id for proposal in proposals]


def reasons(proposals):
    return [(proposal.product_id, proposal.because) for proposal in proposals]


PHONE = product("phone", complements=("case", "film"), services=("warranty",))
PHONES = stocked(
    PHONE,
    product("case", price=1_990, currency="EUR", url="https://shop.example/case"),
    product("film"),
    product("warranty"),
)


# The product.


def test_a_product_is_what_was_told_of_it():
    told = events.ProductUpserted(
        product_id="fifa-26", name="FIFA 26", category="games", variant="PS5", price=59.99,
        currency="EUR", url="https://shop.example/f", image_url="https://shop.example/f.jpg",
        complements=("pad",), services=("care",), creator_id="ea", series_id="fifa", edition=26,
        purchase_kind="impulse", recurring=True, cycle_days=365,
        affinity_categories=("sport",), in_stock=False,
    )  # fmt: skip
    assert product_of(told, "GBP") == Product(
        product_id="fifa-26", name="FIFA 26", category="games", variant="PS5", price=5_999,
        currency="EUR", url="https://shop.example/f", image_url="https://shop.example/f.jpg",
        complements=("pad",), services=("care",), creator_id="ea", series_id="fifa", edition="26",
        purchase_kind="impulse", recurring=True, cycle_days=365,
        affinity_categories=("sport",), in_stock=False,
    )  # fmt: skip


def test_of_a_product_that_nothing_was_told_of_little_is_known():
    assert product_of(events.ProductUpserted(product_id="cup"), "EUR") == Product(
        "cup", currency="EUR"
    )


@pytest.mark.parametrize(
    ("price", "currency", "minor"), [(12.5, None, 1_250), (900, "JPY", 900), (-3.0, None, 0)]
)
def test_a_price_is_in_minor_units_of_its_currency(price, currency, minor):
    told = events.ProductUpserted(product_id="cup", price=price, currency=currency)
    assert product_of(told, "EUR").price == minor


# Relations.


def test_what_is_declared_is_proposed_in_the_shops_order_and_says_why():
    assert PHONES.proposals("complements", taste("phone")) == (
        Proposal(
            "case", "complements", because="Phone", name="Case", price=1_990, currency="EUR",
            url="https://shop.example/case",
        ),
        Proposal("film", "complements", because="Phone", name="Film", price=1_000),
    )  # fmt: skip
    assert reasons(PHONES.proposals("services", taste("phone"))) == [("warranty", "Phone")]


def test_each_line_of_an_order_gets_its_best_before_any_gets_its_second():
    catalogue = stocked(
        PHONE,
        product("tea", complements=("pot", "cup")),
        *map(product, ("case", "film", "pot", "cup")),
    )
    found = catalogue.proposals("complements", taste("tea", "phone"))
    assert reasons(found) == [("pot", "Tea"), ("case", "Phone"), ("cup", "Tea"), ("film", "Phone")]
    assert ids(catalogue.proposals("complements", taste("tea", "phone"), most=3)) == [
        "pot", "case", "cup",
    ]  # fmt: skip


def test_a_product_that_goes_with_two_is_proposed_once():
    catalogue = stocked(
        product("a", complements=("bag", "hat")), product("b", complements=("bag",)),
        product("bag"), product("hat"),
    )  # fmt: skip
    assert reasons(catalogue.proposals("complements", taste("b", "a"))) == [
        ("bag", "B"), ("hat", "A"),
    ]  # fmt: skip


def test_other_works_of_the_same_hand_are_proposed():
    catalogue = stocked(
        product("emma", creator_id="austen"), product("persuasion", creator_id="austen"),
        product("walden", creator_id="thoreau"), product("pen"), product("ink"),
    )  # fmt: skip
    assert reasons(catalogue.proposals("same_creator", taste("emma"))) == [("persuasion", "Emma")]
    assert catalogue.proposals("same_creator", taste("pen")) == ()


def test_a_hand_is_known_from_whatever_was_ever_bought():
    catalogue = stocked(
        product("emma", creator_id="austen"), product("persuasion", creator_id="austen"),
        product("walden", creator_id="thoreau"), product("maine", creator_id="thoreau"),
    )  # fmt: skip
    found = catalogue.proposals("same_creator", taste("walden", had=("emma", "walden")))
    assert reasons(found) == [("maine", "Walden"), ("persuasion", "Emma")]


@pytest.mark.parametrize("relation", ["same_creator", "complements"])
def test_so_many_purchases_have_a_say(relation):
    works = [
        product(f"{kind}{n:02}", creator_id=f"hand-{n}", complements=(f"b{n:02}",))
        for n in range(30)
        for kind in "ab"
    ]
    bought = [f"a{n:02}" for n in range(30)]
    found = stocked(*works).proposals(relation, taste(*bought), most=99)
    assert ids(found) == [f"b{n:02}" for n in range(ANCHORS)]


def series(*editions, name="fifa"):
    return [product(f"{name}-{edition}", series_id=name, edition=edition) for edition in editions]


def test_the_newest_edition_is_proposed_for_the_newest_that_was_had():
    catalogue = stocked(*series("22", "23", "24", "25"))
    had = taste(had=("fifa-22", "fifa-23"))
    assert reasons(catalogue.proposals("series", had)) == [("fifa-25", "Fifa-23")]


def test_the_newest_edition_is_the_newest_in_stock():
    gone = product("fifa-25", series_id="fifa", edition="25", in_stock=False)
    catalogue = stocked(*series("23", "24"), gone)
    assert ids(catalogue.proposals("series", taste("fifa-23"))) == ["fifa-24"]


def test_an_older_edition_is_not_proposed_by_any_relation():
    catalogue = stocked(
        *(
            product(
                f"fifa-{edition}",
                series_id="fifa",
                edition=edition,
                creator_id="ea",
                category="games",
            )
            for edition in ("23", "24", "25")
        ),
        product("sims", creator_id="ea", category="games"),
    )
    owner = taste("fifa-24")
    assert ids(catalogue.proposals("series", owner)) == ["fifa-25"]
    assert ids(catalogue.proposals("same_creator", owner)) == ["fifa-25", "sims"]
    assert ids(catalogue.proposals("affinity", owner)) == ["fifa-25", "sims"]


def test_who_has_the_newest_edition_is_proposed_none():
    catalogue = stocked(*series("24", "25"))
    assert catalogue.proposals("series", taste("fifa-25", had=("fifa-24", "fifa-25"))) == ()


def test_what_has_the_same_edition_is_no_later_one():
    same = product("fifa-25-pc", series_id="fifa", edition="25")
    assert stocked(*series("25"), same).proposals("series", taste("fifa-25")) == ()


def test_a_series_of_which_nothing_was_had_is_not_proposed():
    catalogue = stocked(product("pen"), *series("1", "2"))
    assert catalogue.proposals("series", taste("pen")) == ()


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("9", "10"),
        ("1.25", "1.5"),
        ("-1", "0"),
        ("2026", "2027"),
        ("spring", "Summer"),
        ("Season 9", "season 10"),
        ("9b", "10a"),
        ("10", "ten"),
        ("", "1"),
        (" 3", "4 "),
    ],
)
def test_editions_are_ordered_as_people_count(earlier, later):
    catalogue = stocked(
        product("old", series_id="s", edition=earlier), product("new", series_id="s", edition=later)
    )
    assert catalogue.earlier_editions("new") == ("old",)
    assert catalogue.earlier_editions("old") == ()


def test_earlier_editions_are_told_newest_first():
    catalogue = stocked(*series("10", "8", "9", "11"), *series("1", name="other"), product("pen"))
    assert catalogue.earlier_editions("fifa-10") == ("fifa-9", "fifa-8")
    assert catalogue.earlier_editions("pen") == catalogue.earlier_editions("unknown") == ()


def test_a_release_may_say_what_the_catalogue_was_not_told():
    catalogue = stocked(*series("24", "25"), product("new"), product("fifa-26", series_id="fifa"))
    assert catalogue.earlier_editions("new", "fifa", "26") == ("fifa-25", "fifa-24", "fifa-26")
    assert catalogue.earlier_editions("fifa-26", edition="26") == ("fifa-25", "fifa-24")
    assert catalogue.earlier_editions("unknown", "fifa", "25") == ("fifa-24", "fifa-26")


def test_who_bought_garden_furniture_has_a_garden():
    catalogue = stocked(
        product("bench", category="furniture", affinity_categories=("Garden ", "tools")),
        product("mower", category="garden"), product("spade", category="TOOLS"),
        product("sofa", category="furniture"), product("lost"),
    )  # fmt: skip
    found = catalogue.proposals("affinity", taste("bench"))
    assert reasons(found) == [("mower", "Bench"), ("spade", "Bench")]


def test_without_declared_affinity_the_category_is_its_own():
    catalogue = stocked(
        product("cup", category="tea"), product("pot", category="tea"), product("a"), product("b")
    )
    assert ids(catalogue.proposals("affinity", taste("cup"))) == ["pot"]
    assert catalogue.proposals("affinity", taste("a")) == ()


def test_of_a_category_what_is_bought_with_it_comes_first_then_what_is_bought_most():
    catalogue = stocked(
        *(product(one, category="tea") for one in ("cup", "a", "b", "often", "bound"))
    )
    catalogue.relearn([["cup", "bound"]] * 3 + [["often"]] * 9)
    assert ids(catalogue.proposals("affinity", taste("cup"))) == ["bound", "often", "a", "b"]
    assert ids(catalogue.proposals("affinity", taste("cup"), most=2)) == ["bound", "often"]


def test_what_others_bought_with_it_is_proposed():
    catalogue = stocked(product("cup"), product("tea"), product("tray"))
    for basket in [["cup", "tea"]] * 3 + [["tray"]] * 5:
        catalogue.learn(basket)
    assert reasons(catalogue.proposals("bought_with", taste("cup"))) == [("tea", "Cup")]


def test_what_was_learnt_can_be_forgotten_and_learnt_anew():
    catalogue = stocked(product("cup"), product("tea"), product("tray"))
    catalogue.relearn([["cup", "tea"]] * 3 + [["tray"]] * 5)
    catalogue.relearn([["cup", "tray"]] * 3 + [["tea"]] * 5)
    assert ids(catalogue.proposals("bought_with", taste("cup"))) == ["tray"]


# What is never proposed.


@pytest.mark.parametrize(
    "who",
    [
        taste("phone", had=("phone", "case")),
        taste("phone", cart=("case",)),
        taste("phone", disliked=("case",)),
        taste("phone", "case"),
    ],
    ids=["had", "in the cart", "disliked", "bought now"],
)
def test_what_somebody_has_is_not_proposed_to_them(who):
    assert ids(PHONES.proposals("complements", who)) == ["film"]


@pytest.mark.parametrize("told", [{"in_stock": False}, {"price": 0}, {"name": ""}])
def test_what_cannot_be_sold_or_shown_is_not_proposed(told):
    catalogue = stocked(PHONE, product("case", **told), product("film"))
    assert ids(catalogue.proposals("complements", taste("phone"))) == ["film"]


def test_what_nobody_told_of_is_not_proposed():
    assert stocked(PHONE).proposals("complements", taste("phone")) == ()
    assert PHONES.proposals("complements", taste("unknown")) == ()


@pytest.mark.parametrize("shared", [{"series_id": "s", "edition": "2"}, {"creator_id": "c"}])
def test_of_a_disliked_series_or_hand_nothing_is_proposed_by_any_relation(shared):
    catalogue = stocked(
        product("bad", **{**shared, "edition": "1"}),
        product("next", category="games", **shared),
        product("pad", category="games", complements=("next",)),
        product("other", **{**shared, "edition": "1"}),
    )
    catalogue.relearn([["pad", "next"]] * 3 + [["other"]] * 5)
    fond = taste("pad", "other", had=("bad",))
    assert {relation for relation in RELATIONS if catalogue.proposals(relation, fond)} >= {
        "complements", "affinity", "bought_with", "series" if "series_id" in shared else "same_creator",
    }  # fmt: skip
    hurt = taste("pad", "other", had=("bad",), disliked=("bad",))
    assert [catalogue.proposals(relation, hurt) for relation in RELATIONS] == [()] * 6


def test_a_disliked_product_is_no_reason_to_propose_another():
    assert PHONES.proposals("complements", taste("phone", disliked=("phone",))) == ()


def test_a_product_told_again_goes_with_what_it_is_now():
    catalogue = stocked(
        product("emma", creator_id="austen", category="novel"),
        product("sequel", creator_id="austen", category="novel"),
    )
    catalogue.put(product("sequel", creator_id="barron", category="crime"))
    assert catalogue.proposals("same_creator", taste("emma")) == ()
    assert catalogue.proposals("affinity", taste("emma")) == ()
    assert catalogue.get("sequel").creator_id == "barron"
    assert len(catalogue) == 2


# The shelf, and the choice from it.


def test_a_shelf_holds_what_is_spoken_of_and_what_there_is_to_propose():
    shelf = PHONES.shelf(taste("phone"), ("services", "series"), mentioned=("film", "unknown"))
    assert shelf.known == {"film": PHONES.get("film"), "phone": PHONE}
    assert {relation: ids(some) for relation, some in shelf.proposals.items()} == {
        "services": ["warranty"]
    }


def test_from_an_empty_shelf_nothing_is_chosen():
    assert Catalogue().shelf(taste("phone"), RELATIONS) == EMPTY
    assert chosen(EMPTY, RELATIONS, taste("phone"), 3) == ()


def shelf(**proposals):
    return Shelf(proposals={
        relation: tuple(Proposal(one, relation) for one in some) for relation, some in proposals.items()
    })  # fmt: skip


FULL = shelf(complements=("case", "film", "cable"), services=("warranty", "case"))


def test_an_accessory_does_not_crowd_out_the_warranty():
    picked = chosen(FULL, ("complements", "services"), taste(), 3)
    assert [(one.product_id, one.relation) for one in picked] == [
        ("case", "complements"), ("warranty", "services"), ("film", "complements"),
    ]  # fmt: skip


def test_the_preferred_relation_has_the_first_word():
    assert ids(chosen(FULL, ("complements", "services"), taste(), 1)) == ["case"]
    assert ids(chosen(FULL, ("services", "complements"), taste(), 1)) == ["warranty"]
    assert ids(chosen(FULL, ("services",), taste(), 9)) == ["warranty", "case"]


def test_the_places_of_a_relation_that_has_nothing_are_anothers():
    picked = chosen(FULL, ("series", "complements"), taste(), 3)
    assert ids(picked) == ["case", "film", "cable"]


@pytest.mark.parametrize(
    "since", [{"had": ("case",)}, {"cart": ("case",)}, {"disliked": ("case",)}]
)
def test_what_somebody_has_come_to_have_since_is_not_chosen(since):
    assert ids(chosen(FULL, ("complements", "services"), taste(**since), 9)) == [
        "film", "warranty", "cable",
    ]  # fmt: skip


# Laws.

NAMES = st.sampled_from("abcdef")
PRODUCTS = st.builds(
    Product,
    product_id=NAMES,
    name=st.sampled_from(["", "x", "y"]),
    price=st.sampled_from([0, 100]),
    category=st.sampled_from(["", "c", "d"]),
    complements=st.lists(NAMES, max_size=3).map(tuple),
    services=st.lists(NAMES, max_size=3).map(tuple),
    creator_id=st.sampled_from(["", "m", "n"]),
    series_id=st.sampled_from(["", "s", "t"]),
    edition=st.sampled_from(["", "1", "2", "one"]),
    affinity_categories=st.lists(st.sampled_from(["c", "d"]), max_size=2).map(tuple),
    in_stock=st.booleans(),
)
SETS = st.frozensets(NAMES, max_size=2)
TASTES = st.builds(
    Taste, had=SETS, cart=SETS, disliked=SETS, recent=st.lists(NAMES, max_size=3).map(tuple)
)
BASKETS = st.lists(st.lists(NAMES, max_size=4), max_size=8)


@given(st.lists(PRODUCTS, max_size=6), BASKETS, TASTES, st.integers(0, 5))
def test_whatever_is_proposed_may_be(products, baskets, who, most):
    catalogue = stocked(*products)
    catalogue.relearn(baskets * 3)
    known = [one for name in who.disliked if (one := catalogue.get(name))]
    for relation in RELATIONS:
        proposals = catalogue.proposals(relation, who, most)
        assert len(proposals) == len(set(ids(proposals))) <= most
        for proposal in proposals:
            one = catalogue.get(proposal.product_id)
            assert one.in_stock
            assert proposal.relation == relation
            assert (proposal.name, proposal.price) == (one.name, one.price)
            assert one.price
            assert one.name
            assert one.product_id not in who.had | who.cart | who.disliked | set(who.recent)
            assert one.series_id not in {bad.series_id for bad in known} - {""}
            assert one.creator_id not in {bad.creator_id for bad in known} - {""}


@given(st.lists(PRODUCTS, max_size=6), BASKETS, TASTES)
def test_proposals_do_not_depend_on_the_order_in_which_products_were_told(products, baskets, who):
    last = {one.product_id: one for one in products}
    told, sorted_, reverse = stocked(*products), Catalogue(), Catalogue()
    for name in sorted(last):
        sorted_.put(last[name])
    for name in sorted(last, reverse=True):
        reverse.put(last[name])
    for catalogue in (told, sorted_, reverse):
        catalogue.relearn(baskets * 3)
    assert told.shelf(who, RELATIONS) == sorted_.shelf(who, RELATIONS)
    assert told.shelf(who, RELATIONS) == reverse.shelf(who, RELATIONS)
