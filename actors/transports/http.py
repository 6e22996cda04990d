"""The HTTP transport: each mail is one POST to a mail provider's API (delivery §1.4, §1.5, §4).

`ecrm/delivery/providers.py` knows how a provider wants it said and `answers.py` what comes back;
here a built mail is taken apart, posted with a deadline, and its fate told honestly:

- what failed before the whole request was written was not sent; what failed after it is in doubt,
  unless the answer's status was heard;
- after an answer that blames our own settings the rest of a lot is not posted at all;
- the token goes to the configured endpoint, over verified TLS, and nowhere else: not elsewhere by
  a redirect, and into no log, row or error.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Callable, Mapping
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec
import trio

from actors.outside import Outside
from actors.transports.port import Handed, Letter
from ecrm.delivery import addresses, answers, message, providers
from ecrm.delivery.addresses import Mailbox
from ecrm.delivery.answers import Response
from ecrm.delivery.providers import Provider, Submission
from ecrm.errors import EcrmError, Misconfigured, Rejected
from ecrm.mail import Mail
from ecrm.moment import Duration, Instant, seconds

# Real seconds for one POST, from the connection to the end of the answer. Providers answer within
# one; a longer wait only keeps a connection from the other mails.
PATIENCE: Final = 60.0

# What `answers` gives to an answer that blames our account or our settings.
_OURS: Final = answers.MEANINGS["ours"][1]
_LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


class HttpSettings(msgspec.Struct, frozen=True, gc=False):
    """Which provider, where, and our token there. An empty `endpoint` is the provider's usual one;
    Mailgun's names the sending domain and must be given.
    """

    provider: str
    endpoint: str
    token: str

    def __repr__(self) -> str:
        return f"HttpSettings(provider={self.provider!r}, endpoint={self.endpoint!r}, token=***)"


class NotSent(EcrmError):
    """The request was not written to its end: nobody can have accepted it."""


class InDoubt(EcrmError):
    """The whole request was written, and no answer was heard."""


class Poster(Protocol):
    """Whoever can make a POST request."""

    connections: int

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Response:
        """Post once and read the answer, until `deadline` on trio's clock.

        Follows no redirect and tries nothing again. An answer that breaks off behind its status is
        that status with nothing else. Raises NotSent or InDoubt, and nothing else.
        """
        ...


class HttpTransport:
    def __init__(
        self,
        settings: HttpSettings,
        poster: Poster,
        outside: Outside,
        now: Callable[[], Instant],
    ) -> None:
        """Raises Misconfigured as `endpoint_of` does."""
        self.endpoint = endpoint_of(settings)
        self.provider = providers.PROVIDERS[settings.provider]
        self.name = settings.provider
        # Mail by mail, so that a POST that hangs keeps no other from going.
        self.lines, self.lot = poster.connections, 1
        # A repetition must have arrived while the provider knows the key: the first post may have
        # been heard as soon as it began, this one when its patience ends.
        self.repeatable = Duration(max(0, self.provider.key_lasts - seconds(int(PATIENCE))))
        self._token = settings.token
        self._poster = poster
        self._outside = outside
        self._now = now

    async def send(self, letters: list[Letter]) -> list[Handed]:
        """Post one after another; once the fault is ours, hand the rest back as it is."""
        handed: list[Handed] = []
        for letter in letters:
            if handed and _is_ours(handed[-1]):
                handed.append(msgspec.structs.replace(handed[-1], mail_id=letter.mail.mail_id))
            else:
                handed.append(await self._post(letter))
        return handed

    async def took(self, mail: Mail) -> bool | None:  # noqa: ARG002 - the port's question
        """No provider's API tells this of every mail, at once and for certain."""
        await trio.lowlevel.checkpoint()
        return None

    async def _post(self, letter: Letter) -> Handed:
        mail_id = letter.mail.mail_id
        try:
            request = self.provider.build(submission_of(letter), self._token)
        except Rejected as error:
            return Handed(mail_id, "refused", f"{self.name}: {error}", stage="message")
        deadline = trio.current_time() + PATIENCE
        try:
            with self._outside.wait():
                response = await self._poster.post(
                    self.endpoint, request.headers, request.body, deadline
                )
        except NotSent as error:
            return Handed(mail_id, "retry", f"{self.name}: {error}", stage="connect")
        except InDoubt as error:
            return Handed(mail_id, "in_doubt", f"{self.name}: {error}", stage="http")
        secrets = providers.secrets_of(self._token)
        answer = answers.read(self.provider, response, self._now(), secrets)
        return Handed(
            mail_id,
            answer.verdict,
            answer.text,
            stage="http",
            code=answer.code,
            enhanced=answer.enhanced,
            provider_id=answer.provider_id,
            retry_after=answer.retry_after,
        )


