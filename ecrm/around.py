"""What a turn is given to know of the shop around the customer.

A turn is pure: what it needs beside rules, state and message comes in as this value, put together
by the turn loop before it from the catalogue, the ledger and the nightly job. Equal values
make equal turns.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ecrm import rfm
from ecrm.catalogue import EMPTY, Shelf


class Around(msgspec.Struct, frozen=True):
    """`shelf` has the products that are spoken of and proposals for what begins now; `shelves` have
    those for each stay that is due, by its key; `spent` is what the coupons of each programme have
    cost this month, in minor units of the shop's currency; `cuts` the cut points that RFM scores
    are given by.
    """

    shelf: Shelf = EMPTY
    shelves: Mapping[str, Shelf] = {}
    spent: Mapping[str, int] = {}
    cuts: rfm.Cuts = rfm.FIXED


NOTHING = Around()
