"""The table that says what a refusal means."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.delivery.bounces import verdict
from ecrm.delivery.bounces.verdict import CODE, SAID, STATUS, Finding, judge

# What servers say where the code alone would be read the other way.
CASES = [
    ("550 5.7.1 <a@b.fr>: Recipient not found", "", "hard"),
    ("550 5.1.1 message blocked, see https://www.spamhaus.org/query/ip/192.0.2.9", "", "block"),
    ("550 5.2.1 Your IP is on our deny list", "", "block"),
    ("550 5.1.0 Sender rejected: domain does not exist", "", "block"),
    ("554 5.7.1 Mailbox full", "", "soft"),
    ("550 mailbox is over quota", "", "soft"),
    ("452 4.5.3 Too many recipients", "", "block"),
    ("421 4.7.28 unusual rate of mail", "", "block"),
    ("550 Too many invalid recipients", "", "block"),
    ("550 Rejected: 192.0.2.9 is listed at work.drbl.example.net", "", "block"),
    ("550 User a@b.fr not listed in the directory", "", "hard"),
    ("550 5.7.606 Access denied, banned sending IP [192.0.2.9]", "", "block"),
    ("554 5.7.1 ACL dns_rbl; refused", "", "block"),
    ("554 IP=192.0.2.9 - A problem occurred. (Ask your postmaster for help.) (BL)", "", "block"),
    ("550 5.2.1 This is an expired account", "", "hard"),
    ("554 delivery error: This user doesn't have a yahoo.com account", "", "hard"),
    ("530 5.7.0 TLS required", "", "block"),
    ("550 Account temporarily suspended", "", "soft"),
    ("550 This account has been disabled or discontinued", "", "hard"),
    ("554 5.4.14 Hop count exceeded - possible mail loop", "", "soft"),
    ("550 relay not permitted", "", "block"),
    ("550 5.7.1 Unable to relay for a@b.fr", "", "block"),
    ("550 we do not accept mail from you", "", "block"),
    ("556 5.1.10 Recipient address has null MX", "", "hard"),
    ("550 Host unknown", "", "hard"),
    ("451 4.4.3 Host not found, try again", "", "soft"),
    ("retry timeout exceeded", "", "soft"),
    ("552 5.3.4 Message too big for system", "", "block"),
    ("554 virus found", "", "block"),
    ("550 5.1.1 Le compte du destinataire est bloque. LPN007_426", "", "hard"),
    ("Votre message n'a pu etre remis : l’adresse n’existe pas", "", "hard"),
    ("Domaine introuvable", "", "hard"),
    ("Das Konto ist deaktiviert", "", "hard"),
    ("550 Benutzer unbekannt", "", "hard"),
    ("usuario desconocido", "", "hard"),
    # the codes alone
    ("", "5.1.1", "hard"),
    ("", "5.1.2", "hard"),
    ("", "5.7.17", "hard"),
    ("", "5.7.26", "block"),
    ("", "5.7.1", "block"),
    ("", "4.7.0", "block"),
    ("", "5.2.2", "soft"),
    ("", "5.4.7", "soft"),
    ("", "4.0.0", "soft"),
    ("", "5.5.4", "block"),
    ("", "5.0.0", "unknown"),
    ("", "5.1.0", "unknown"),
    ("zxqv 5.1.1", "5.0.0", "hard"),
    ("zxqv 5.0.0", "5.1.1", "hard"),
    ("556", "", "hard"),
    ("552 zxqv", "", "soft"),
    ("535 zxqv", "", "block"),
    ("450 zxqv", "", "soft"),
    ("550 zxqv", "", "unknown"),
    ("550 5.0.0 zxqv", "", "unknown"),
    ("", "", "unknown"),
    ("", "no status at all", "unknown"),
]


@pytest.mark.parametrize(("text", "status", "meaning"), CASES)
def test_a_refusal_means_what_was_said(text, status, meaning):
    assert judge(text, status).verdict == meaning


@pytest.mark.parametrize("text", ["user@spam.example", "unknown@user.example", "full@mailbox.fr"])
def test_an_address_is_no_word(text):
    assert judge(f"<{text}>: zxqv") == verdict.UNKNOWN


@pytest.mark.parametrize("host", ["mx.spam-filter.example", "antispam.example.org"])
def test_the_name_of_a_server_is_no_word(host):
    assert judge(f"host {host} said: 550 no such user").verdict == "hard"


BLOCKS = [
    "blocked using zen.spamhaus.org", "on our block list", "rejected as spam", "DMARC policy",
    "poor reputation", "IP address listed", "too many connections",
]  # fmt: skip
HARDS = ["user unknown", "no such mailbox", "account disabled", "domain not found", "inconnu"]


@given(
    st.sampled_from(BLOCKS), st.sampled_from(HARDS), st.booleans(), st.sampled_from(["5.1.1", ""])
)
def test_a_block_outweighs_whatever_is_said_about_the_recipient(block, hard, first, status):
    text = f"550 {block}; {hard}" if first else f"550 {hard}; {block}"
    assert judge(text, status).verdict == "block"


@given(st.text(max_size=500), st.text(max_size=20))
def test_judging_is_total(text, status):
    assert isinstance(judge(text, status), Finding)


@given(st.text(max_size=200), st.sampled_from([str.upper, str.lower, str.title]))
def test_large_and_small_letters_mean_the_same(words, written):
    text = f"550 user unknown {words}"
    if written(text).casefold() == text.casefold():
        assert judge(written(text)) == judge(text)


def test_the_table_judges_refusals_and_nothing_else():
    lines = {line.finding for table in (SAID, STATUS, CODE) for line in table}
    assert {finding.verdict for finding in lines} == {"hard", "soft", "block"}


PATTERNS = [text for line in SAID for text in line.patterns]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_written_as_the_words_are_met(pattern):
    """Small letters without accents, and no gap without an end: it would cost the square."""
    words = re.sub(r"\\[A-Za-z]|\[[^\]]*\]", "", pattern)
    assert words == verdict.plainly(words)
    assert re.findall(r"[^\\\])|].?[*+]|\\[wWsSdD][*+]", pattern) == []


@pytest.mark.parametrize(
    "word", ["user ", "mailbox", "a@", "<", "host ", "550 ", "message ", "\u0301", "\ufdfa"]
)
def test_a_text_made_to_be_slow_is_judged_at_once(word):
    before = time.perf_counter()
    judge(word * 10_000)
    assert time.perf_counter() - before < 1
