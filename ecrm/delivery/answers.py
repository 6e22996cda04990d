"""What the answer of an HTTP mail API means for its mail: the HTTP rows of delivery §1.4.

The status decides, and where a refusal says whose fault it was, the provider's own rules do. A
status that blames our account or our settings, a redirect among them, leaves the mail where it is;
only what blames the recipient or this one mail ends it. Reading is total: whatever comes back has
a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, Literal

import msgspec

from ecrm import moment
from ecrm.delivery.providers import Meaning, Provider
from ecrm.moment import DAY, Duration, Instant

Verdict = Literal["accepted", "retry", "refused", "in_doubt"]

# Each meaning in the terms of the table in `verdict`: an answer whose body says more than its
# status is given the status that says the same, and the enhanced code where there is one.
MEANINGS: Final[dict[Meaning, tuple[Verdict, int, str]]] = {
    "taken": ("accepted", 200, ""),
    "later": ("retry", 503, ""),
    "unclear": ("in_doubt", 0, ""),
    "ours": ("retry", 403, ""),
    "recipient": ("refused", 422, "5.1.1"),
    "letter": ("refused", 400, ""),
}

# Longer than this no provider has us wait: the mail would be of no use any more.
LONGEST_WAIT: Final = DAY
# What is kept of an answer: enough for a person to see what was wrong.
SHOWN: Final = 200

_TRANSIENT: Final = frozenset((408, 409, 425, 429))
_OURS: Final = frozenset((401, 402, 403, 404, 405, 407))
# Whatever the body says, these statuses have one meaning only.
_CLEAR: Final = frozenset((401, 403, 408, 425, 429))
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Response(msgspec.Struct, frozen=True, gc=False):
    """What came back; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What an answer means. `code` and `enhanced` are for `verdict.decide` at the stage `http`;
    `retry_after` is None where the provider named no time.
    """

    verdict: Verdict
    text: str
    code: int
    enhanced: str = ""
    provider_id: str = ""
    retry_after: Duration | None = None


def read(
    provider: Provider, response: Response, now: Instant, secrets: tuple[str, ...] = ()
) -> Answer:
    """What an answer means for its mail: the HTTP rows of delivery §1.4. Total: never raises.

    Its text is for logs and rows, so none of `secrets` is in it, whatever the answer repeats.
    """
    said = _said(response.body)
    meaning = _meaning(provider, response.status, said)
    verdict, code, enhanced = MEANINGS[meaning]
    return Answer(
        verdict=verdict,
        text=_shown(f"{provider.name}: {response.status} {_summary(response, said)}", secrets),
        code=code,
        enhanced=enhanced,
        provider_id=_shown(_id(provider, response, said), secrets) if meaning == "taken" else "",
        retry_after=retry_after(response, now) if meaning == "later" else None,
    )


def retry_after(response: Response, now: Instant) -> Duration | None:
    """`Retry-After` (RFC 9110 §10.2.3), in seconds or as a date, at most `LONGEST_WAIT`.

    A date is counted from the answer's own `Date`, because two clocks never agree; without one,
    from `now`. None where there is nothing to read.
    """
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return Duration(min(int(value[:9]) * moment.SECOND, LONGEST_WAIT))
    at = _date(value)
    if at is None:
        return None
    since = _date(response.headers.get("date", "")) or now
    return Duration(min(max(0, at - since), LONGEST_WAIT))


def _meaning(provider: Provider, status: int, said: Mapping[str, str]) -> Meaning:
    match status // 100:
        case 2:
            return "taken"
        case 3:
            # A mail API that sends us elsewhere has moved, or is none: look at the settings.
            return "ours"
        case 4:
            return _refusal(provider, status, said)
        case 5:
            return "later"
        case _:
            return "unclear"


def _refusal(provider: Provider, status: int, said: Mapping[str, str]) -> Meaning:
    if status not in _CLEAR:
        lines = [f"{path}={value}" for path, value in said.items()]
        for pattern, meaning in provider.rules:
            if any(re.match(pattern, line) for line in lines):
                return meaning
    if status in _TRANSIENT:
        return "later"
    return "ours" if status in _OURS else "letter"


def _said(body: bytes) -> dict[str, str]:
    """An answer in JSON as lines: `{"errors": [{"field": "to"}]}` says `errors.0.field` is `to`."""
    try:
        return dict(_lines("", msgspec.json.decode(body)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _lines(path: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            inside = [(str(name), one) for name, one in value.items()]
        case list():
            inside = [(str(index), one) for index, one in enumerate(value)]
        case None:
            return
        case _:
            yield path, _CONTROLS.sub(" ", str(value))
            return
    for name, one in inside:
        yield from _lines(f"{path}.{name}" if path else name, one)


def _summary(response: Response, said: Mapping[str, str]) -> str:
    """An answer for a person: its lines, or what it is instead of JSON."""
    if said:
        return "; ".join(f"{path}={value}" for path, value in said.items())
    return response.body.decode("utf-8", "replace")


def _id(provider: Provider, response: Response, said: Mapping[str, str]) -> str:
    return said.get(provider.id_at) or response.headers.get(provider.id_at, "")


def _shown(text: str, secrets: tuple[str, ...]) -> str:
    # Before it is cut short: half a secret is one too many.
    for secret in secrets:
        text = text.replace(secret, "***")
    return _CONTROLS.sub(" ", text).strip()[:SHOWN]


def _date(value: str) -> Instant | None:
    """An HTTP date (RFC 9110 §5.6.7), which is always in UTC."""
    try:
        at = parsedate_to_datetime(value)
        return moment.instant_of(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
