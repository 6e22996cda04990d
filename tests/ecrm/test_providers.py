"""What is said to each mail provider, and what its answers mean (delivery §1.4, §1.5)."""

from __future__ import annotations

import base64
import email
import email.policy
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.delivery import answers, verdict
from ecrm.delivery.addresses import Mailbox
from ecrm.delivery.answers import Response
from ecrm.delivery.providers import PROVIDERS, Submission, secrets_of
from ecrm.moment import DAY, Instant, hours, minutes, seconds

TOKEN = "tok-abc123"
MAIL_ID = "0195a3c0-1111-7aaa-8bbb-222233334444"
# Monday 2 March 2026, 09:00 UTC
NOW = Instant(1_772_442_000_000)
ONE_CLICK = "List-Unsubscribe=One-Click"
WAYS = "<https://shop.test/u/tok>, <mailto:u+tok@shop.test?subject=unsubscribe>"
RAW = b"From: offers@shop.test\r\nSubject: Hello\r\n\r\nBonjour\r\n"
SUBMISSION = Submission(
    mail_id=MAIL_ID,
    sender=Mailbox('Vins & Délices, "Paris"', "offers@shop.test"),
    to="ana@example.fr",
    reply_to=Mailbox("", "help@shop.test"),
    subject="Votre panier vous attend — déjà",
    text="Bonjour Zoé",
    html="<p>Bonjour Zoé</p>",
    headers=(
        ("From", "offers@shop.test"),
        ("To", "ana@example.fr"),
        ("Reply-To", "help@shop.test"),
        ("Date", "Mon, 02 Mar 2026 10:00:00 +0100"),
        ("Message-ID", f"<{MAIL_ID}.2@shop.test>"),
        ("Subject", "Votre panier"),
        ("List-Id", "<cart.shop.test>"),
        ("List-Unsubscribe", WAYS),
        ("List-Unsubscribe-Post", ONE_CLICK),
        ("Feedback-ID", "campaign:cart:shop:abcde12345"),
        ("DKIM-Signature", "v=1; a=rsa-sha256"),
        ("MIME-Version", "1.0"),
        ("Content-Type", "multipart/alternative"),
        ("Content-Transfer-Encoding", "7bit"),
    ),
    raw=RAW,
    marketing=True,
)
PASSED_ON = {
    "Message-ID": f"<{MAIL_ID}.2@shop.test>",
    "List-Id": "<cart.shop.test>",
    "List-Unsubscribe": WAYS,
    "List-Unsubscribe-Post": ONE_CLICK,
    "Feedback-ID": "campaign:cart:shop:abcde12345",
}
SENDER = '"Vins & Délices, \\"Paris\\"" <offers@shop.test>'
JSON = {"Accept": "application/json", "Content-Type": "application/json"}
ALL = sorted(PROVIDERS)


def built(name, **changes):
    return PROVIDERS[name].build(msgspec.structs.replace(SUBMISSION, **changes), TOKEN)


def said_to(name, **changes):
    return json.loads(built(name, **changes).body)


def read(name, status, body=b"", **headers):
    told = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return answers.read(PROVIDERS[name], Response(status, named, told), NOW, secrets_of(TOKEN))


def action(answer, lane=1):
    return verdict.decide("http", answer.code, answer.enhanced, answer.text, lane)


def test_postmark_is_told_all_of_a_mail():
    assert built("postmark").headers == {"X-Postmark-Server-Token": TOKEN, **JSON}
    said = said_to("postmark")
    headers = {one["Name"]: one["Value"] for one in said.pop("Headers")}
    assert headers == {**PASSED_ON, "X-PM-KeepID": "true"}
    assert said == {
        "From": SENDER,
        "To": "ana@example.fr",
        "ReplyTo": "help@shop.test",
        "Subject": SUBMISSION.subject,
        "HtmlBody": SUBMISSION.html,
        "TextBody": SUBMISSION.text,
        "TrackOpens": False,
        "TrackLinks": "None",
        "Metadata": {"mail_id": MAIL_ID},
        "MessageStream": "broadcast",
    }


def test_postmark_keeps_what_is_owed_apart_from_advertising():
    assert said_to("postmark", marketing=False)["MessageStream"] == "outbound"


def test_sendgrid_is_told_all_of_a_mail():
    assert built("sendgrid").headers == {"Authorization": f"Bearer {TOKEN}", **JSON}
    assert said_to("sendgrid") == {
        "personalizations": [{"to": [{"email": "ana@example.fr"}]}],
        "from": {"email": "offers@shop.test", "name": SUBMISSION.sender.name},
        "reply_to": {"email": "help@shop.test"},
        "subject": SUBMISSION.subject,
        "content": [
            {"type": "text/plain", "value": SUBMISSION.text},
            {"type": "text/html", "value": SUBMISSION.html},
        ],
        "headers": PASSED_ON,
        "custom_args": {"mail_id": MAIL_ID},
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
    }


