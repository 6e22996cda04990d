"""Tracking: which mails may be followed, and whether a person or a machine was there.

A mail is followed only where its recipient has said yes, opens and clicks each by itself; silence
is a no (delivery §2.4). What was fetched gets a verdict by rules that carry a version, so that
those of the last thirty days can be given again. A doubt is never counted as a person, and no
verdict ever stands in the way of an unsubscription (delivery §5.2).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from ecrm.mail import Lane, MailClass
from ecrm.moment import DAY, Duration, seconds
from ecrm.state import Consent

Deed = Literal["opened", "clicked", "rated"]
Sort = Literal["human", "machine", "unknown"]

OPENS: Final = "open_tracking"
CLICKS: Final = "click_tracking"

# The version of the rules below; a verdict is kept with it.
RULES: Final = 1

# Nobody reads so fast: a scanner at the mailbox's door does.
TOO_SOON: Final = seconds(5)
# What is followed together, by one who follows everything.
TOGETHER: Final = seconds(2)
TOO_MANY: Final = 3
# One network that fetches for so many within a minute is a relay, not a household.
CROWD_WITHIN: Final = seconds(60)
CROWD: Final = 20

# How long a followed link leads where its mail meant: as long as people are remembered who give no
# sign of life (delivery §2.4). Found later in an old mailbox, it must not count as one (§5.1).
FOLLOWED_FOR: Final = 3 * 365 * DAY

# A link that no person sees, in each mail whose clicks are followed.
TRAP: Final = 0

# Programs that name themselves; the mailboxes' image proxies are not among them, for they fetch
# when a person looks.
_PROGRAMS: Final = re.compile(
    r"bot\b|crawl|spider|scan|headless|phantom|safelinks|proofpoint|mimecast|barracuda|forcepoint"
    r"|fireeye|trendmicro|symantec|sophos|linkcheck|preview|curl/|wget|python|aiohttp|okhttp"
    r"|java/|go-http|libwww|httpclient|axios|node-fetch|ruby|perl|powershell",
    re.IGNORECASE,
)
_PROXIES: Final = re.compile(r"GoogleImageProxy|YahooMailProxy", re.IGNORECASE)
# Apple's mail privacy relay says this and nothing more, shortly after arrival, read or not.
_BARE: Final = re.compile(r"Mozilla/5\.0", re.IGNORECASE)


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A picture or a link of a mail that was fetched, with what was seen around it.

    `since` is how long after the mail was accepted, None where it was not yet; `together` how many
    different links of the mail were followed within two seconds of this one, itself counted;
    `crowd` for how many mails the same network fetched within a minute.
    """

    deed: Deed
    agent: str
    since: Duration | None
    method: str = "GET"
    prefetch: bool = False
    trapped: bool = False
    together: int = 1
    crowd: int = 1


class Verdict(msgspec.Struct, frozen=True, gc=False):
    sort: Sort
    reason: str
    rules: int = RULES


class Tracked(msgspec.Struct, frozen=True, gc=False):
    opens: bool = False
    clicks: bool = False


NOT_TRACKED: Final = Tracked()


def tracked(
    consents: Mapping[str, Consent], lane: Lane, mail_class: MailClass, *, own: bool
) -> Tracked:
    """What of a mail may be followed, by the consents of its recipient as they are now.

    `own`: it goes to the customer's own address. Codes and resets are never followed, and of the
    mails that are owed none: only a mail with the way to the preferences in it may be, for whoever
    agreed must be able to take it back from there (delivery §2.4).
    """
    if not own or lane == 0 or mail_class == "transactional":
        return NOT_TRACKED
    return Tracked(opens=_granted(consents, OPENS), clicks=_granted(consents, CLICKS))


def _granted(consents: Mapping[str, Consent], purpose: str) -> bool:
    said = consents.get(purpose)
    return said is not None and said.granted


def verdict(hit: Hit) -> Verdict:
    """Who was it: the first rule that fits says it (delivery §5.2)."""
    for fits, reason in (
        (hit.method == "HEAD", "asked for the head alone"),
        (hit.trapped, "followed a link that nobody sees"),
        (hit.prefetch, "fetched before it was asked for"),
        (bool(_PROGRAMS.search(hit.agent)), "a program that names itself"),
        (hit.since is None, "before the mail was accepted"),
        (hit.since is not None and hit.since < TOO_SOON, "too soon after the mail was accepted"),
        (hit.together >= TOO_MANY, "many links at once"),
        (hit.crowd >= CROWD, "one network for many recipients"),
    ):
        if fits:
            return Verdict("machine", reason)
    return _by_agent(hit)


def _by_agent(hit: Hit) -> Verdict:
    if not hit.agent:
        return Verdict("unknown", "does not say what it is")
    if _PROXIES.search(hit.agent):
        return Verdict("human", "a mailbox's proxy, which fetches when a person looks")
    if _BARE.fullmatch(hit.agent.strip()):
        # A person behind it may read the mail all the same, or not.
        return Verdict("machine", "a privacy relay")
    return Verdict("human", "nothing speaks against a person")


def network_of(address: str) -> str:
    """The network of a public address, /24 or /48; empty for any other: behind a proxy of the
    shop's own everybody has one address, which says nothing.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if not found.is_global:
        return ""
    width = 24 if found.version == 4 else 48
    return str(ipaddress.ip_network((found, width), strict=False))
