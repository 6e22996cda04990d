"""The catalogue: the shop's products, and what goes with what a person has bought.

Relations (R26-R28, R32, R33, R35), each between a product and an anchor of the person's life:

- complements, services: declared on the anchor; in the shop's own order.
- same_creator: by the anchor's creator.
- series: the newest edition in stock, of a series of which the person had an earlier one.
- affinity: of the categories the anchor declares, else of its own category.
- bought_with: learnt from orders (`ecrm/copurchase.py`).

Rules of every proposal (R29):

- It has a name and a price and is in stock; it is nothing the person had, has in the cart, or
  disliked, nor what the mail is for.
- Of a series only what is later than every edition the person had: of something new each year
  nobody wants last year's (R35).
- Where an edition was disliked its series is not proposed (R36), where a product was disliked
  nothing of its creator, by any relation; and a disliked product is no reason to propose another.
- Equal inputs give equal proposals in equal order: ties end at the product id.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from heapq import nsmallest
from itertools import chain, islice
from typing import Final, Literal, assert_never

import msgspec

from ecrm import money
from ecrm.copurchase import Copurchase
from ecrm.mail import Proposal, Relation
from proto import events

# So many purchases have a say; of what lies further back nobody wonders what would go with it, and
# it bounds the work of a turn.
ANCHORS: Final = 20

# Of these all that are related are as good as each other, until they are ranked.
_UNORDERED: Final = ("same_creator", "affinity")

# What `proposals` finds where nothing else is said: more than a mail shows, as some will be cut.
ENOUGH: Final = 8


class Product(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A product as it is known; `price` is in minor units of `currency`, 0 where nobody said it."""

    product_id: str
    name: str = ""
    category: str = ""
    variant: str = ""
    price: int = 0
    currency: str = ""
    url: str = ""
    image_url: str = ""
    complements: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    creator_id: str = ""
    series_id: str = ""
    edition: str = ""
    purchase_kind: Literal["", "impulse", "considered"] = ""
    recurring: bool = False
    cycle_days: int = 0
    affinity_categories: tuple[str, ...] = ()
    in_stock: bool = True


def product_of(event: events.ProductUpserted, currency: str) -> Product:
    """The product an event tells of; `currency` is the shop's, for a price without one.

    A price below 0 is none.
    """
    own = event.currency or currency
    return Product(
        product_id=event.product_id,
        name=event.name or "",
        category=event.category or "",
        variant=event.variant or "",
        price=max(0, money.bounded(money.minor_units(event.price or 0, own))),
        currency=own,
        url=event.url or "",
        image_url=event.image_url or "",
        complements=event.complements,
        services=event.services,
        creator_id=event.creator_id or "",
        series_id=event.series_id or "",
        edition="" if event.edition is None else str(event.edition),
        purchase_kind=event.purchase_kind or "",
        recurring=event.recurring or False,
        cycle_days=event.cycle_days or 0,
        affinity_categories=event.affinity_categories,
        in_stock=event.in_stock is not False,
    )


class Taste(msgspec.Struct, frozen=True, gc=False):
    """What of a person's life rules proposals, as product ids.

    `had` is everything ever bought, returned or not; `disliked` was rated 2 or less; `recent` is
    what proposals are for, the most recent first: an order's lines, else the last purchases.
    """

    had: frozenset[str] = frozenset()
    cart: frozenset[str] = frozenset()
    disliked: frozenset[str] = frozenset()
    recent: tuple[str, ...] = ()

    @property
    def owned(self) -> frozenset[str]:
        return self.had.union(self.recent)

    @property
    def barred(self) -> frozenset[str]:
        """What is not proposed to this person, whatever it goes with."""
        return self.owned | self.cart | self.disliked


class Shelf(msgspec.Struct, frozen=True, gc=False):
    """What a turn is given of the catalogue: the products that are spoken of, and proposals by
    relation, best first.
    """

    known: Mapping[str, Product] = {}
    proposals: Mapping[Relation, tuple[Proposal, ...]] = {}


EMPTY: Final = Shelf()


def chosen(
    shelf: Shelf, relations: Sequence[Relation], taste: Taste, most: int
) -> tuple[Proposal, ...]:
    """The proposals that a mail shows: the best of each relation in turn, the preferred first, then
    the second best of each, so that an accessory does not crowd out the warranty (R27).

    What the person has come to have since the shelf was filled is left out.
    """
    lists = [shelf.proposals.get(relation, ()) for relation in relations]
    return tuple(islice(_distinct(lists, taste.barred), most))


