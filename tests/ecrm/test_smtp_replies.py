"""SMTP without a socket: replies are read the same however they arrive; nothing said can be bent."""

from __future__ import annotations

import base64
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecrm.delivery import smtp
from ecrm.delivery.smtp import Abilities, Envelope, Refusal, Replies, Reply, Transaction
from ecrm.errors import Rejected

TO = Envelope("b+1@shop.example", "ana@customers.example", 1_000)


def read(*chunks):
    """All replies of a stream that arrives like this, and what was wrong with it."""
    replies = Replies()
    return [reply for chunk in chunks for reply in replies.feed(chunk)], replies.fault


def only(data):
    (reply,), fault = read(data)
    assert not fault
    return reply


def test_a_reply_has_a_code_an_enhanced_code_and_words():
    assert only(b"550 5.1.1 no such user\r\n") == Reply(550, "5.1.1", ("no such user",))
    assert only(b"250 queued\r\n") == Reply(250, "", ("queued",))
    assert only(b"354\r\n") == Reply(354)
    assert only(b"250 2.0.0\r\n") == Reply(250, "2.0.0")


def test_the_enhanced_code_is_taken_from_every_line():
    reply = only(b"550-5.1.1 The account\r\n550-5.1.1\r\n550 5.1.1 does not exist\r\n")
    assert (reply.enhanced, reply.text) == ("5.1.1", "The account does not exist")


@pytest.mark.parametrize(
    "said", ["250 5.1.1 odd", "550 2.1.1 odd", "550 5.1 odd", "550 5.1.1x odd"]
)
def test_an_enhanced_code_of_another_class_or_shape_is_only_words(said):
    assert only(f"{said}\r\n".encode()) == Reply(int(said[:3]), "", (said[4:],))


def test_what_a_server_says_is_safe_to_write_into_a_log():
    assert only(b"550 a\x1b[31mb\x00\xc2\x85c\r\n").text == "a [31mb c"
    assert only(b"550 " + b"x" * 2_000 + b"\r\n").text == "x" * smtp.LONGEST_TEXT


def test_words_may_be_utf8_or_nothing_known_at_all():
    assert only("550 boîte inconnue\r\n".encode()).text == "boîte inconnue"
    assert only("550 boîte inconnue\r\n".encode("latin-1")).text == "bo\ufffdte inconnue"


def test_a_bare_line_feed_ends_a_line_too():
    assert read(b"250-one\n250 two\n220 three\r\n") == (
        [Reply(250, "", ("one", "two")), Reply(220, "", ("three",))],
        "",
    )


def test_of_two_codes_that_mean_alike_the_last_one_stands():
    assert only(b"550-5.7.1 no\r\n554 5.7.1 never\r\n") == Reply(554, "5.7.1", ("no", "never"))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"250-taken\r\n550 not taken\r\n", "a reply that says both 250 and 550"),
        (b"hello\r\n", "no reply: hello"),
        (b"\r\n", "no reply: "),
        (b"25 \r\n", "no reply: 25"),
        (b"199 what\r\n", "no reply: 199 what"),
        (b"2500 what\r\n", "no reply: 2500 what"),
        (b"250_what\r\n", "no reply: 250_what"),
        (b"250 " + b"x" * smtp.LONGEST_LINE, "a reply without an end"),
        (b"250 " + b"x" * smtp.LONGEST_LINE + b"\r\n", "a reply without an end"),
        (b"250-more\r\n" * (smtp.MOST_LINES + 1), "a reply without an end"),
    ],
)
def test_what_is_no_reply_ends_the_conversation(data, fault):
    assert read(b"220 hello\r\n" + data + b"250 ok\r\n") == ([Reply(220, "", ("hello",))], fault)


def test_a_reply_as_long_as_allowed_is_read():
    line = b"250 " + b"x" * (smtp.LONGEST_LINE - 5) + b"\r\n"
    assert len(line) == smtp.LONGEST_LINE + 1
    assert only(line).code == 250
    assert len(only(b"250-x\r\n" * (smtp.MOST_LINES - 1) + b"250 x\r\n").lines) == smtp.MOST_LINES


def test_half_a_reply_is_pending_and_a_whole_one_is_not():
    replies = Replies()
    pending = []
    for chunk in (b"250-a", b"\r\n", b"250 b\r\n"):
        replies.feed(chunk)
        pending.append(replies.pending)
    assert pending == [True, True, False]


LINES = st.one_of(
    st.sampled_from([
        b"250 ok\r\n", b"250-one\r\n250 two\r\n", b"550 5.1.1 no\n", b"354\r\n", b"421-4.3.2 bye\r\n",
        b"250-a\r\n550 b\r\n", "550 boîte\r\n".encode(), b"x\r\n", b"\n", b"250 " + b"y" * 5_000,
    ]),
    st.binary(max_size=20),
)  # fmt: skip