def test_sendgrid_is_given_no_empty_part():
    kinds = [part["type"] for part in said_to("sendgrid", text="")["content"]]
    assert kinds == ["text/html"]


def test_mailgun_is_given_our_own_bytes():
    request = built("mailgun")
    form = email.message_from_bytes(
        f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode() + request.body,
        policy=email.policy.HTTP,
    )
    parts = {
        part.get_param("name", header="content-disposition"): part for part in form.iter_parts()
    }
    mime = parts.pop("message")
    assert mime.get_payload(decode=True) == RAW
    assert mime.get_filename() == "message.mime"
    assert {name: part.get_payload() for name, part in parts.items()} == {
        "to": "ana@example.fr",
        "o:tracking": "no",
        "o:tracking-clicks": "no",
        "o:tracking-opens": "no",
        "v:mail_id": MAIL_ID,
    }
    scheme, _, login = request.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(login)) == ("Basic", f"api:{TOKEN}".encode())


def test_brevo_is_told_all_of_a_mail():
    assert built("brevo").headers == {"api-key": TOKEN, **JSON}
    assert said_to("brevo") == {
        "sender": {"email": "offers@shop.test", "name": SUBMISSION.sender.name},
        "to": [{"email": "ana@example.fr"}],
        "replyTo": {"email": "help@shop.test"},
        "subject": SUBMISSION.subject,
        "htmlContent": SUBMISSION.html,
        "textContent": SUBMISSION.text,
        "headers": {**PASSED_ON, "idempotencyKey": MAIL_ID, "X-Mailin-custom": MAIL_ID},
    }


def test_resend_is_told_all_of_a_mail():
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": MAIL_ID, **JSON}
    assert built("resend").headers == headers
    assert said_to("resend") == {
        "from": SENDER,
        "to": ["ana@example.fr"],
        "reply_to": "help@shop.test",
        "subject": SUBMISSION.subject,
        "html": SUBMISSION.html,
        "text": SUBMISSION.text,
        "headers": PASSED_ON,
        "tags": [{"name": "mail_id", "value": MAIL_ID}],
    }


def test_mailpace_is_told_what_it_can_hear_of_a_mail():
    headers = {"MailPace-Server-Token": TOKEN, "Idempotency-Key": MAIL_ID, **JSON}
    assert built("mailpace").headers == headers
    assert said_to("mailpace") == {
        "from": SENDER,
        "to": "ana@example.fr",
        "replyto": "help@shop.test",
        "subject": SUBMISSION.subject,
        "htmlbody": SUBMISSION.html,
        "textbody": SUBMISSION.text,
        "list_unsubscribe": WAYS,
        "tags": [MAIL_ID],
    }


def test_a_relay_of_ones_own_is_given_the_mail_and_its_envelope():
    request = built("generic")
    assert request.body == RAW
    assert request.headers == {
        "Authorization": f"Bearer {TOKEN}",
        "Accept": "application/json",
        "Content-Type": "message/rfc822",
        "Idempotency-Key": MAIL_ID,
        "X-Ecrm-Mail": MAIL_ID,
        "X-Ecrm-To": "ana@example.fr",
    }


@pytest.mark.parametrize("name", ALL)
def test_a_mail_without_a_reply_address_or_a_name_is_told_as_it_is(name):
    plain = {"reply_to": None, "sender": Mailbox("", "offers@shop.test"), "headers": ()}
    body = built(name, **plain).body
    assert b"help@shop.test" not in body
    assert b"null" not in body


@pytest.mark.parametrize("name", ALL)
def test_every_try_says_the_same_to_the_byte(name):
    assert built(name) == built(name)


@pytest.mark.parametrize("name", ALL)
def test_a_token_is_in_the_headers_and_never_in_the_body(name):
    request = built(name)
    assert any(one in value for value in request.headers.values() for one in secrets_of(TOKEN))
    assert TOKEN.encode() not in request.body


def test_a_key_is_relied_upon_for_as_long_as_its_provider_knows_it():
    assert {name: one.key_lasts for name, one in PROVIDERS.items() if one.key_lasts} == {
        "brevo": minutes(15),
        "resend": hours(24),
        "mailpace": hours(24),
    }


