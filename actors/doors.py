"""The doors of what comes back: their settings, `[bounces]`, and who is let in by the webhooks.

A provider that is not named in the settings has no door at all. What is configured is tried when
the settings are read, so that a mistyped key is found before the first request. Secrets may come
from the environment.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final

from msgspec import Meta
from msgspec.structs import replace

from actors.mistakes import Section
from actors.signatures import Certificates, EcdsaKey
from ecrm.delivery.webhooks import Provider, proof
from ecrm.delivery.webhooks.proof import Proof, Request
from ecrm.errors import Misconfigured
from ecrm.moment import Instant

_TOPIC: Final = re.compile(
    r"arn:aws(-cn)?:sns:([a-z]{2}[a-z0-9-]{1,30}):\d{1,20}:[A-Za-z0-9_.-]{1,256}"
)

# Says who sent a request, at an instant. Raises errors.Rejected, and Undelivered where that cannot
# be known at the moment.
Prove = Callable[[Request, Instant], Awaitable[Proof]]
Fetch = Callable[[str], Awaitable[bytes]]


class PostmarkSection(Section, frozen=True):
    """Basic authentication, as it is written into the address that Postmark is given."""

    user: str = ""
    password: str = ""


class SendgridSection(Section, frozen=True):
    """The verification key of the signed event webhook; it is no secret."""

    key: str = ""


class MailgunSection(Section, frozen=True):
    signing_key: str = ""


class BrevoSection(Section, frozen=True):
    """The token that Brevo puts into the header of that name."""

    token: str = ""
    header: str = "authorization"


class ResendSection(Section, frozen=True):
    """The signing secret: `whsec_…`."""

    secret: str = ""


class SesSection(Section, frozen=True):
    """The SNS topic that SES publishes to, or several."""

    topic_arn: str | tuple[str, ...] = ()

    @property
    def topics(self) -> frozenset[str]:
        return frozenset((self.topic_arn,) if isinstance(self.topic_arn, str) else self.topic_arn)


class BouncesSection(Section, frozen=True):
    """`lmtp_port` listens on loopback for a mail server on this machine; 0: nobody does."""

    lmtp_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    postmark: PostmarkSection | None = None
    sendgrid: SendgridSection | None = None
    mailgun: MailgunSection | None = None
    brevo: BrevoSection | None = None
    resend: ResendSection | None = None
    ses: SesSection | None = None


# Provider, setting, and the variable that may hold it instead.
_VARIABLES: Final[tuple[tuple[Provider, str, str], ...]] = (
    ("postmark", "password", "ECRM_POSTMARK_PASSWORD"),
    ("mailgun", "signing_key", "ECRM_MAILGUN_SIGNING_KEY"),
    ("brevo", "token", "ECRM_BREVO_TOKEN"),
    ("resend", "secret", "ECRM_RESEND_SECRET"),
)


def complete(section: BouncesSection, environment: Mapping[str, str]) -> BouncesSection:
    """The settings with their secrets from the environment, found to be usable. Raises
    Misconfigured, the setting first.
    """
    for provider, name, variable in _VARIABLES:
        given = getattr(section, provider)
        if given is not None and environment.get(variable):
            changed = replace(given, **{name: environment[variable]})
            section = replace(section, **{provider: changed})
    for name in section.__struct_fields__:
        given = getattr(section, name)
        for field in given.__struct_fields__ if isinstance(given, Section) else ():
            if not getattr(given, field):
                hint = next((f" or {v}" for p, f, v in _VARIABLES if (p, f) == (name, field)), "")
                raise Misconfigured(f"bounces.{name}.{field}: write it{hint}, or leave {name} out")
    if section.sendgrid is not None:
        EcdsaKey(section.sendgrid.key)
    if section.resend is not None:
        _check_svix(section.resend.secret)
    for topic in section.ses.topics if section.ses is not None else ():
        if not _TOPIC.fullmatch(topic):
            raise Misconfigured(
                f"bounces.ses.topic_arn: {topic!r} is none: write arn:aws:sns:REGION:ACCOUNT:NAME"
            )
    return section


def _check_svix(secret: str) -> None:
    try:
        base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise Misconfigured("bounces.resend.secret: it is no signing secret: whsec_…") from None


def hosts(section: SesSection) -> list[str]:
    """Where the certificates of these topics lie, and their subscriptions are confirmed."""
    found = [_TOPIC.fullmatch(topic) for topic in sorted(section.topics)]
    return [
        f"https://sns.{topic[2]}.amazonaws.com{'.cn' if topic[1] else ''}"
        for topic in found
        if topic is not None
    ]


def provers(section: BouncesSection, fetch: Fetch) -> dict[Provider, Prove]:
    """How each provider that has a door proves itself."""
    found: dict[Provider, Prove] = {}
    if section.postmark is not None:
        found["postmark"] = _postmark(section.postmark)
    if section.sendgrid is not None:
        found["sendgrid"] = _sendgrid(section.sendgrid)
    if section.mailgun is not None:
        found["mailgun"] = _mailgun(section.mailgun)
    if section.brevo is not None:
        found["brevo"] = _brevo(section.brevo)
    if section.resend is not None:
        found["resend"] = _resend(section.resend)
    if section.ses is not None:
        found["ses"] = _ses(section.ses, fetch)
    return found


def _postmark(section: PostmarkSection) -> Prove:
    async def prove(request: Request, _now: Instant) -> Proof:
        return proof.basic(request, section.user, section.password)

    return prove


def _sendgrid(section: SendgridSection) -> Prove:
    key = EcdsaKey(section.key)

    async def prove(request: Request, now: Instant) -> Proof:
        return key.check(proof.sendgrid(request, now))

    return prove


def _mailgun(section: MailgunSection) -> Prove:
    async def prove(request: Request, now: Instant) -> Proof:
        return proof.mailgun(request, section.signing_key, now)

    return prove


def _brevo(section: BrevoSection) -> Prove:
    async def prove(request: Request, _now: Instant) -> Proof:
        return proof.token(request, section.token, section.header.lower())

    return prove


def _resend(section: ResendSection) -> Prove:
    async def prove(request: Request, now: Instant) -> Proof:
        return proof.svix(request, section.secret, now)

    return prove


def _ses(section: SesSection, fetch: Fetch) -> Prove:
    certificates, topics = Certificates(fetch), section.topics

    async def prove(request: Request, now: Instant) -> Proof:
        return await certificates.check(proof.sns(request, topics, now), now)

    return prove
