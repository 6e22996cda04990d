"""The main job on real input: a shop's invoices through the real service, twice (R56 to R59)."""

from __future__ import annotations

import email
import email.policy
import gzip
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import islice, pairwise
from pathlib import Path

import msgspec
import pytest
import trio

from actors import retail
from ecrm import calendar, moment
from ecrm.moment import DAY, HOUR
from tests.explained import proved
from tests.worlds import PARIS

ROOT = Path(__file__).parents[2]
INVOICES = ROOT / "tests/data/online-retail-2010-12.csv.gz"
# A morning of the shop's: enough for returns, guests, several orders of one customer. All 42 481
# lines take a quarter of an hour: ECRM_REPLAY_LINES=50000.
LINES = int(os.environ.get("ECRM_REPLAY_LINES", "900"))
WITHIN = max(240, LINES // 10)

MARKETING = {
    "k02", "k03", "k04", "k05", "k07", "k08", "k09", "k10", "k17", "k18", "k19", "k21",
    "k22", "k23", "k24", "k25", "k26", "k27", "k28", "k44",
}  # fmt: skip
BY_NIGHT = {"k07", "k09", "k10"}


@pytest.fixture(scope="module")
def invoices(tmp_path_factory):
    path = tmp_path_factory.mktemp("invoices") / "morning.csv"
    with gzip.open(INVOICES, "rt", encoding="utf-8") as whole:
        path.write_text("".join(islice(whole, LINES)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return [tmp_path_factory.mktemp("replay") / "data" for _ in range(2)]


@pytest.fixture(scope="module")
def replays(invoices, folders):
    """Two replays of the same lines on two fresh folders, side by side: their numbers and mails."""
    runs = [
        subprocess.Popen(
            [sys.executable, "run.py", "replay", invoices, "--data", folder, "--json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for folder in folders
    ]
    outputs = [run.communicate(timeout=WITHIN)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    return [
        (msgspec.json.decode(output), read(folder / "mail/new"))
        for output, folder in zip(outputs, folders, strict=True)
    ]


def read(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def numbers(replays):
    return replays[0][0]


@pytest.fixture(scope="module")
def letters(replays):
    parsed = [
        email.message_from_bytes(body, policy=email.policy.default)
        for body in replays[0][1].values()
    ]
    return sorted(parsed, key=at_of)


def at_of(letter):
    return moment.parse_instant(letter["X-Ecrm-At"])


def told(invoices):
    """What the shop tells: a list of (instant, event name, message)."""
    events = retail.Shop().events(retail.read(invoices))
    return [(at, one.get("event"), one) for at, batch in events for one in batch]


def test_a_second_replay_gives_the_same_mails_byte_for_byte(replays):
    (_, first), (_, second) = replays
    assert first == second


def test_the_numbers_are_those_of_the_files(numbers, letters):
    kinds = Counter(letter["X-Ecrm-Kind"] for letter in letters)
    steps = Counter(letter["X-Ecrm-Programme"] for letter in letters)
    days = Counter(letter["X-Ecrm-At"][:10] for letter in letters)
    assert numbers["mails_by_kind"] == dict(sorted(kinds.items()))
    assert numbers["mails_by_step"] == dict(sorted(steps.items()))
    assert numbers["mails_by_day"] == dict(sorted(days.items()))
    assert numbers["mails"] == len(letters)


def test_every_event_is_told_and_none_refused(numbers, invoices):
    assert numbers["events"] == len(told(invoices))
    assert numbers["refused"] == 0


def test_every_paid_order_of_a_customer_is_confirmed_once_at_its_instant(letters, invoices):
    cancelled = {
        one["properties"]["order_id"]
        for _, name, one in told(invoices)
        if name == "Order Cancelled"
    }
    paid = {
        one["properties"]["order_id"]: (one["userId"], at)
        for at, name, one in told(invoices)
        if name == "Order Paid" and "userId" in one
    }
    confirmed = [letter for letter in letters if letter["X-Ecrm-Kind"] == "k11"]
    found = {}
    for letter in confirmed:
        text = letter.get_body(("plain",)).get_content()
        order = next(order_id for order_id in paid if order_id in text)
        found[order] = (letter["X-Ecrm-Customer"], at_of(letter))
    assert found == paid
    assert len(confirmed) == len(paid)
    assert cancelled <= paid.keys()


def test_nobody_gets_a_mail_of_a_programme_twice_for_the_same_cause(letters):
    ids = [letter["Message-ID"] for letter in letters]
    assert len(set(ids)) == len(ids)
    once = Counter(
        (letter["X-Ecrm-Customer"], letter["X-Ecrm-Programme"])
        for letter in letters
        if letter["X-Ecrm-Programme"].startswith("welcome/")
    )
    assert set(once.values()) == {1}


def test_no_marketing_mail_breaks_the_cap_or_the_gap(letters):
    instants = defaultdict(list)
    for letter in letters:
        if letter["X-Ecrm-Kind"] in MARKETING:
            instants[letter["X-Ecrm-Customer"]].append(at_of(letter))
    assert instants
    for sent in instants.values():
        assert all(later - sooner >= 20 * HOUR for sooner, later in pairwise(sent))
        assert all(sent[n + 2] - sent[n] >= 7 * DAY for n in range(len(sent) - 2))


def test_no_marketing_mail_leaves_in_the_quiet_hours(letters):
    hours = {
        calendar.local(at_of(letter), PARIS).hour
        for letter in letters
        if letter["X-Ecrm-Kind"] in MARKETING - BY_NIGHT
    }
    assert hours
    assert hours <= set(range(8, 21))


def test_no_cart_mail_follows_an_order(letters):
    assert [letter["X-Ecrm-Kind"] for letter in letters if letter["X-Ecrm-Kind"] in BY_NIGHT] == []


def test_what_was_not_sent_is_counted_with_its_reason(numbers):
    # Every cart was bought, and every welcome ended with the first order.
    assert numbers["withheld_by_reason"]["stop_condition"] > 0
    # Guests left no address.
    assert numbers["withheld_by_reason"]["missing_data"] > 0


def test_the_programmes_for_buyers_have_their_say(numbers):
    # Thanks, cross-sell, nursing, affinity and the reviews, each learnt from these very orders.
    assert numbers["mails_by_kind"].keys() >= {"k12", "k17", "k18", "k19", "k21", "k22", "k23"}


@pytest.fixture(scope="module")
def proof(replays, folders):
    """What is asked of the first replay's folder: `why` and `why-not --at`, each answer checked."""
    return trio.run(proved, folders[0])


def test_every_mail_is_explained_by_the_event_the_rule_and_the_values_seen(
    proof, letters, invoices
):
    assert proof.problems == []
    kinds = Counter(letter["X-Ecrm-Kind"] for letter in letters)
    assert proof.mails == proof.sent == kinds
    told_ids = {one["messageId"] for _, _, one in told(invoices)}
    assert proof.messages <= told_ids
    # Arbitration has taken place, and each winner names its losers.
    assert proof.over >= 50


def test_every_mail_that_was_not_sent_is_explained_at_the_very_instant(proof, numbers):
    assert proof.problems == []
    unsent, put_off = Counter(), Counter()
    for what, count in proof.unsent.items():
        outcome, _, reason = what.partition(": ")
        counts = put_off if outcome == "deferred" else unsent
        counts[reason] += count
    assert unsent == numbers["withheld_by_reason"]
    assert put_off == numbers["deferred_by_reason"]
    # What had to wait went at the instant that was told, or has a later reason.
    assert proof.fates.total() == put_off.total()
    assert proof.fates["went then"] >= 50
