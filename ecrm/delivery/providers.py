"""HTTP mail APIs: how each wants a mail to be said, and what its refusals mean (delivery §1.5, §4).

A `Submission` and a token make a `Request`; `answers.read` reads what comes back. What holds for
all of them:

- the mail's id travels along as metadata and, where the API knows one, as the idempotency key; on
  every try the request is the same, byte for byte;
- our `Message-ID` and the ways out (`List-Unsubscribe`, `List-Unsubscribe-Post`) are passed on, and
  the provider's own tracking is switched off wherever a request can say so (Brevo and Resend know
  it only as a setting of the account or the domain, MailPace tracks nothing);
- a refusal that blames our account, sender or settings never costs a mail its life.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from ecrm import moment
from ecrm.delivery.addresses import Mailbox
from ecrm.moment import Duration

# What a provider means by a refusal; `answers` says what follows.
Meaning = Literal["taken", "later", "unclear", "ours", "recipient", "letter"]
# Headers that an API writes itself, from the fields of the request or as a relay does.
_NOT_PASSED_ON: Final = frozenset((
    "from", "to", "reply-to", "subject", "date", "mime-version", "return-path", "received",
    "dkim-signature",
))  # fmt: skip


class Submission(msgspec.Struct, frozen=True, gc=False):
    """A built mail, taken apart again for an API that wants parts. `headers` are all of its own."""

    mail_id: str
    sender: Mailbox
    to: str
    reply_to: Mailbox | None
    subject: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes
    marketing: bool


class Request(msgspec.Struct, frozen=True, gc=False):
    headers: dict[str, str]
    body: bytes


class Provider(msgspec.Struct, frozen=True, gc=False):
    """One API. `domain` is where its hosts are (empty: anywhere), `endpoint` the usual one (empty:
    it must be given), `id_at` the place of its own id in an answer, `key_lasts` how long it knows
    an idempotency key: a try after that may be a second mail. `rules` say what a refusal means:
    the first pattern that matches a line `path=value` of the answer.
    """

    name: str
    domain: str
    endpoint: str
    id_at: str
    key_lasts: Duration
    build: Callable[[Submission, str], Request]
    rules: tuple[tuple[str, Meaning], ...] = ()


def secrets_of(token: str) -> tuple[str, ...]:
    """How a token may be written in a request, and so in an answer that repeats it."""
    return (token, _basic(token))


def passed_on(submission: Submission) -> dict[str, str]:
    """The headers that an API does not write itself."""
    return {
        name: value
        for name, value in submission.headers
        if name.lower() not in _NOT_PASSED_ON and not name.lower().startswith("content-")
    }


def _postmark(one: Submission, token: str) -> Request:
    """Without `X-PM-KeepID` it would put a Message-ID of its own in the place of ours."""
    headers = {**passed_on(one), "X-PM-KeepID": "true"}
    return _json(
        {"X-Postmark-Server-Token": token},
        {
            "From": _written(one.sender),
            "To": one.to,
            **({"ReplyTo": _written(one.reply_to)} if one.reply_to else {}),
            "Subject": one.subject,
            "HtmlBody": one.html,
            "TextBody": one.text,
            "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
            "TrackOpens": False,
            "TrackLinks": "None",
            "Metadata": {"mail_id": one.mail_id},
            # The ids of the two streams that every server begins with.
            "MessageStream": "broadcast" if one.marketing else "outbound",
        },
    )


def _sendgrid(one: Submission, token: str) -> Request:
    off = {"enable": False}
    parts = (("text/plain", one.text), ("text/html", one.html))
    return _json(
        {"Authorization": f"Bearer {token}"},
        {
            "personalizations": [{"to": [{"email": one.to}]}],
            "from": _split(one.sender),
            **({"reply_to": _split(one.reply_to)} if one.reply_to else {}),
            "subject": one.subject,
            "content": [{"type": kind, "value": part} for kind, part in parts if part],
            "headers": passed_on(one),
            "custom_args": {"mail_id": one.mail_id},
            "tracking_settings": {
                "click_tracking": {"enable": False, "enable_text": False},
                "open_tracking": off,
                "subscription_tracking": off,
                "ganalytics": off,
            },
        },
    )


def _mailgun(one: Submission, token: str) -> Request:
    """`messages.mime` takes our own bytes, so nothing of them can get lost."""
    fields = {
        "to": one.to,
        "o:tracking": "no",
        "o:tracking-clicks": "no",
        "o:tracking-opens": "no",
        "v:mail_id": one.mail_id,
    }
    # A hash of the mail cannot well be found in it.
    boundary = "ecrm-" + blake2b(one.raw, digest_size=16).hexdigest()
    out = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    out.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="message";'
        ' filename="message.mime"\r\nContent-Type: application/octet-stream\r\n\r\n'
    )
    return Request(
        {
            "Authorization": f"Basic {_basic(token)}",
            "Accept": "application/json",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
        "".join(out).encode() + one.raw + f"\r\n--{boundary}--\r\n".encode(),
    )


def _brevo(one: Submission, token: str) -> Request:
    headers = {"idempotencyKey": one.mail_id, "X-Mailin-custom": one.mail_id}
    return _json(
        {"api-key": token},
        {
            "sender": _split(one.sender),
            "to": [{"email": one.to}],
            **({"replyTo": _split(one.reply_to)} if one.reply_to else {}),
            "subject": one.subject,
            "htmlContent": one.html,
            "textContent": one.text,
            "headers": {**passed_on(one), **headers},
        },
    )


def _resend(one: Submission, token: str) -> Request:
    return _json(
        {"Authorization": f"Bearer {token}", "Idempotency-Key": one.mail_id},
        {
            "from": _written(one.sender),
            "to": [one.to],
            **({"reply_to": _written(one.reply_to)} if one.reply_to else {}),
            "subject": one.subject,
            "html": one.html,
            "text": one.text,
            "headers": passed_on(one),
            "tags": [{"name": "mail_id", "value": one.mail_id}],
        },
    )


def _mailpace(one: Submission, token: str) -> Request:
    """It takes no headers but the one it names; it knows no advertising either."""
    ways = {name.lower(): value for name, value in one.headers}.get("list-unsubscribe", "")
    return _json(
        {"MailPace-Server-Token": token, "Idempotency-Key": one.mail_id},
        {
            "from": _written(one.sender),
            "to": one.to,
            **({"replyto": _written(one.reply_to)} if one.reply_to else {}),
            "subject": one.subject,
            "htmlbody": one.html,
            "textbody": one.text,
            **({"list_unsubscribe": ways} if ways else {}),
            "tags": [one.mail_id],
        },
    )


def _generic(one: Submission, token: str) -> Request:
    """The mail as it is, and its envelope in headers: for a relay of the shop's own."""
    return Request(
        {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Content-Type": "message/rfc822",
            "Idempotency-Key": one.mail_id,
            "X-Ecrm-Mail": one.mail_id,
            "X-Ecrm-To": one.to,
        },
        one.raw,
    )