class _Index:
    """Which products share a creator, a series or a category."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}

    def put(self, key: str, product_id: str) -> None:
        if key:
            self._ids.setdefault(key, set()).add(product_id)

    def drop(self, key: str, product_id: str) -> None:
        ids = self._ids.get(key, set())
        ids.discard(product_id)
        if not ids:
            self._ids.pop(key, None)

    def ids(self, key: str) -> Collection[str]:
        """In no order; nothing shares an empty key."""
        return self._ids.get(key, ())


class _Limits(msgspec.Struct, frozen=True, gc=False):
    """What is not proposed to a person: `newest` is the newest edition they had of each series."""

    products: frozenset[str]
    series: frozenset[str]
    creators: frozenset[str]
    newest: Mapping[str, _Edition]

    def allow(self, product: Product) -> bool:
        newest = self.newest.get(product.series_id)
        return (
            product.in_stock
            and product.price > 0
            and product.name != ""
            and product.product_id not in self.products
            and product.series_id not in self.series
            and product.creator_id not in self.creators
            and (newest is None or _edition(product.edition) > newest)
        )


class Catalogue:
    """The shop's products in memory."""

    def __init__(self) -> None:
        self._products: dict[str, Product] = {}
        self._creators, self._series, self._categories = _Index(), _Index(), _Index()
        self._bought = Copurchase()

    def __len__(self) -> int:
        return len(self._products)

    def get(self, product_id: str) -> Product | None:
        return self._products.get(product_id)

    def put(self, product: Product) -> None:
        """Take in a product in place of what was known of it."""
        before = self._products.get(product.product_id)
        if before is not None:
            for index, key in self._keys(before):
                index.drop(key, before.product_id)
        self._products[product.product_id] = product
        for index, key in self._keys(product):
            index.put(key, product.product_id)

    def learn(self, basket: Sequence[str]) -> None:
        """Take in the product ids of one order; the caller tells each order once."""
        self._bought.learn(basket)

    def relearn(self, baskets: Iterable[Sequence[str]]) -> None:
        """Forget all orders, and learn these."""
        self._bought = Copurchase()
        for basket in baskets:
            self._bought.learn(basket)

    def proposals(
        self, relation: Relation, taste: Taste, most: int = ENOUGH
    ) -> tuple[Proposal, ...]:
        """What this relation has for a person: the best of each anchor, the most recent first, then
        the second best of each, and so on.

        Affinity costs a look at every product of its categories; the others cost next to nothing.
        """
        limits = self._limits(taste)
        lists: list[list[Proposal]] = []
        for anchor in self._anchors(relation, taste, limits):
            if len(lists) == ANCHORS:
                break
            found = filter(limits.allow, self._known(self._related(relation, anchor)))
            best = found if relation not in _UNORDERED else self._ranked(found, anchor, most)
            wanted = 1 if relation == "series" else most
            proposals = [_proposal(one, relation, anchor) for one in islice(best, wanted)]
            lists += [proposals] if proposals else []
        return tuple(islice(_distinct(lists, taste.barred), most))

    def shelf(
        self, taste: Taste, relations: Collection[Relation], mentioned: Iterable[str] = ()
    ) -> Shelf:
        """What a turn needs: these relations' proposals, and what is known of the products that are
        mentioned and of `taste.recent`.
        """
        spoken = dict.fromkeys(chain(mentioned, taste.recent))
        known = {one: product for one in spoken if (product := self._products.get(one))}
        found = {relation: self.proposals(relation, taste) for relation in relations}
        return Shelf(known, {relation: some for relation, some in found.items() if some})

    def earlier_editions(
        self, product_id: str, series_id: str = "", edition: str = ""
    ) -> tuple[str, ...]:
        """The products of its series that came before it, the newest of them first (R35); what a
        release says of `series_id` and `edition` counts before what is known.

        A product without an edition is its series' first.
        """
        known = self._products.get(product_id, Product(product_id))
        own = _edition(edition or known.edition)
        found = self._editions(series_id or known.series_id)
        return tuple(
            one.product_id
            for one in found
            if _edition(one.edition) < own and one.product_id != product_id
        )

    def _keys(self, product: Product) -> Iterator[tuple[_Index, str]]:
        yield self._creators, product.creator_id
        yield self._series, product.series_id
        yield self._categories, _folded(product.category)

    def _known(self, product_ids: Iterable[str]) -> Iterator[Product]:
        for product_id in product_ids:
            product = self._products.get(product_id)
            if product is not None:
                yield product

    def _limits(self, taste: Taste) -> _Limits:
        disliked = list(self._known(taste.disliked))
        newest: dict[str, _Edition] = {}
        for product in self._known(taste.owned):
            if product.series_id:
                edition = _edition(product.edition)
                newest[product.series_id] = max(newest.get(product.series_id, edition), edition)
        return _Limits(
            products=taste.barred,
            series=frozenset(product.series_id for product in disliked) - {""},
            creators=frozenset(product.creator_id for product in disliked) - {""},
            newest=newest,
        )

    def _anchors(self, relation: Relation, taste: Taste, limits: _Limits) -> Iterator[Product]:
        """What proposals are for. Of a series and a creator anything the person had counts, not
        only what is recent: one product speaks for its creator, the newest for its series.
        """
        ids: Iterable[str] = taste.recent[:ANCHORS]
        if relation in ("series", "same_creator"):
            ids = dict.fromkeys(chain(taste.recent, sorted(taste.had)))
        creators: set[str] = set()
        for product in self._known(ids):
            if product.product_id in taste.disliked:
                continue
            if relation == "series" and _edition(product.edition) != limits.newest.get(
                product.series_id
            ):
                continue
            if relation == "same_creator" and product.creator_id in creators:
                continue
            creators.add(product.creator_id)
            yield product

    def _related(self, relation: Relation, anchor: Product) -> Iterable[str]:
        """The ids of what goes with an anchor, best first unless the relation is `_UNORDERED`."""
        match relation:
            case "complements":
                return anchor.complements
            case "services":
                return anchor.services
            case "same_creator":
                return self._creators.ids(anchor.creator_id)
            case "series":
                return (one.product_id for one in self._editions(anchor.series_id))
            case "affinity":
                categories = anchor.affinity_categories or (anchor.category,)
                return {one for name in categories for one in self._categories.ids(_folded(name))}
            case "bought_with":
                return (one.product_id for one in self._bought.companions(anchor.product_id))
            case _:
                assert_never(relation)

    def _ranked(self, products: Iterable[Product], anchor: Product, most: int) -> Iterable[Product]:
        """The most strongly bought with the anchor, then those bought most often, then by id."""
        bonds = {one.product_id: one.strength for one in self._bought.companions(anchor.product_id)}

        def rank(product: Product) -> tuple[float, int, str]:
            product_id = product.product_id
            return -bonds.get(product_id, 0.0), -self._bought.popularity(product_id), product_id

        return nsmallest(most, products, key=rank)

    def _editions(self, series_id: str) -> Sequence[Product]:
        """All products of a series, the newest first."""
        found = sorted(self._known(self._series.ids(series_id)), key=lambda one: one.product_id)
        return sorted(found, key=lambda one: _edition(one.edition), reverse=True)


