"""What providers tell, read: payloads as their documentation shows them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm.delivery import webhooks
from ecrm.delivery.webhooks import PROVIDERS, event, proof, ses
from ecrm.errors import Rejected
from ecrm.moment import Instant

MAIL = "01890a5d-ac96-774b-bcce-b302099a8057"
MESSAGE_ID = f"{MAIL}.1@shop.example"
NOW = Instant(1_772_442_000_000)
ADDRESS = "cliente@example.org"
GONE = "smtp; 550 5.1.1 no such user"
SPAM = "550 5.7.1 rejected as spam"


def read(provider, payload):
    return webhooks.read(provider, json.dumps(payload).encode(), NOW)


def only(provider, payload):
    [found] = read(provider, payload)
    return found


def postmark(kind="HardBounce", details=GONE, **more):
    return {
        "RecordType": "Bounce", "ID": 42, "Type": kind, "TypeCode": 1, "MessageID": "pm-1",
        "Details": details, "Email": ADDRESS, "BouncedAt": "2026-03-02T09:00:00.1234567Z",
        "Metadata": {"mail_id": MAIL}, "Inactive": True, **more,
    }  # fmt: skip


def sendgrid(kind="bounce", **more):
    return {
        "email": ADDRESS, "timestamp": 1_772_442_000, "event": kind, "sg_event_id": "e1",
        "sg_message_id": "sg-1.filter0001.16648.5515E0B88.0", "smtp-id": f"<{MESSAGE_ID}>", **more,
    }  # fmt: skip


def mailgun(kind="failed", **more):
    data = {
        "event": kind, "timestamp": 1_772_442_000.25, "id": "mg-e1", "recipient": ADDRESS,
        "message": {"headers": {"message-id": MESSAGE_ID}}, "user-variables": {"mail_id": MAIL},
        **more,
    }  # fmt: skip
    return {"signature": {"timestamp": "1", "token": "t", "signature": "s"}, "event-data": data}


def failed(message, code=550, severity="permanent", **more):
    status = {"code": code, "message": message, "enhanced-code": "5.1.1"}
    return mailgun(severity=severity, **{"delivery-status": status}, **more)


def brevo(kind="hard_bounce", reason=GONE, **more):
    return {
        "event": kind, "email": ADDRESS, "id": 7, "date": "2026-03-02 10:00:00",
        "ts": 1_772_445_600, "ts_event": 1_772_445_600, "ts_epoch": NOW,
        "message-id": "<bv-1@relay.example>", "reason": reason, "X-Mailin-custom": MAIL, **more,
    }  # fmt: skip


def resend(kind="email.bounced", bounce=None, **more):
    data = {
        "email_id": "re-1", "to": [f"Cliente <{ADDRESS}>"], "tags": {"mail_id": MAIL}, **more,
        **({"bounce": bounce} if bounce else {}),
    }  # fmt: skip
    return {"type": kind, "created_at": "2026-03-02T09:00:00Z", "data": data}


def sns(message, kind="Notification", **more):
    return {
        "Type": kind, "MessageId": "sns-1", "TopicArn": "arn:aws:sns:eu-west-3:1:bounces",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-03-02T09:00:00.000Z", "SignatureVersion": "2", "Signature": "",
        "SigningCertURL": "https://sns.eu-west-3.amazonaws.com/x.pem", **more,
    }  # fmt: skip


SES_MAIL = {
    "messageId": "ses-1",
    "headers": [{"name": "Message-ID", "value": f"<{MESSAGE_ID}>"}],
    "tags": {},
}
AT = "2026-03-02T09:00:00.000Z"


def bounced(kind="Permanent", subtype="General", said=GONE, **more):
    who = {"emailAddress": ADDRESS, "action": "failed", "status": "5.1.1", "diagnosticCode": said}
    bounce = {
        "bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": [who], "timestamp": AT,
    }  # fmt: skip
    return sns({"notificationType": "Bounce", "bounce": bounce, "mail": SES_MAIL, **more})


def complained(**more):
    complaint = {"complainedRecipients": [{"emailAddress": ADDRESS}], "timestamp": AT, **more}
    return sns({"eventType": "Complaint", "complaint": complaint, "mail": SES_MAIL})


DELIVERED_BY_SES = sns(
    {
        "notificationType": "Delivery",
        "delivery": {"timestamp": AT, "recipients": [ADDRESS], "smtpResponse": "250 ok"},
        "mail": SES_MAIL,
    }
)
DELAYED_BY_SES = sns(
    {
        "eventType": "DeliveryDelay",
        "deliveryDelay": {"timestamp": AT, "delayedRecipients": [{"emailAddress": ADDRESS}]},
        "mail": SES_MAIL,
    }
)

HARD = [
    ("postmark", postmark(), "pm-1"),
    ("sendgrid", sendgrid(reason=GONE, status="5.1.1", type="bounce"), "sg-1"),
    ("mailgun", failed("no such user"), MESSAGE_ID),
    ("brevo", brevo(), "<bv-1@relay.example>"),
    ("resend", resend(bounce={"type": "Permanent", "subType": "General", "message": "x"}), "re-1"),
    ("ses", bounced(), "ses-1"),
]


@pytest.mark.parametrize(("provider", "payload", "provider_id"), HARD)
def test_a_hard_bounce_is_one_with_every_provider(provider, payload, provider_id):
    found = only(provider, payload)
    assert (found.verdict, found.reason) == ("hard", "no_such_mailbox")
    assert (found.address, found.mail_id, found.provider_id) == (ADDRESS, MAIL, provider_id)
    assert found.at // 1_000 == NOW // 1_000


def test_every_provider_is_asked():
    assert {row[0] for row in HARD} == set(PROVIDERS)


MEANINGS = [
    ("postmark", postmark(details=SPAM), "block"),
    ("postmark", postmark(details=""), "hard"),
    ("postmark", postmark("SoftBounce", details="552 mailbox full"), "soft"),
    ("postmark", postmark("SoftBounce", details=GONE), "soft"),
    ("postmark", postmark("SoftBounce", details=SPAM), "block"),
    ("postmark", postmark("Transient", details=""), "deferred"),
    ("postmark", postmark("DMARCPolicy"), "block"),
    ("postmark", postmark("ChallengeVerification"), "auto_reply"),
    ("postmark", postmark("SomethingNew", details=""), "unknown"),
    ("postmark", postmark(RecordType="SpamComplaint"), "complaint"),
    ("postmark", {"RecordType": "Delivery", "Recipient": ADDRESS, "DeliveredAt": AT}, "delivered"),
    ("sendgrid", sendgrid(reason=SPAM, type="bounce"), "block"),
    ("sendgrid", sendgrid(reason="zxqv", type="blocked"), "block"),
    ("sendgrid", sendgrid(), "hard"),
    ("sendgrid", sendgrid("dropped", reason="Bounced Address"), "hard"),
    ("sendgrid", sendgrid("dropped", reason="Spam Reporting Address"), "complaint"),
    ("sendgrid", sendgrid("dropped", reason="Unsubscribed Address"), "unsubscribed"),
    ("sendgrid", sendgrid("dropped", reason="Recipient List over Package Quota"), "block"),
    ("sendgrid", sendgrid("dropped"), "block"),
    ("sendgrid", sendgrid("deferred", response="400 try again"), "deferred"),
    ("sendgrid", sendgrid("delivered", response="250 OK"), "delivered"),
    ("sendgrid", sendgrid("spamreport"), "complaint"),
    ("sendgrid", sendgrid("group_unsubscribe"), "unsubscribed"),
    ("mailgun", failed(SPAM), "block"),
    ("mailgun", failed("", code=550), "hard"),
    ("mailgun", failed("try later", severity="temporary"), "deferred"),
    ("mailgun", mailgun(reason="suppress-bounce"), "hard"),
    ("mailgun", mailgun(reason="suppress-complaint"), "complaint"),
    ("mailgun", mailgun(reason="suppress-unsubscribe"), "unsubscribed"),
    ("mailgun", mailgun(severity="permanent"), "hard"),
    ("mailgun", mailgun("delivered"), "delivered"),
    ("mailgun", mailgun("complained", message=None, **{"user-variables": []}), "complaint"),
    ("brevo", brevo(reason=SPAM), "block"),
    ("brevo", brevo("soft_bounce", reason=None), "soft"),
    ("brevo", brevo("blocked"), "block"),
    ("brevo", brevo("spam"), "complaint"),
    ("brevo", brevo("unsubscribed"), "unsubscribed"),
    ("brevo", brevo("deferred"), "deferred"),
    ("brevo", brevo("delivered"), "delivered"),
    ("resend", resend(bounce={"type": "Transient", "subType": "MailboxFull"}), "soft"),
    ("resend", resend(bounce={"type": "Permanent", "diagnosticCode": [SPAM]}), "block"),
    ("resend", resend(bounce={"type": "Permanent", "diagnosticCode": GONE}), "hard"),
    ("resend", resend(bounce={"message": "this can harm your reputation"}), "hard"),
    ("resend", resend("email.suppressed"), "hard"),
    ("resend", resend("email.complained"), "complaint"),
    ("resend", resend("email.delivered"), "delivered"),
    ("resend", resend("email.delivery_delayed"), "deferred"),
    ("ses", bounced(said=SPAM), "block"),
    ("ses", bounced("Transient", "MailboxFull", "552 5.2.2 mailbox full"), "soft"),
    ("ses", bounced("Transient", "ContentRejected", None), "block"),
    ("ses", bounced("Permanent", "OnAccountSuppressionList", None), "hard"),
    ("ses", bounced("Undetermined", "Undetermined", None), "unknown"),
    ("ses", complained(), "complaint"),
    ("ses", complained(complaintFeedbackType="abuse"), "complaint"),
    ("ses", complained(complaintFeedbackType="not-spam"), "unknown"),
    ("ses", DELIVERED_BY_SES, "delivered"),
    ("ses", DELAYED_BY_SES, "deferred"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "payload", "verdict"), MEANINGS)
def test_what_a_provider_tells_means_what_the_server_said(provider, payload, verdict):
    assert only(provider, payload).verdict == verdict


CHANGES = [
    ("HardBounce", "hard"),
    ("SpamComplaint", "complaint"),
    ("ManualSuppression", "unsubscribed"),
]


@pytest.mark.parametrize(("reason", "verdict"), CHANGES)
def test_an_address_on_the_list_of_postmark_is_put_on_ours(reason, verdict):
    change = {
        "RecordType": "SubscriptionChange", "Recipient": ADDRESS, "ChangedAt": AT,
        "SuppressSending": True, "SuppressionReason": reason, "MessageID": "pm-1", "Metadata": {},
    }  # fmt: skip
    assert only("postmark", change).verdict == verdict
    assert read("postmark", change | {"SuppressSending": False}) == []


NONE_OF_OURS = [
    ("postmark", {"RecordType": "Open", "Recipient": ADDRESS}),
    ("sendgrid", sendgrid("open")),
    ("sendgrid", sendgrid("processed")),
    ("mailgun", mailgun("clicked")),
    ("brevo", brevo("unique_opened")),
    ("resend", resend("email.sent")),
    ("ses", sns({"eventType": "Send", "mail": SES_MAIL})),
    ("ses", sns("hello", "UnsubscribeConfirmation")),
]


@pytest.mark.parametrize(("provider", "payload"), NONE_OF_OURS)
def test_what_says_nothing_about_delivery_makes_no_event(provider, payload):
    assert read(provider, payload) == []


@pytest.mark.parametrize(("provider", "payload", "_"), HARD)
def test_what_is_told_again_has_the_same_id(provider, payload, _):
    assert only(provider, payload).event_id == only(provider, payload).event_id


def test_two_events_have_two_ids():
    first, second = read("brevo", [brevo(), brevo(email="other@example.org")])
    assert first.event_id != second.event_id


def test_each_recipient_of_a_notification_is_an_event():
    payload = bounced()
    message = json.loads(payload["Message"])
    message["bounce"]["bouncedRecipients"].append({"emailAddress": "other@example.org"})
    first, second = read("ses", sns(message))
    assert [first.address, second.address] == [ADDRESS, "other@example.org"]
    assert first.event_id != second.event_id


CARRIERS = [
    ("sendgrid", sendgrid(mail_id=MAIL, **{"smtp-id": None})),
    ("mailgun", mailgun("delivered", **{"user-variables": {}})),
    ("brevo", brevo(**{"X-Mailin-custom": json.dumps({"mail_id": MAIL})})),
    ("brevo", brevo(**{"X-Mailin-custom": f"mail_id:{MAIL}"})),
    ("brevo", brevo(**{"X-Mailin-custom": None, "message-id": f"<{MESSAGE_ID}>"})),
    ("resend", resend("email.delivered", tags=[{"name": "mail_id", "value": MAIL}])),
    ("resend", resend("email.delivered", tags=None, message_id=f"<{MESSAGE_ID}>")),
    ("ses", bounced(mail={"messageId": "ses-1", "tags": {"mail_id": [MAIL]}})),
]


@pytest.mark.parametrize(("provider", "payload"), CARRIERS)
def test_a_mail_is_found_by_what_it_was_sent_with(provider, payload):
    assert only(provider, payload).mail_id == MAIL


NOBODYS = [
    ("postmark", postmark(Metadata=None)),
    ("postmark", postmark(Metadata={"mail_id": 7})),
    ("sendgrid", sendgrid(**{"smtp-id": "<x@y>"})),
    ("brevo", brevo(**{"X-Mailin-custom": '{"mail_id": 7}'})),
    ("resend", resend("email.delivered", tags=["x"])),
]


@pytest.mark.parametrize(("provider", "payload"), NOBODYS)
def test_a_mail_that_is_not_named_is_not_guessed(provider, payload):
    assert only(provider, payload).mail_id == ""


def test_one_event_that_cannot_be_read_does_not_cost_the_others():
    found = read("sendgrid", [{"event": 7}, sendgrid("delivered"), sendgrid(timestamp=-1), 3])
    assert [one.reason for one in found] == ["unreadable", "delivered", "unreadable", "unreadable"]
    assert [one.at for one in found] == [NOW] * 4


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("payload", [{}, {"event": None}, {"Type": "Notification"}, []])
def test_json_that_is_no_event_costs_nothing(provider, payload):
    assert {one.verdict for one in read(provider, payload)} <= {"unknown"}


def test_a_time_that_is_missing_is_no_time():
    assert only("brevo", brevo(ts_epoch=None, ts_event=None, ts=None)).reason == "unreadable"
    assert only("brevo", brevo(ts_epoch=None)).at == Instant(1_772_445_600_000)
    assert only("postmark", postmark(BouncedAt=None)).reason == "unreadable"


@pytest.mark.parametrize(
    "body", [b"", b"x", b"7", b'"x"', b"null", b"[1,", b"\xff", b"[" * 100_000]
)
def test_a_body_that_is_no_json_of_a_provider_is_refused(body):
    with pytest.raises(Rejected, match="no JSON"):
        webhooks.read("brevo", body, NOW)


WORDS = st.sampled_from([
    "event", "event-data", "RecordType", "Bounce", "bounce", "failed", "email", "data", "type", "Type",
    "email.bounced", "Notification", "Message", "timestamp", "ts_epoch", "delivery-status",
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@given(st.sampled_from(PROVIDERS), st.dictionaries(WORDS, JSON, max_size=6))
def test_any_json_can_be_read(provider, payload):
    assert isinstance(read(provider, payload), list)


@given(st.sampled_from(HARD), st.data())
def test_any_payload_gone_wrong_can_be_read(row, data):
    provider, payload, _ = row
    name = data.draw(st.sampled_from(sorted(payload)))
    assert isinstance(read(provider, payload | {name: data.draw(JSON)}), list)


def test_a_topic_that_asks_to_send_is_shown_with_its_address():
    url = "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    asking = sns("hello", "SubscriptionConfirmation", SubscribeURL=url, Token="t")
    found = ses.subscription(proof.sns_message(json.dumps(asking).encode()))
    assert found == ses.Subscription("arn:aws:sns:eu-west-3:1:bounces", url)
    assert ses.subscription(proof.sns_message(json.dumps(bounced()).encode())) is None
    assert read("ses", asking) == []


def test_the_names_of_two_things_differ_however_they_are_cut():
    assert event.digest("ab", "c") != event.digest("a", "bc")