@pytest.mark.parametrize(
    ("name", "status", "body", "provider_id"),
    [
        ("postmark", 200, {"ErrorCode": 0, "MessageID": "b7bc-1", "Message": "OK"}, "b7bc-1"),
        ("mailgun", 200, {"id": "<1@mg>", "message": "Queued. Thank you."}, "<1@mg>"),
        ("brevo", 201, {"messageId": "<2@relay>"}, "<2@relay>"),
        ("resend", 200, {"id": "49a3"}, "49a3"),
        ("mailpace", 200, {"id": 3452, "status": "pending"}, "3452"),
        ("generic", 202, {"id": "x1"}, "x1"),
        ("generic", 204, b"", ""),
        ("generic", 200, b"<html>\xff", ""),
        ("generic", 200, {"id": "a\r\nb"}, "a b"),
    ],
)
def test_a_mail_that_was_taken_is_known_by_its_provider_s_id(name, status, body, provider_id):
    answer = read(name, status, body)
    assert (answer.verdict, answer.provider_id) == ("accepted", provider_id)
    assert action(answer).action == "accepted"


def test_sendgrid_names_the_mail_in_a_header():
    assert read("sendgrid", 202, x_message_id="14c5").provider_id == "14c5"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 599])
def test_what_passes_is_tried_again(name, status):
    answer = read(name, status, {"message": "later"})
    assert (answer.verdict, answer.retry_after) == ("retry", None)
    decision = action(answer)
    assert (decision.action, decision.burns) == ("retry", True)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 407])
def test_what_is_our_own_fault_stops_the_transport_and_costs_no_mail_an_attempt(name, status):
    answer = read(name, status, {"message": "user unknown"})
    assert answer.verdict == "retry"
    decision = action(answer)
    assert (decision.action, decision.burns, decision.alarm) == ("breaker", False, True)


@pytest.mark.parametrize(
    ("name", "status", "body", "said"),
    [
        ("mailpace", 401, {"errors": {"to": ["contains a blocked address"]}}, "breaker"),
        ("mailpace", 403, {"errors": {"to": ["contains a blocked address"]}}, "breaker"),
        ("brevo", 429, {"code": "duplicate_parameter"}, "retry"),
        ("brevo", 503, {"code": "duplicate_parameter"}, "retry"),
    ],
)
def test_where_the_status_is_clear_the_words_do_not_count(name, status, body, said):
    assert action(read(name, status, body)).action == said


SENDERS = [
    ("postmark", 422, {"ErrorCode": 400, "Message": "The 'From' address is not a Signature."}),
    ("postmark", 422, {"ErrorCode": 300, "Message": "Invalid 'From' address: 'x'."}),
    ("postmark", 422, {"ErrorCode": 1235, "Message": "The MessageStream 'x' was not found."}),
    ("sendgrid", 400, {"errors": [{"message": "bad", "field": "from.email"}]}),
    ("sendgrid", 400, {"errors": [{"message": "Maximum credits exceeded", "field": None}]}),
    ("mailgun", 400, {"message": "'from' parameter is not a valid address"}),
    ("mailgun", 400, {"message": "Domain mg.shop.test is not allowed to send"}),
    ("brevo", 400, {"code": "invalid_parameter", "message": "valid sender email required"}),
    ("brevo", 400, {"code": "not_enough_credits", "message": "no"}),
    ("resend", 422, {"name": "validation_error", "message": "Invalid `from` field."}),
    ("mailpace", 400, {"error": "Invalid API Token"}),
    ("mailpace", 400, {"error": "Email from address not parseable"}),
]


@pytest.mark.parametrize(("name", "status", "body"), SENDERS)
def test_a_refusal_that_blames_the_account_or_the_sender_is_our_own_fault(name, status, body):
    answer = read(name, status, body)
    assert (answer.verdict, action(answer).action) == ("retry", "breaker")


RECIPIENTS = [
    ("postmark", 422, {"ErrorCode": 406, "Message": "marked as inactive"}),
    ("postmark", 406, {"ErrorCode": 406, "Message": "marked as inactive"}),
    ("postmark", 422, {"ErrorCode": 300, "Message": "Invalid 'To' address: 'x'."}),
    ("sendgrid", 400, {"errors": [{"message": "x", "field": "personalizations.0.to.0.email"}]}),
    ("mailgun", 400, {"message": "to parameter is not a valid address. please check"}),
    ("mailgun", 400, {"message": "'to' parameter is not a valid address. please check"}),
    ("brevo", 400, {"code": "invalid_parameter", "message": "email is not valid in to"}),
    ("resend", 422, {"name": "validation_error", "message": "Invalid `to` field. It needs ..."}),
    ("mailpace", 400, {"errors": {"to": ["contains a blocked address"]}}),
]