@given(
    stream=st.lists(LINES, max_size=8).map(b"".join),
    cuts=st.lists(st.integers(0, 200), max_size=12),
)
@example(stream=b"250-one\r\n250 two\r\n", cuts=list(range(20)))
def test_any_split_of_a_stream_gives_the_same_replies(stream, cuts):
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(edges)]
    assert read(*chunks) == read(stream)


@given(st.binary(max_size=300))
def test_reading_is_total_byte_by_byte(stream):
    assert read(*(bytes([byte]) for byte in stream)) == read(stream)


def test_a_server_says_what_it_can_do():
    reply = only(
        b"250-mx.example\r\n250-PIPELINING\r\n250-size 10240000\r\n250-AUTH LOGIN plain\r\n"
        b"250-AUTH=XOAUTH2\r\n250-STARTTLS\r\n250-\r\n250 SMTPUTF8\r\n"
    )
    assert smtp.abilities_of(reply) == Abilities(
        pipelining=True,
        starttls=True,
        smtputf8=True,
        size=10_240_000,
        auth=frozenset(("LOGIN", "PLAIN", "XOAUTH2")),
    )


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE many", "SIZE " + "9" * 30, "SIZE ١٢"])
def test_a_limit_that_says_nothing_is_none(size):
    reply = Reply(250, "", ("mx.example", size))
    assert smtp.abilities_of(reply) == Abilities()


@pytest.mark.parametrize(
    "address",
    [
        "ana@customers.example\r\nRCPT TO:<eve@evil.example>", "ana@customers.example\n",
        "ana\0@customers.example", "an a@customers.example", "<ana@customers.example>",
        "ana@customers.example> SIZE=1", "zo\x85é@customers.example", "zo é@customers.example",
        "zo\u2028é@customers.example", "zo>é@customers.example", "é" * 33 + "@customers.example",
        "zoé@customers.example\r\nDATA", "zo\ud800é@customers.example", "é", "",
    ],
)  # fmt: skip
def test_an_address_that_could_end_a_command_is_refused(address):
    with pytest.raises(Rejected):
        smtp.envelope_address(address)


def test_an_address_stands_on_the_envelope_as_it_is_routed():
    assert smtp.envelope_address("Ana@Customers.EXAMPLE") == "Ana@customers.example"
    assert smtp.envelope_address("ana@café.example") == "ana@xn--caf-dma.example"
    assert smtp.envelope_address("zoé@café.example") == "zoé@xn--caf-dma.example"


@pytest.mark.parametrize("name", ["", "a b", "a\r\nMAIL", "café", "a\0"])
def test_a_name_that_would_not_stay_a_name_is_refused(name):
    with pytest.raises(Rejected, match="no name"):
        smtp.hello("EHLO", name)


def test_a_server_is_greeted_by_name():
    assert smtp.hello("EHLO", "[127.0.0.1]") == b"EHLO [127.0.0.1]\r\n"
    assert smtp.hello("HELO", "shop.example") == b"HELO shop.example\r\n"


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (b"one\r\ntwo\r\n", b"one\r\ntwo\r\n.\r\n"),
        (b"no end", b"no end\r\n.\r\n"),
        (b"", b"\r\n.\r\n"),
        (b".\r\n..\r\na.\r\n.b\r\n", b"..\r\n...\r\na.\r\n..b\r\n.\r\n"),
        (b"a\r\n.", b"a\r\n..\r\n.\r\n"),
    ],
)
def test_a_text_ends_where_it_ends_and_nowhere_before(body, wire):
    assert smtp.wire_form(body) == wire


@pytest.mark.parametrize(
    "body", [b"a\n.\nb\r\n", b"a\rb\r\n", b"a\n\rb", "é\r\n".encode(), b"a\0\r\n", b"a\r\r\n"]
)
def test_a_text_that_a_server_would_mend_is_refused(body):
    with pytest.raises(Rejected) as refused:
        smtp.wire_form(body)
    assert refused.value.code == "bad_body"


@given(st.lists(st.text("ab. ", max_size=4), max_size=6).map("\r\n".join))
def test_what_a_server_unstuffs_is_what_was_written(text):
    body = text.encode()
    *lines, dot, end = smtp.wire_form(body).split(b"\r\n")
    assert (dot, end) == (b".", b"")
    assert b"." not in lines
    unstuffed = b"\r\n".join(line.removeprefix(b".") for line in lines) + b"\r\n"
    assert unstuffed == (body if body.endswith(b"\r\n") else body + b"\r\n")


def test_a_password_goes_in_one_step_where_it_can():
    (step,) = smtp.auth_steps(frozenset(("LOGIN", "PLAIN")), "ana", "pässword")
    assert base64.b64decode(step.removeprefix(b"AUTH PLAIN ")).decode() == "\0ana\0pässword"