# Numbers and words of an edition, in turn; a number comes before a word.
_PART: Final = re.compile(r"([0-9]+)|[^0-9]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


_Edition = tuple[tuple[bool, Decimal, str], ...]


def _edition(told: str) -> _Edition:
    """The order of editions: as numbers where they are, else word by word and number by number, so
    that "Season 9" comes before "Season 10". One that is empty comes before all.
    """
    told = told.strip()
    if _NUMBER.fullmatch(told):
        return ((False, Decimal(told), ""),)
    return tuple(
        (False, Decimal(part[0]), "") if part[1] else (True, Decimal(0), part[0].casefold())
        for part in _PART.finditer(told)
    )


def _folded(category: str) -> str:
    """A category is the same however it is written: people type them twice."""
    return category.strip().casefold()


def _proposal(product: Product, relation: Relation, anchor: Product) -> Proposal:
    return Proposal(
        product_id=product.product_id,
        relation=relation,
        because=anchor.name,
        name=product.name,
        price=product.price,
        currency=product.currency,
        url=product.url,
        image_url=product.image_url,
    )


def _distinct(lists: Iterable[Iterable[Proposal]], barred: frozenset[str]) -> Iterator[Proposal]:
    """One of each list in turn, its first that is neither barred nor had its turn, until there is
    none.
    """
    seen = set(barred)
    left = [iter(proposals) for proposals in lists]
    while left:
        for proposals in tuple(left):
            found = next((one for one in proposals if one.product_id not in seen), None)
            if found is None:
                left.remove(proposals)
            else:
                seen.add(found.product_id)
                yield found