def _is_ours(handed: Handed) -> bool:
    return handed.stage == "http" and handed.verdict == "retry" and handed.code == _OURS


def endpoint_of(settings: HttpSettings) -> str:
    """Where to post: https, at one of the provider's own hosts or on this machine, so that a slip
    of the pen hands the token to nobody. Raises Misconfigured, without the token in it.
    """
    provider = providers.PROVIDERS.get(settings.provider)
    if provider is None:
        known = ", ".join(providers.PROVIDERS)
        raise Misconfigured(f"{settings.provider!r} is no mail provider: name one of {known}")
    if not _TOKEN.fullmatch(settings.token):
        raise Misconfigured(f"the token for {provider.name} is empty or cannot be one")
    endpoint = settings.endpoint or provider.endpoint
    if not endpoint:
        raise Misconfigured(f"{provider.name} needs its endpoint: https://...")
    if not _is_allowed(provider, endpoint):
        place = f"https, at {provider.domain}" if provider.domain else "https"
        raise Misconfigured(f"{endpoint!r} is no endpoint for {provider.name}: it must be {place}")
    return endpoint


def submission_of(letter: Letter) -> Submission:
    """Take a built mail apart, with the stdlib's parser. Raises errors.Rejected where that is
    impossible, or where a value could do more than be shown.
    """
    parsed = email.message_from_bytes(letter.body, policy=email.policy.default)
    headers = tuple((name, _plain(name, str(value))) for name, value in parsed.items())
    sender = _mailbox(parsed, "From")
    if sender is None:
        raise Rejected("bad_header", "a mail without a From", path="From")
    return Submission(
        mail_id=letter.mail.mail_id,
        sender=sender,
        to=addresses.parse_address(letter.mail.to),
        reply_to=_mailbox(parsed, "Reply-To"),
        subject=_plain("Subject", str(parsed["Subject"] or "")),
        text=_part(parsed, "plain"),
        html=_part(parsed, "html"),
        headers=headers,
        raw=letter.body,
        marketing=message.is_marketing(letter.mail),
    )


def _is_allowed(provider: Provider, endpoint: str) -> bool:
    try:
        url = urlsplit(endpoint)
        host, port = url.hostname or "", url.port
    except ValueError:
        return False
    plain = url.scheme == "https" and not (url.username or url.password or url.fragment)
    at_home = host == provider.domain or host.endswith(f".{provider.domain}")
    named = bool(host) and endpoint.isascii() and not re.search(r"\s", endpoint) and port != 0
    return plain and named and (not provider.domain or at_home or host in _LOOPBACK)


def _mailbox(parsed: EmailMessage, name: str) -> Mailbox | None:
    header = parsed[name]
    if not isinstance(header, AddressHeader) or len(header.addresses) != 1:
        return None
    one = header.addresses[0]
    return Mailbox(_plain(name, one.display_name), addresses.parse_address(one.addr_spec))


def _part(parsed: EmailMessage, subtype: str) -> str:
    part = parsed.get_body((subtype,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        raise Rejected("bad_part", f"its {subtype} part cannot be read", path=subtype) from None


def _plain(name: str, value: str) -> str:
    if _UNPRINTABLE.search(value):
        raise Rejected("bad_header", f"{name} has a control character", path=name)
    return value
