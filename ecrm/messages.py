"""What a customer can be told: an accepted event, or a word from inside the house."""

from __future__ import annotations

from typing import Literal

import msgspec

from ecrm.delivery.bounces.verdict import Verdict
from ecrm.matters import Campaign, Release
from ecrm.moment import CustomerId, Instant
from ecrm.state import Cart, Consent, Enrolment, Order, State
from proto import events, record
from proto.envelope import Message, Traits


class Tick(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The alarm rang. It carries nothing: the customer looks at the clock (law 5)."""


class Report(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What became of a mail: a terminal state of `delivery.md` §1.2 and the reply; `bounce` is what
    a refusal says about the recipient: hard, soft, block or nothing; `address` is then whose.
    """

    mail_id: str
    outcome: str
    response: str = ""
    bounce: str = ""
    address: str = ""


class Returned(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What came back of a mail after it was handed over, by the door `source`. `address` is where
    the mail went; `marketing` where it was advertising, which goes to nobody but the customer.
    """

    mail_id: str
    address: str
    verdict: Verdict
    reason: str
    response: str = ""
    source: str = ""
    kind: str = ""
    programme: str = ""
    marketing: bool = False
    proved: bool = True


class Free(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An operator says: this address may be written to again."""

    address: str
    why: str = ""


class Bind(msgspec.Struct, frozen=True, gc=False, tag=True):
    """To a visitor, or to a person under an older id: you are this person."""

    to: CustomerId


class Inherit(msgspec.Struct, frozen=True, gc=False, tag=True):
    """To a person: this life is yours. `legacy` is that life as it stood; words from before it was
    handed on whole have the other fields instead.
    """

    origin: CustomerId
    cart: Cart | None = None
    consents: dict[str, Consent] = {}
    orders: dict[str, Order] = {}
    stays: dict[str, Enrolment] = {}
    legacy: State | None = None


class Seen(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What a recipient did with a mail, by its picture or its links; `human` where it was no
    machine (delivery §5.2). The others say which mail it was, and when it was decided on.
    """

    mail_id: str
    deed: Literal["opened", "clicked"]
    human: bool
    programme: str = ""
    step: str = ""
    decided_at: Instant = Instant(0)


class Announce(msgspec.Struct, frozen=True, gc=False, tag=True):
    """To many: a product was released, a campaign was launched. Each decides for itself."""

    broadcast_id: str
    matter: Release | Campaign


class SentBack(msgspec.Struct, frozen=True, gc=False, tag=True, tag_field="$event"):
    """Pieces of products came back, and nobody said of which order."""

    pieces: dict[str, int]


Deed = (
    Traits
    | SentBack
    | events.SignedUp
    | events.ConsentUpdated
    | events.OrderCompleted
    | events.OrderPaid
    | events.OrderFulfilled
    | events.OrderDelivered
    | events.OrderCancelled
    | events.OrderRefunded
)


class Past(msgspec.Struct, frozen=True, gc=False):
    """What happened at an instant of the past; 0 where nobody knows when, of traits, an account or
    a consent.
    """

    at: Instant
    deed: Deed


class History(msgspec.Struct, frozen=True, gc=False, tag=True):
    """To a person: what the shop knew before, in its order; `source` is where it was written. It is
    remembered, and nobody is written to about it.
    """

    source: str
    past: tuple[Past, ...]


Inward = Tick | Report | Returned | Free | Bind | Inherit | Seen | Announce | History
Incoming = Message | Inward


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Inward] = msgspec.msgpack.Decoder(Inward)


def encode(message: Incoming) -> bytes:
    """The message as the journal keeps it: without its secrets (mission §9.11)."""
    if isinstance(message, Message):
        return record.written(message)
    return _encoder.encode(message)


def decode(data: bytes) -> Inward:
    """Read a word from inside. Raises msgspec.MsgspecError on anything else."""
    return _decoder.decode(data)
