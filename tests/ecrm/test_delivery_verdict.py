"""The table of delivery §1.4: one answer or more for each of its rows, as servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.delivery import verdict
from ecrm.moment import HOUR, MINUTE

RECEIPT, CART = 1, 2
STAGES = (
    "", "address", "message", "connect", "banner", "ehlo", "starttls", "tls", "auth",
    "mail", "rcpt", "data", "dot", "http",
)  # fmt: skip

# (stage, code, enhanced, text) → (action, why)
ANSWERS = [
    # The destination is down.
    (("connect", 0, "", "connection refused"), ("back_off", "destination down")),
    (("connect", 0, "", "no answer in time"), ("back_off", "destination down")),
    (("banner", 421, "4.3.2", "too many connections"), ("back_off", "service closing")),
    (("banner", 451, "", "try later"), ("back_off", "destination down")),
    (("tls", 0, "", "certificate verify failed"), ("back_off", "destination down")),
    (("starttls", 454, "4.7.0", "TLS not available"), ("back_off", "destination down")),
    (("auth", 454, "4.7.0", "temporary failure"), ("back_off", "destination down")),
    (("mail", 0, "", "the connection was closed"), ("back_off", "destination down")),
    (("data", 0, "", "no answer in time"), ("back_off", "destination down")),
    # 421 at any time, and its sister that says why.
    (("mail", 421, "4.3.2", "shutting down"), ("back_off", "service closing")),
    (("rcpt", 421, "", "bye"), ("back_off", "service closing")),
    (("dot", 421, "4.3.0", "closing"), ("back_off", "service closing")),
    (("dot", 421, "4.7.0", "[TSS04] messages temporarily deferred"), ("slow", "too fast for them")),
    (("rcpt", 421, "", "unusual rate of mail"), ("slow", "too fast for them")),
    # MAIL 4xx, and whatever says that we are too fast.
    (("mail", 450, "4.3.1", "out of space"), ("slow", "too fast for them")),
    (("rcpt", 451, "4.7.1", "rate limit reached"), ("slow", "too fast for them")),
    (("dot", 451, "4.7.500", "server busy"), ("slow", "too fast for them")),
    (("dot", 452, "", "too many messages, slow down"), ("slow", "too fast for them")),
    # Greylisting.
    (("rcpt", 450, "4.7.1", "come back later"), ("retry", "greylisting")),
    (("rcpt", 451, "4.2.0", "<a@b.example>: not yet"), ("retry", "greylisting")),
    (("rcpt", 450, "", "Greylisted for 300 seconds"), ("retry", "greylisting")),
    (("rcpt", 452, "4.5.3", "too many recipients"), ("retry", "too many recipients")),
    # Full, for now.
    (("rcpt", 452, "4.2.2", "over quota"), ("retry", "mailbox full")),
    (("dot", 552, "5.2.2", "mailbox full"), ("retry", "mailbox full")),
    (("rcpt", 552, "", "Quota exceeded"), ("retry", "mailbox full")),
    (("rcpt", 450, "4.2.1", "receiving mail too quickly"), ("retry", "mailbox busy")),
    (("rcpt", 550, "5.2.1", "receives mail at a rate that"), ("retry", "mailbox busy")),
    # Nobody there.
    (("rcpt", 550, "5.1.1", "user unknown"), ("dead", "no such mailbox")),
    (("rcpt", 550, "5.1.2", "bad destination system"), ("dead", "no such mailbox")),
    (("rcpt", 501, "5.1.3", "bad address syntax"), ("dead", "no such mailbox")),
    (("rcpt", 556, "5.1.10", "null MX"), ("dead", "no such mailbox")),
    (("dot", 550, "5.2.1", "account disabled"), ("dead", "no such mailbox")),
    (("rcpt", 550, "", "No such user here"), ("dead", "no such mailbox")),
    (("rcpt", 550, "5.0.0", "Boîte inconnue, l'adresse n'existe pas"), ("dead", "no such mailbox")),
    (("rcpt", 550, "5.1.1", "<nospam@b.example>: unknown"), ("dead", "no such mailbox")),
    # It is us they do not want.
    (("rcpt", 554, "5.7.1", "policy rejection"), ("dead", "blocked")),
    (("dot", 550, "5.7.26", "unauthenticated sender"), ("dead", "blocked")),
    (("dot", 550, "5.7.515", "access denied, authentication level"), ("dead", "blocked")),
    (("rcpt", 550, "5.1.1", "rejected, see https://rbl.example/ip"), ("dead", "blocked")),
    (("rcpt", 554, "", "blocked using zen.spamhaus.org"), ("dead", "blocked")),
    (("dot", 554, "5.0.0", "this looks like spam"), ("dead", "blocked")),
    (("rcpt", 550, "", "your IP is blocked"), ("dead", "blocked")),
    # Our configuration.
    (("mail", 530, "5.7.0", "authentication required"), ("breaker", "our configuration")),
    (("auth", 534, "5.7.9", "mechanism too weak"), ("breaker", "our configuration")),
    (("auth", 535, "5.7.8", "bad credentials"), ("breaker", "our configuration")),
    (("rcpt", 538, "5.7.11", "encryption required"), ("breaker", "our configuration")),
    (("rcpt", 550, "5.7.1", "Unable to relay"), ("breaker", "our configuration")),
    (("rcpt", 554, "5.7.1", "Relay access denied"), ("breaker", "our configuration")),
    (("rcpt", 454, "4.7.1", "Relay access denied"), ("breaker", "our configuration")),
    (("banner", 554, "", "no service for you"), ("breaker", "our configuration")),
    (("ehlo", 550, "", "what a name"), ("breaker", "our configuration")),
    (("starttls", 502, "", "not here"), ("breaker", "our configuration")),
    (("starttls", 0, "5.7.4", "none is offered"), ("breaker", "our configuration")),
    (("auth", 0, "5.7.11", "no password in the clear"), ("breaker", "our configuration")),
    (("auth", 504, "5.5.4", "unknown mechanism"), ("breaker", "our configuration")),
    # Our message.
    (("mail", 552, "5.3.4", "too big"), ("dead", "our message")),
    (("mail", 552, "", "size"), ("dead", "our message")),
    (("dot", 554, "5.6.0", "cannot be read"), ("dead", "our message")),
    (("dot", 552, "", "message size exceeds the limit"), ("dead", "our message")),
    (("message", 0, "", "not ASCII"), ("dead", "our message")),
    (("address", 0, "", "no @"), ("dead", "not an address")),
    # Our name.
    (("mail", 550, "5.7.1", "sender refused"), ("breaker", "sender identity")),
    (("rcpt", 550, "5.1.8", "domain not found"), ("breaker", "sender identity")),
    (("rcpt", 554, "5.7.1", "Client host rejected"), ("breaker", "sender identity")),
    # Nobody knows.
    (("dot", 0, "", "no answer in time"), ("in_doubt", "no answer after the end")),
    (("http", 0, "", "the connection was closed"), ("in_doubt", "no answer after the end")),
    # An HTTP API.
    (("http", 202, "", ""), ("accepted", "accepted")),
    (("http", 408, "", ""), ("retry", "not now")),
    (("http", 409, "", "in progress"), ("retry", "not now")),
    (("http", 425, "", ""), ("retry", "not now")),
    (("http", 429, "", ""), ("retry", "not now")),
    (("http", 503, "", ""), ("retry", "not now")),
    (("http", 400, "", "subject is missing"), ("dead", "our message")),
    (("http", 413, "", ""), ("dead", "our message")),
    (("http", 422, "", "invalid recipient"), ("dead", "no such mailbox")),
    (("http", 422, "5.1.1", ""), ("dead", "no such mailbox")),
    (("http", 406, "", "inactive recipient"), ("dead", "no such mailbox")),
    (("http", 401, "", ""), ("breaker", "our configuration")),
    (("http", 403, "", ""), ("breaker", "our configuration")),
    (("http", 307, "", "elsewhere"), ("breaker", "our configuration")),
    # The rest.
    (("", 0, "", "stopped before it was sent"), ("retry", "not tried")),
    (("dot", 250, "2.0.0", "queued"), ("accepted", "accepted")),
    (("dot", 451, "4.3.0", "local error"), ("retry", "not now")),
    (("data", 503, "5.5.1", "no valid recipients"), ("dead", "our conversation")),
    (("dot", 554, "", "transaction failed"), ("dead", "refused")),
    (("rcpt", 550, "5.4.1", "Recipient address rejected: Access denied"), ("dead", "refused")),
    (("rcpt", 250, "", "it says yes"), ("back_off", "an answer that makes no sense")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "meaning"), ANSWERS, ids=lambda value: " ".join(map(str, value))
)
def test_an_answer_means_what_the_table_says(answer, meaning):
    decision = verdict.decide(*answer, RECEIPT)
    assert (decision.action, decision.why) == meaning


def test_every_row_of_the_table_decides_about_some_answer():
    subjects = [verdict._subject(*answer) for answer, _ in ANSWERS]
    first = {
        next((row.pattern for row, _ in verdict._TABLE if row.match(one)), "") for one in subjects
    }
    assert {row.pattern for row, _ in verdict._TABLE} - first == set()


def test_only_a_mailbox_that_is_not_there_suppresses_its_recipient():
    suppressing = {
        decision.why
        for answer, _ in ANSWERS
        if (decision := verdict.decide(*answer, CART)).suppresses
    }
    assert suppressing == {"no such mailbox"}


def test_what_is_no_mails_fault_burns_no_attempt():
    burning = {
        decision.action
        for answer, _ in ANSWERS
        if (decision := verdict.decide(*answer, CART)).burns
    }
    assert burning == {"retry", "dead", "in_doubt"}
    assert not verdict.decide("", 0, "", "stopped before it was sent", CART).burns


def test_what_is_about_us_rings_an_alarm():
    alarming = {
        decision.why for answer, _ in ANSWERS if (decision := verdict.decide(*answer, CART)).alarm
    }
    assert alarming == {
        "blocked", "our configuration", "our message", "our conversation", "not an address",
        "sender identity", "an answer that makes no sense",
    }  # fmt: skip


def test_a_greylisted_mail_comes_back_after_a_minute_then_five_then_fifteen():
    decision = verdict.decide("rcpt", 450, "4.7.1", "later", RECEIPT)
    waits = [verdict.wait_of(decision, attempts) for attempts in (1, 2, 3, 9)]
    assert waits == [MINUTE, 5 * MINUTE, 15 * MINUTE, 15 * MINUTE]
    assert not verdict.is_spent(decision, 9)


def test_a_full_mailbox_is_tried_three_times_within_a_day():
    decision = verdict.decide("rcpt", 452, "4.2.2", "full", RECEIPT)
    assert [verdict.wait_of(decision, attempts) for attempts in (1, 2)] == [8 * HOUR, 16 * HOUR]
    assert [verdict.is_spent(decision, attempts) for attempts in (2, 3)] == [False, True]


@pytest.mark.parametrize("enhanced", ["4.7.1", "4.2.2"])
def test_a_code_keeps_to_the_pattern_of_its_lane(enhanced):
    decision = verdict.decide("rcpt", 450, enhanced, "later", 0)
    assert verdict.wait_of(decision, 1) is None
    assert not verdict.is_spent(decision, 99)


@given(
    stage=st.sampled_from(STAGES),
    code=st.one_of(st.just(0), st.integers(0, 999)),
    enhanced=st.one_of(st.just(""), st.from_regex(r"[245]\.\d{1,3}\.\d{1,3}", fullmatch=True)),
    text=st.text(),
    lane=st.sampled_from([0, 1, 2, 3]),
)
def test_every_answer_has_a_meaning_and_no_block_ever_suppresses(stage, code, enhanced, text, lane):
    decision = verdict.decide(stage, code, enhanced, text, lane)
    assert decision.suppresses == (decision.bounce == "hard")
    assert decision.action == "dead" or not decision.suppresses
    assert (decision.action == "in_doubt") == (stage in ("dot", "http") and code == 0)
