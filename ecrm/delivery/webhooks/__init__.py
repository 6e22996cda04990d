"""What mail providers tell about mails, by HTTP: read into `Event`s (delivery §1.6).

A request is proved first (`proof`), then read. Only JSON at all is asked for: what a provider adds
or renames later must not make it repeat the rest for days, so an item that cannot be read becomes
an `unknown` event, and one of a kind we do not use becomes none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

import msgspec

from ecrm import errors
from ecrm.delivery.webhooks import brevo, event, mailgun, postmark, resend, sendgrid, ses
from ecrm.delivery.webhooks.event import Event
from ecrm.moment import Instant

__all__ = ["PROVIDERS", "Event", "Provider", "read"]

Provider = Literal["postmark", "sendgrid", "mailgun", "brevo", "resend", "ses"]
PROVIDERS: Final[tuple[Provider, ...]] = get_args(Provider)

_READERS: Final[dict[Provider, Callable[[bytes], list[Event]]]] = {
    "postmark": postmark.read,
    "sendgrid": sendgrid.read,
    "mailgun": mailgun.read,
    "brevo": brevo.read,
    "resend": resend.read,
    "ses": ses.read,
}
_batch = msgspec.json.Decoder(list[msgspec.Raw])
_one = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read(provider: Provider, body: bytes, now: Instant) -> list[Event]:
    """The events in a request that was proved; `now` is when it came. Raises errors.Rejected on a
    body that is no JSON object and no list.
    """
    reader = _READERS[provider]
    found: list[Event] = []
    for item in _items(body):
        try:
            found += reader(item)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            found.append(Event(event.digest(item), "unknown", "unreadable", now))
    return found


def _items(body: bytes) -> list[bytes]:
    try:
        if body.lstrip()[:1] == b"[":
            return [bytes(item) for item in _batch.decode(body)]
        _one.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        raise errors.Rejected("bad_body", "the body is no JSON that a provider sends") from None
    return [body]