def test_a_login_is_said_word_by_word():
    steps = smtp.auth_steps(frozenset(("LOGIN",)), "ana", "secret")
    assert steps[0] == b"AUTH LOGIN\r\n"
    assert [base64.b64decode(step) for step in steps[1:]] == [b"ana", b"secret"]


def test_a_password_that_plain_cannot_carry_takes_another_way_or_none():
    assert smtp.auth_steps(frozenset(("PLAIN", "LOGIN")), "ana", "a\0b")[0] == b"AUTH LOGIN\r\n"
    assert smtp.auth_steps(frozenset(("CRAM-MD5",)), "ana", "secret") == []


def converse(transaction, *codes):
    """What was written before each reply, until no more is expected."""
    said = []
    for code in codes:
        assert transaction.stage
        said.append(transaction.says())
        transaction.hears(Reply(code))
    assert (transaction.stage, transaction.says()) == ("", b"")
    return said


MAIL = b"MAIL FROM:<b+1@shop.example>\r\n"
RCPT = b"RCPT TO:<ana@customers.example>\r\n"
DATA = b"DATA\r\n"
TOGETHER = Abilities(pipelining=True)


def test_commands_wait_for_each_other():
    transaction = Transaction(TO, Abilities())
    assert converse(transaction, 250, 251, 354) == [MAIL, RCPT, DATA]
    assert transaction.refusal is None


def test_commands_go_together_where_the_server_takes_them():
    transaction = Transaction(TO, TOGETHER)
    assert converse(transaction, 250, 250, 354) == [MAIL + RCPT + DATA, b"", b""]
    assert transaction.refusal is None


def test_after_a_refusal_nothing_more_is_said():
    transaction = Transaction(TO, Abilities())
    assert converse(transaction, 250, 550) == [MAIL, RCPT]
    assert transaction.refusal == Refusal("rcpt", 550)
    assert (transaction.unwanted, transaction.sound, transaction.begun) == (False, True, True)


def test_of_several_refusals_the_first_is_the_reason():
    transaction = Transaction(TO, TOGETHER)
    converse(transaction, 550, 503, 503)
    assert transaction.refusal == Refusal("mail", 550)
    assert not transaction.unwanted


def test_a_go_ahead_without_a_recipient_is_unwanted():
    transaction = Transaction(TO, TOGETHER)
    converse(transaction, 250, 550, 354)
    assert transaction.refusal == Refusal("rcpt", 550)
    assert (transaction.unwanted, transaction.sound) == (True, True)


@pytest.mark.parametrize("codes", [(250, 250, 250), (354,), (250, 354)])
def test_a_yes_to_another_question_is_out_of_step(codes):
    transaction = Transaction(TO, TOGETHER)
    converse(transaction, *codes)
    assert transaction.refusal is not None
    assert (transaction.refusal.code, transaction.sound) == (0, False)
    assert transaction.refusal.text.startswith("out of step")


def test_a_server_that_closes_is_not_spoken_to_again():
    transaction = Transaction(TO, Abilities())
    converse(transaction, 250, 421)
    assert (transaction.refusal, transaction.sound) == (Refusal("rcpt", 421), False)


def test_the_size_is_told_where_it_is_asked_for():
    said = Transaction(TO, Abilities(size=1_000)).says()
    assert said == b"MAIL FROM:<b+1@shop.example> SIZE=1000\r\n"


def test_a_mail_that_is_too_big_is_not_begun():
    transaction = Transaction(TO, Abilities(size=999))
    assert converse(transaction) == []
    assert transaction.refusal is not None
    assert (transaction.refusal.code, transaction.refusal.enhanced) == (552, "5.3.4")
    assert not transaction.begun


def test_utf8_is_asked_for_by_an_address_that_needs_it_only():
    zoe = Envelope("", "zoé@customers.example", 10)
    assert Transaction(zoe, Abilities(smtputf8=True)).says() == b"MAIL FROM:<> SMTPUTF8\r\n"
    assert Transaction(TO, Abilities(smtputf8=True)).says() == MAIL


def test_an_address_that_the_server_cannot_read_is_not_said():
    transaction = Transaction(Envelope("", "zoé@customers.example", 10), Abilities())
    assert converse(transaction) == []
    assert transaction.refusal is not None
    assert (transaction.refusal.stage, transaction.refusal.enhanced) == ("address", "5.6.7")


def test_a_refusal_reads_as_one_line():
    assert str(Refusal("rcpt", 550, "5.1.1", "no such user")) == "rcpt: 550 5.1.1 no such user"
    assert str(Refusal("connect", text="refused")) == "connect: refused"
    assert str(Refusal("", text="stopped")) == "smtp: stopped"
