"""What a why-not answers with: what became of a programme's mail, and what would change it."""

from __future__ import annotations

from typing import Literal

import msgspec

from ecrm.condition import Failure, Value
from ecrm.moment import CustomerId, Instant

Outcome = Literal[
    "switched_off",  # the programme is not among the rules
    "elsewhere",  # this life goes on as another one
    "no_trigger",  # nothing that opens the programme was heard
    "not_admitted",  # a trigger came, and something barred the way in
    "left",  # the stay ended before its mail was due
    "withheld",  # the mail was due and was not sent
    "retracted",  # it was taken back while it waited in the queue
    "unsent",  # the queue has ended it: expired, cancelled, suppressed, dead
    "queued",  # it waits in the queue
    "deferred",  # it was put off
    "not_due",  # its time has not come
    "sent",  # it was sent: there is no why-not
]

# What can be changed about a customer, and about the world around one.
Kind = Literal[
    "tell",  # the event `name` happens
    "make",  # the reading `name` is `operator` `value`
    "consent",  # the purpose `name` is granted
    "life",  # the person gives a sign of life
    "address",  # there is an address to write to
    "free",  # the address `name` may be written to again
    "topic",  # the person wants to hear of `name` at once
    "frequency",  # the person wishes for more mails
    "without",  # the mail `name` (of the kind `value`) does not go before; of the stay `about`
    "wait",  # the instant `at` comes
    "sooner",  # it is decided by `at`
    "enable",  # the programme `name` is switched on
    "setting",  # the setting `name` is another one
    "first",  # there was no stay in the programme `name` before
    "unhappened",  # what ended the stay, `name`, does not happen
    "products",  # the catalogue has more that fits
    "delivery",  # the queue gets it through
]


class Change(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    kind: Kind
    name: str = ""
    operator: str = ""
    value: Value = ""
    at: Instant | None = None
    about: str = ""


class Answer(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What became of one mail, or of one trigger. `at` is when that was decided or heard, `until`
    when what waits is due, `failed` the first condition that did not hold with the value it saw;
    `trigger` what began the stay, ended it or would begin one.
    """

    outcome: Outcome
    at: Instant | None = None
    key: str = ""
    step: str = ""
    kind: str = ""
    mail_id: str = ""
    reason: str = ""
    detail: str = ""
    trigger: str = ""
    until: Instant | None = None
    failed: Failure | None = None


class WhyNot(msgspec.Struct, frozen=True):
    """`changes` together are the smallest that would have sent the mail; where they could be tried
    on a fork of the life (`tried`), the mail then goes at `goes_at`. `story` is all that became of
    the programme's mails and triggers, oldest first.
    """

    customer: CustomerId
    programme: str
    at: Instant
    zone: str
    answer: Answer
    changes: tuple[Change, ...] = ()
    tried: bool = False
    goes_at: Instant | None = None
    story: tuple[Answer, ...] = ()
