"""What an answer of the postal world means: the table of `delivery.md` §1.4, read top to bottom.

The first row that fits decides. What keeps customers from being lost, and us from being silent:

- a number is not enough: "5.x.x" is no dead mailbox about half the time, so the words count too;
- a block is about us, never about the recipient: it suppresses nobody, and neither does a refusal
  that nobody understands;
- what is no mail's fault (a server that is down, our own credentials) costs no mail an attempt;
- a server that checks the sender or the client late says so at RCPT: that is not the recipient
  either. Addresses are taken out before the words are read: `nospam@…` is no accusation.

The table is total: any stage, code and text has a decision.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from ecrm.mail import Lane
from ecrm.moment import HOUR, MINUTE, SECOND, Duration

# How far a mail came. `address`, `message`: not sendable, found before any byte was sent; `tls`: a
# handshake; `dot`: all was written, the end of the message too; `http`: a request to a mail API;
# empty: it was not tried.
Stage = Literal[
    "", "address", "message", "connect", "banner", "ehlo", "starttls", "tls", "auth",
    "mail", "rcpt", "data", "dot", "http",
]  # fmt: skip

# `retry`: this mail, later. `back_off`: nothing for this destination for a while, this mail goes
# back. `slow`: this destination, more slowly, this mail goes back. `breaker`: the transport refuses
# *us*, all mails go back. `dead`: this mail never.
Action = Literal["accepted", "retry", "back_off", "slow", "breaker", "dead", "in_doubt"]

# What a refusal says about the recipient; empty: nothing.
Bounce = Literal["", "hard", "soft", "block"]


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What to do, and `why` in the words of the table.

    `waits`: when to try again (milliseconds), one an attempt, the last one repeated; empty: the
    pattern of the lane. `tries`: after so many attempts it is dead; 0: the lane's own patience.
    `burns`: it counts as an attempt. A `hard` bounce suppresses its recipient everywhere.
    """

    action: Action
    why: str
    waits: tuple[Duration, ...] = ()
    tries: int = 0
    burns: bool = False
    bounce: Bounce = ""
    alarm: bool = False

    @property
    def suppresses(self) -> bool:
        return self.bounce == "hard"


def decide(stage: Stage, code: int, enhanced: str, text: str, lane: Lane) -> Decision:
    """What to do about a mail of `lane` that ended at `stage` with this answer.

    `code` is the SMTP reply's, or the HTTP status at stage `http`; 0 where nothing was answered.
    `enhanced` is RFC 3463's, or empty. An accepted mail is a 2xx at the dot or of an HTTP API.
    """
    subject = _subject(stage, code, enhanced, text)
    found = next((decision for row, decision in _TABLE if row.match(subject)), _SENSELESS)
    if lane == 0 and found.waits:
        # Greylisting and full mailboxes ask for hours; a code is of no use by then.
        return msgspec.structs.replace(found, waits=(), tries=0)
    return found


def wait_of(decision: Decision, attempts: int) -> Duration | None:
    """How long to wait after the `attempts`th attempt; None: as the lane's pattern says."""
    waits = decision.waits
    return waits[min(attempts, len(waits)) - 1] if waits else None


def is_spent(decision: Decision, attempts: int) -> bool:
    """Has this mail been tried as often as this refusal deserves?"""
    return 0 < decision.tries <= attempts


def _subject(stage: Stage, code: int, enhanced: str, text: str) -> str:
    """What the rows of the table are matched against."""
    said = " ".join(_ADDRESS.sub(" ", text).split()).lower()
    return f"{stage} {code:03d} {enhanced or '-'} {said}"


def _spans(unit: int, *counts: int) -> tuple[Duration, ...]:
    return tuple(Duration(count * unit) for count in counts)


_ADDRESS: Final = re.compile(r"<[^<>\s]*@[^<>\s]*>|[^\s<>@:;,]+@[^\s<>@:;,]+")
_SENSELESS: Final = Decision("back_off", "an answer that makes no sense", alarm=True)

_GREY = Decision("retry", "greylisting", _spans(MINUTE, 1, 5, 15), burns=True, bounce="soft")
_CROWD = Decision("retry", "too many recipients", _spans(SECOND, 5, 60, 300), burns=True)
_FULL = Decision("retry", "mailbox full", _spans(HOUR, 8, 16), tries=3, burns=True, bounce="soft")
_BUSY = Decision("retry", "mailbox busy", _spans(MINUTE, 20, 60), burns=True, bounce="soft")
_LATER = Decision("retry", "not now", burns=True)
_HARD = Decision("dead", "no such mailbox", burns=True, bounce="hard")
_BLOCK = Decision("dead", "blocked", burns=True, bounce="block", alarm=True)
_OURS = Decision("dead", "our message", burns=True, alarm=True)
_SYNTAX = Decision("dead", "our conversation", burns=True, alarm=True)
_REFUSED = Decision("dead", "refused", burns=True)
_DOWN = Decision("back_off", "destination down")
_CLOSING = Decision("back_off", "service closing")
_SLOW = Decision("slow", "too fast for them")
_SENDER = Decision("breaker", "sender identity", alarm=True)
_CONFIG = Decision("breaker", "our configuration", alarm=True)
_ACCEPTED = Decision("accepted", "accepted")
_IN_DOUBT = Decision("in_doubt", "no answer after the end", burns=True)

