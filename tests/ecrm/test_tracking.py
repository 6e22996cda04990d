from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import tracking
from ecrm.state import Consent
from ecrm.tracking import Hit, Tracked, verdict

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
LATER = 60_000


def sort_of(**changes):
    return verdict(Hit(**{"deed": "clicked", "agent": FIREFOX, "since": LATER} | changes)).sort


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "HEAD"}, "asked for the head alone"),
        ({"trapped": True}, "followed a link that nobody sees"),
        ({"prefetch": True}, "fetched before it was asked for"),
        ({"agent": "Mozilla/5.0 (compatible; Proofpoint URL Defense)"}, "a program that names itself"),
        ({"agent": "Mozilla/5.0 HeadlessChrome/120.0"}, "a program that names itself"),
        ({"agent": "curl/8.5.0"}, "a program that names itself"),
        ({"since": None}, "before the mail was accepted"),
        ({"since": -5}, "too soon after the mail was accepted"),
        ({"since": 4_999}, "too soon after the mail was accepted"),
        ({"together": 3}, "many links at once"),
        ({"crowd": 20}, "one network for many recipients"),
        ({"agent": "Mozilla/5.0"}, "a privacy relay"),
    ],
)  # fmt: skip
def test_a_machine_is_known_by(changes, reason):
    found = verdict(Hit(**{"deed": "clicked", "agent": FIREFOX, "since": LATER} | changes))
    assert (found.sort, found.reason, found.rules) == ("machine", reason, tracking.RULES)


def test_a_person_is_whoever_nothing_speaks_against():
    assert sort_of() == "human"
    assert sort_of(since=5_000, together=2, crowd=19) == "human"


def test_a_mailbox_proxy_fetches_a_picture_for_a_person():
    assert sort_of(deed="opened", agent=GMAIL) == "human"


def test_who_does_not_say_what_it_is_is_unknown():
    assert sort_of(agent="") == "unknown"


@given(st.text(max_size=200), st.none() | st.integers(-(10**9), 10**12), st.integers(0, 99))
def test_there_is_a_verdict_on_everything(agent, since, crowd):
    found = verdict(Hit("opened", agent, since, crowd=crowd))
    assert found.sort in ("human", "machine", "unknown")
    assert found.reason


def consents(**said):
    return {name: Consent(granted=granted, at=0) for name, granted in said.items()}


BOTH = consents(open_tracking=True, click_tracking=True)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, Tracked()),
        (consents(open_tracking=False, click_tracking=False), Tracked()),
        (consents(email_marketing=True), Tracked()),
        (consents(open_tracking=True), Tracked(opens=True)),
        (consents(click_tracking=True, open_tracking=False), Tracked(clicks=True)),
        (BOTH, Tracked(opens=True, clicks=True)),
    ],
)
def test_only_a_yes_lets_a_mail_be_followed(said, found):
    assert tracking.tracked(said, 2, "marketing", own=True) == found
    assert tracking.tracked(said, 1, "notification", own=True) == found


@pytest.mark.parametrize(
    ("lane", "mail_class", "own"),
    [(0, "transactional", True), (1, "transactional", True), (2, "marketing", False)],
)
def test_what_is_owed_or_goes_to_others_is_never_followed(lane, mail_class, own):
    assert tracking.tracked(BOTH, lane, mail_class, own=own) == tracking.NOT_TRACKED


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("93.184.215.14", "93.184.215.0/24"),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2606:2800:21f::/48"),
        ("127.0.0.1", ""),
        ("10.1.2.3", ""),
        ("<local>", ""),
        ("", ""),
    ],
)
def test_a_network_is_kept_and_never_an_address(address, network):
    assert tracking.network_of(address) == network