@pytest.mark.parametrize(("name", "status", "body"), RECIPIENTS)
def test_a_recipient_nobody_can_write_to_is_suppressed(name, status, body):
    answer = read(name, status, body)
    assert answer.verdict == "refused"
    decision = action(answer)
    assert (decision.action, decision.suppresses) == ("dead", True)


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("postmark", 422, {"ErrorCode": 300, "Message": "Invalid 'Tag' value"}),
        ("sendgrid", 400, {"errors": [{"message": "bad", "field": "content.0.value"}]}),
        ("sendgrid", 406, {"errors": [{"message": "bad", "field": "accept"}]}),
        ("sendgrid", 413, b""),
        ("mailgun", 400, {"message": "message is a required field"}),
        ("brevo", 400, {"code": "missing_parameter", "message": "subject is missing"}),
        ("resend", 422, {"name": "missing_required_field", "message": "Missing `html`."}),
        ("mailpace", 400, {"errors": {"attachments.name": ["blocked"]}}),
        ("generic", 422, b"no"),
        ("generic", 451, b"<html>"),
    ],
)
def test_a_refusal_of_this_one_mail_ends_it_and_spares_its_recipient(name, status, body):
    answer = read(name, status, body)
    assert answer.verdict == "refused"
    decision = action(answer)
    assert (decision.action, decision.suppresses, decision.alarm) == ("dead", False, True)


def test_a_key_that_brevo_has_seen_is_a_mail_that_it_has_taken():
    answer = read("brevo", 400, {"code": "duplicate_parameter", "message": "was used"})
    assert (answer.verdict, action(answer).action) == ("accepted", "accepted")


def test_a_key_that_resend_knows_with_other_bytes_leaves_the_mail_in_doubt():
    answer = read("resend", 409, {"name": "invalid_idempotent_request", "message": "x"})
    assert (answer.verdict, action(answer).action) == ("in_doubt", "in_doubt")
    running = read("resend", 409, {"name": "concurrent_idempotent_requests", "message": "x"})
    assert running.verdict == "retry"


@pytest.mark.parametrize("status", [0, 100, 199, 600, 999])
def test_a_status_that_is_none_leaves_the_mail_in_doubt(status):
    assert read("generic", status).verdict == "in_doubt"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "120"}, seconds(120)),
        ({"retry_after": " 0 "}, seconds(0)),
        ({"retry_after": "99999999999"}, DAY),
        ({"retry_after": "Mon, 02 Mar 2026 09:02:00 GMT"}, seconds(120)),
        ({"retry_after": "Mon, 02 Mar 2026 08:00:00 GMT"}, seconds(0)),
        ({"retry_after": "Mon, 02 Mar 2037 08:00:00 GMT"}, DAY),
        # Its clock goes an hour ahead of ours.
        (
            {
                "retry_after": "Mon, 02 Mar 2026 10:02:00 GMT",
                "date": "Mon, 02 Mar 2026 10:00:00 GMT",
            },
            seconds(120),
        ),
        ({"retry_after": "Mon, 02 Mar 2026 09:02:00 GMT", "date": "yesterday"}, seconds(120)),
        ({"retry_after": "Mon, 02 Mar 2026 09:02:00 -0000"}, seconds(120)),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "²"}, None),
        ({"retry_after": "Mon, 99 Mar 99999 09:02:00 GMT"}, None),
        ({}, None),
    ],
)
def test_a_wait_that_is_asked_for_is_heard_in_seconds_and_as_a_date(headers, wait):
    assert read("sendgrid", 429, **headers).retry_after == wait


def test_a_wait_is_heard_only_where_the_mail_is_tried_again():
    assert read("sendgrid", 202, retry_after="5").retry_after is None
    assert read("sendgrid", 503, retry_after="5").retry_after == seconds(5)


def test_what_an_answer_says_is_kept_short_and_on_one_line():
    assert read("resend", 422, {"name": "a", "message": "b\r\n\x1bc"}).text == (
        "resend: 422 name=a; message=b c"
    )
    assert read("generic", 500, b"<p>\r\n" + b"x" * 999).text == "generic: 500 <p> " + "x" * 183


@pytest.mark.parametrize("secret", secrets_of(TOKEN))
@pytest.mark.parametrize("before", [0, 170, 190])
def test_a_secret_that_is_repeated_to_us_is_not_kept(secret, before):
    body = {"id": secret, "message": "x" * before + secret}
    for status in (200, 400, 500):
        answer = read("generic", status, body)
        assert secret[:4] not in answer.text
        assert secret not in answer.provider_id


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(
    name=st.sampled_from(ALL),
    status=st.integers(-1, 1_000),
    body=st.binary() | JSONS.map(lambda told: json.dumps(told).encode()),
    wait=st.text() | st.datetimes().map(str),
)
def test_any_answer_has_a_meaning(name, status, body, wait):
    response = Response(status, {"retry-after": wait, "date": wait}, body)
    answer = answers.read(PROVIDERS[name], response, NOW, secrets_of(TOKEN))
    assert (answer.verdict == "accepted") == (
        200 <= status < 300 or (name == "brevo" and answer.code == 200)
    )
    assert answer.retry_after is None or 0 <= answer.retry_after <= DAY
    assert len(answer.text) <= answers.SHOWN


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900])
def test_a_bottomless_answer_is_not_followed_down(body):
    assert read("generic", 500, body).verdict == "retry"