# The stages at which a server has the mail's own envelope before it.
_MAIL = "(?:mail|rcpt|data|dot)"
_RELAY = (
    r"relay access denied|relaying (?:is )?(?:denied|not|prohibited)|rcpthosts"
    r"|relay (?:is )?(?:denied|not|prohibited)|(?:un|not )(?:able|permitted|allowed) to relay"
)
_US = r"sender address rejected|sender rejected|client host rejected|helo command rejected"
_RATE = (
    r"rate.?limit|too (?:many|much) (?:mail|messages|e-?mails|connections)|throttl"
    r"|temporarily deferred|(?:sending|unusual) rate|slow down|too fast"
)
_SPAM = (
    r"\bspam|black.?list|block.?list|\b(?:rbl|dnsbl|spf|dkim|dmarc|arc)\b|spamhaus|spamcop"
    r"|barracuda|sorbs|proofpoint|reputation|unsolicited|https?://\S*(?:rbl|dnsbl|block|abuse)"
)
_NOBODY = (
    r"(?:no such|unknown|invalid|unrouteable|non-?existent) (?:user|recipient|mailbox|address"
    r"|account|local)|(?:user|recipient|mailbox|address|account|utilisateur|destinataire|bo[iî]te)"
    r"\b.{0,40}(?:unknown|not found|not exist|n't exist|inconnu|n'existe|disabled|inactive"
    r"|deactivated|no longer)|no mailbox|null mx"
)
_OVER = r"(?:mailbox|quota|bo[iî]te|account).{0,30}(?:full|exceeded|over|pleine)|over.?quota"

# Each row is matched against "stage code enhanced words", all in lower case.
_ROWS: Final[tuple[tuple[str, Decision], ...]] = (
    (r"(?:dot|http) 2", _ACCEPTED),
    (r"(?:dot|http) 000", _IN_DOUBT),
    (r"address 000", Decision("dead", "not an address", burns=True, alarm=True)),
    (r"message 000", _OURS),
    (r" 000", Decision("retry", "not tried")),
    # An HTTP API: its statuses are no SMTP codes.
    (r"http (?:408|409|425|429|5)", _LATER),
    (r"http (?:3|40[123457])", _CONFIG),
    (rf"http (?:400|422) (?:5\.1\.|.*(?:{_NOBODY}))", _HARD),
    (r"http 406", _HARD),
    (r"http 4", _OURS),
    # What we would not go on with: no encryption, no way to say who we are.
    (r"(?:starttls|auth) 000 5", _CONFIG),
    (r"\S+ 000", _DOWN),
    (rf"{_MAIL} 421 (?:4\.7\.|.*(?:{_RATE}))", _SLOW),
    (r"\S+ 421", _CLOSING),
    (r"(?:connect|tls|banner|ehlo|starttls|auth) 4", _DOWN),
    (r"\S+ (?:530|534|535|538)|(?:connect|tls|banner|ehlo|starttls|auth) ", _CONFIG),
    (rf"{_MAIL} [45]\S+ \S+ .*(?:{_RELAY})", _CONFIG),
    (rf"{_MAIL} (?:\S+ [45]\.(?:3\.4|2\.3|6\.)|55[24] .*message (?:size|too|exceeds))", _OURS),
    (r"mail 552 -", _OURS),
    (rf"{_MAIL} 4\S+ \S+ .*(?:{_RATE})", _SLOW),
    (r"mail 4", _SLOW),
    (r"mail 5", _SENDER),
    (r"rcpt 452 4\.5\.3|rcpt 452 .*too many recipients", _CROWD),
    (rf"(?:rcpt|data|dot) (?:\S+ [45]\.2\.2|[45]\S+ \S+ .*(?:{_OVER}))", _FULL),
    (r"rcpt (?:4\S+|5\S+ 5\.2\.1) .*(?:too quickly|at a rate)", _BUSY),
    (r"rcpt (?:45[01] 4\.(?:7\.1|2\.0)|4\S+ \S+ .*gr[ae]y.?list)", _GREY),
    (r"(?:rcpt|data|dot) 45[01] 4\.7\.", _SLOW),
    (rf"(?:rcpt|data|dot) 5\S+ \S+ .*(?:{_SPAM})", _BLOCK),
    (rf"(?:rcpt|data|dot) 5\S+ (?:5\.1\.[78]|\S+ .*(?:{_US}))", _SENDER),
    (r"(?:rcpt|data|dot) 5\S+ 5\.(?:1\.(?:1|2|3|10)|2\.1) ", _HARD),
    (r"(?:rcpt|data|dot) 5\S+ 5\.7\.", _BLOCK),
    (r"(?:rcpt|data|dot) 5\S+ \S+ .*(?:blocked|policy|banned)", _BLOCK),
    (rf"rcpt 5[05]\d (?:-|5\.[0145]\.[016]) .*(?:{_NOBODY})", _HARD),
    (r"\S+ (?:50[0-4]|5\S+ 5\.5\.[124])", _SYNTAX),
    (r"\S+ 4", _LATER),
    (r"\S+ 5", _REFUSED),
)  # fmt: skip
_TABLE: Final = tuple((re.compile(row, re.DOTALL), decision) for row, decision in _ROWS)