PROVIDERS: Final[dict[str, Provider]] = {
    provider.name: provider
    for provider in (
        Provider(
            "postmark", "postmarkapp.com", "https://api.postmarkapp.com/email", "MessageID",
            Duration(0), _postmark,
            (
                (r"ErrorCode=406$", "recipient"),
                (r"Message=(?:Invalid|Error parsing) 'To'", "recipient"),
                (r"ErrorCode=(?:10|400|401|405|412|413)$", "ours"),
                (r"Message=(?:Invalid|Error parsing) '(?:From|Reply-?To)'", "ours"),
                (r"Message=.*(?i:message ?stream)", "ours"),
                (r"ErrorCode=(?:100|429)$", "later"),
            ),
        ),
        Provider(
            "sendgrid", "sendgrid.com", "https://api.sendgrid.com/v3/mail/send", "x-message-id",
            Duration(0), _sendgrid,
            (
                (r"errors\.\d+\.field=personalizations\.\d+\.to\b", "recipient"),
                (r"errors\.\d+\.field=(?:from|reply_to)\b", "ours"),
                (r"errors\.\d+\.message=.*(?:Sender Identity|credits exceeded)", "ours"),
            ),
        ),
        Provider(
            "mailgun", "mailgun.net", "", "id", Duration(0), _mailgun,
            (
                (r"message='?to'? parameter is not a valid address", "recipient"),
                (r"message='?from'? parameter", "ours"),
                (r"message=.*(?i:domain|sandbox|not allowed|disabled)", "ours"),
            ),
        ),
        Provider(
            # The announcement says a quarter of an hour, the guide half of one: the shorter.
            "brevo", "brevo.com", "https://api.brevo.com/v3/smtp/email", "messageId",
            moment.minutes(15), _brevo,
            (
                # It does not repeat its first answer: it says that it has this one already.
                (r"code=duplicate_parameter$", "taken"),
                (r"message=email is not valid in to\b", "recipient"),
                (r"message=.*(?i:sender)", "ours"),
                (r"code=(?:not_enough_credits|account_under_validation)$", "ours"),
                (r"code=(?:unauthorized|permission_denied|reseller_permission_denied)$", "ours"),
            ),
        ),
        Provider(
            "resend", "resend.com", "https://api.resend.com/emails", "id",
            moment.hours(24), _resend,
            (
                # The key was used for other bytes: what became of those is not said.
                (r"name=invalid_idempotent_request$", "unclear"),
                (r"message=.*[`'\"]to[`'\"]", "recipient"),
                (r"message=.*(?:[`'\"]from[`'\"]|(?i:domain))", "ours"),
            ),
        ),
        Provider(
            "mailpace", "mailpace.com", "https://app.mailpace.com/api/v1/send", "id",
            moment.hours(24), _mailpace,
            (
                (r"errors\.to\.\d+=", "recipient"),
                (r"error=.*(?i:token|from address|domain|organization)", "ours"),
            ),
        ),
        Provider("generic", "", "", "id", Duration(0), _generic),
    )
}  # fmt: skip


def _json(headers: dict[str, str], payload: dict[str, object]) -> Request:
    kinds = {"Accept": "application/json", "Content-Type": "application/json"}
    return Request({**headers, **kinds}, msgspec.json.encode(payload))


def _basic(token: str) -> str:
    return base64.b64encode(f"api:{token}".encode()).decode()


def _split(mailbox: Mailbox) -> dict[str, str]:
    named = {"name": mailbox.name} if mailbox.name else {}
    return {"email": mailbox.address, **named}


def _written(mailbox: Mailbox) -> str:
    """`"Name" <a@b>` (RFC 5322 §3.4), the name in UTF-8: the API encodes it."""
    if not mailbox.name:
        return mailbox.address
    name = mailbox.name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{mailbox.address}>'
