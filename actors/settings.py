"""Settings: `ecrm.toml`, read once, checked whole, and passed on as one frozen value (wire §5).

Every mistake is one line that names the setting and says what to write instead. A setting that does
not exist is a mistake too: a misspelt cap must not silently be no cap. Secrets may come from the
environment (`ECRM_SECRET_KEY`, `ECRM_OPERATOR_KEY`, `ECRM_PUBLISHABLE_KEY`): the caller passes it
in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from actors import doors, formats, mistakes, overrides, proxies, signing
from actors.limits import GatewaySection, check_gateway
from actors.mistakes import Section, value
from actors.transports.http import HttpSettings, endpoint_of
from actors.transports.smtp import SmtpSettings, Tls
from ecrm import calendar, engagement, moment, pressure
from ecrm.delivery.addresses import parse_address, parse_mailbox
from ecrm.delivery.dkim import Signer
from ecrm.delivery.limiter import limit
from ecrm.delivery.message import MailSettings
from ecrm.delivery.policy import Policy
from ecrm.delivery.warmup import WarmUp
from ecrm.errors import Misconfigured
from ecrm.moment import Duration
from ecrm.programme import Programme
from ecrm.shop import Shop, brand
from proto import permissions

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

Port = Annotated[int, Meta(ge=0, le=65_535)]
KeyKind = Literal["publishable", "secret", "operator", "identity"]


class ShopSection(Section, frozen=True):
    name: str = "Ma boutique"
    public_url: str = "http://127.0.0.1:8080"
    support_email: str = "bonjour@boutique.example"
    postal_address: str = "1 rue de la Boutique, 75000 Paris"
    logo_url: str = ""
    locale: str = "fr"
    timezone: str = "Europe/Paris"
    currency: str = "EUR"
    colour: str = "#1d5c54"
    cart_url: str = ""


class StoreSection(Section, frozen=True):
    path: str = "var/ecrm.db"


class WebSection(Section, frozen=True):
    """`link_key` numbers the secret that signs links: with the next number new mails are signed
    anew, and links of the number before are still read. Who comes through `trusted_proxies` has the
    address that these name in `X-Forwarded-For`; of others the header is not believed. Who asks
    from `metrics_from` reads /metrics and /readyz without an operator's key.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""
    link_key: Annotated[int, Meta(ge=1, le=255)] = 1
    trusted_proxies: tuple[str, ...] = ()
    metrics_from: tuple[str, ...] = ("127.0.0.0/8", "::1")


class KeySection(Section, frozen=True):
    """Secret and operator keys may be given as `key` or, better, as `key_sha256` (hex)."""

    id: str
    kind: KeyKind
    key: str = ""
    key_sha256: str = ""
    origins: tuple[str, ...] = ()


class DkimSection(Section, frozen=True):
    domain: str
    selector: str
    key_file: str


class MailSection(Section, frozen=True):
    from_transactional: str = "commandes@boutique.example"
    from_marketing: str = "offres@news.boutique.example"
    reply_to: str = "bonjour@boutique.example"
    unsubscribe: str = ""
    return_path_domain: str = ""
    dkim: DkimSection | tuple[DkimSection, ...] | None = None


class DomainSection(Section, frozen=True):
    """By domain, or by provider: "gmail", "orange" and so on (`ecrm/delivery/destinations.py`)."""

    connections: Annotated[int, Meta(ge=1)] | None = None
    rate_per_second: float | None = None


class WarmUpSection(Section, frozen=True):
    """A new sender's first days: `first` marketing mails on `start`, each day `factor` times."""

    start: date
    first: Annotated[int, Meta(ge=1)] = 200
    factor: Annotated[float, Meta(gt=1, le=10)] = 1.5
    days: Annotated[int, Meta(ge=1, le=365)] = 30


class SmtpSection(Section, frozen=True):
    """The server that takes our mails; the password may come from ECRM_SMTP_PASSWORD."""

    host: str = ""
    port: Port = 587
    tls: Tls = "required"
    username: str = ""
    password: str = ""
    connections: Annotated[int, Meta(ge=1, le=100)] = 4
    helo: str = ""
    ca_file: str = ""


class HttpSection(Section, frozen=True):
    """A mail API; the token may come from ECRM_HTTP_TOKEN."""

    provider: str = ""
    endpoint: str = ""
    token: str = ""


class MaildirSection(Section, frozen=True):
    path: str = "var/mail"


class DeliverySection(Section, frozen=True):
    transport: Literal["maildir", "smtp", "http"] = "maildir"
    rate_per_second: float = 50.0
    per_domain: Mapping[str, DomainSection] = {}
    warm_up: WarmUpSection | None = None
    keep: str = "366d"
    maildir: MaildirSection = MaildirSection()
    smtp: SmtpSection = SmtpSection()
    http: HttpSection = HttpSection()


class PressureSection(Section, frozen=True):
    marketing_per_week: Annotated[int, Meta(ge=0, le=50)] = 2
    min_gap: str = "20h"
    quiet: str = "21:00-08:00"


class EngagementSection(Section, frozen=True):
    """The numbers that divide the tiers (delivery §5.3, R48)."""

    window: str = "183d"
    received: Annotated[int, Meta(ge=1, le=40)] = 3
    first: str = "30d"


class File(Section, frozen=True):
    shop: ShopSection = ShopSection()
    store: StoreSection = StoreSection()
    gateway: GatewaySection = GatewaySection()
    web: WebSection = WebSection()
    keys: tuple[KeySection, ...] = ()
    mail: MailSection = MailSection()
    delivery: DeliverySection = DeliverySection()
    bounces: doors.BouncesSection = doors.BouncesSection()
    pressure: PressureSection = PressureSection()
    engagement: EngagementSection = EngagementSection()
    programmes: Mapping[str, overrides.ProgrammeSection] = {}


class Key(msgspec.Struct, frozen=True):
    """`secret` is the key itself where it is publishable or an identity secret, else its SHA-256
    in hex.
    """

    key_id: str
    kind: KeyKind
    secret: str
    origins: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True):
    """`bounces` is the mailbox of the return paths, `doors` what comes back by, `spool` the folder
    of `run.py bounce`. `idle` names the settings that are written and do nothing, in words for the
    operator.
    """

    shop: Shop
    database: Path
    maildir: Path
    gateway: GatewaySection
    web: WebSection
    mail: MailSettings
    signers: tuple[Signer, ...]
    bounces: str
    doors: doors.BouncesSection
    spool: Path
    delivery: Policy
    kept: Duration
    transport: Literal["maildir", "smtp", "http"]
    smtp: SmtpSettings
    http: HttpSettings
    limits: pressure.Limits
    thresholds: engagement.Thresholds
    programmes: tuple[Programme, ...]
    keys: tuple[Key, ...]
    idle: tuple[str, ...]
    written: frozenset[str] = frozenset()  # the settings of programmes that the file names


ENVIRONMENT: Final[dict[str, KeyKind]] = {
    "ECRM_PUBLISHABLE_KEY": "publishable",
    "ECRM_SECRET_KEY": "secret",
    "ECRM_OPERATOR_KEY": "operator",
    "ECRM_IDENTITY_SECRET": "identity",
}


# Whoever wants no more mails must be able to say so for that long.
LEAST_KEPT: Final = moment.days(60)


def hashed(kind: str, key: str) -> str:
    """What of a key is stored: of secret and operator keys only the SHA-256."""
    return key if kind in ("publishable", "identity") else sha256(key.encode()).hexdigest()


def load(path: Path, data: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read and check the settings; without a file they are the defaults.

    `data` (`--data DIR`) puts the database at `DIR/ecrm.db` and the Maildir at `DIR/mail`. Raises
    `Misconfigured` with one line that says what to do.
    """
    file = _read(path)
    shop, delivery = file.shop, file.delivery
    _check_shop(shop)
    for name in ("trusted_proxies", "metrics_from"):
        for one in getattr(file.web, name):
            value(f"web.{name}", proxies.network, one)
    check_gateway(file.gateway)
    return Settings(
        shop=Shop(**msgspec.structs.asdict(shop)),
        database=Path(file.store.path) if data is None else data / "ecrm.db",
        maildir=Path(delivery.maildir.path) if data is None else data / "mail",
        gateway=file.gateway,
        web=file.web,
        mail=_mail(file),
        signers=tuple(_signers(file.mail.dkim)),
        bounces=_bounces(file.mail.return_path_domain),
        doors=doors.complete(file.bounces, environment),
        spool=(Path(file.store.path).parent if data is None else data) / "returns",
        delivery=_policy(delivery, shop.timezone),
        kept=_kept(delivery.keep),
        transport=delivery.transport,
        smtp=_smtp(delivery, environment),
        http=_http(delivery, environment),
        limits=_limits(file.pressure),
        thresholds=_thresholds(file.engagement),
        programmes=overrides.changed(file.programmes, shop.currency),
        keys=(*map(_key, file.keys), *_from_environment(environment)),
        idle=tuple(_idle(file)),
        written=overrides.written(file.programmes),
    )


def _check_shop(shop: ShopSection) -> None:
    """What would otherwise be found out in front of a customer."""
    if calendar.zone_of(shop.timezone) is None:
        raise Misconfigured(
            f"shop.timezone: {shop.timezone!r} is no time zone: write one like Europe/Paris"
        )
    if formats.parse_locale(shop.locale) is None:
        raise Misconfigured(f"shop.locale: {shop.locale!r} is no locale: write fr or fr-FR")
    if not _CURRENCY.fullmatch(shop.currency):
        raise Misconfigured(f"shop.currency: {shop.currency!r} is no currency: write EUR")
    value("shop.colour", brand, shop.colour)
    value("shop.support_email", parse_address, shop.support_email)


def _mail(file: File) -> MailSettings:
    mail = file.mail
    for name in ("from_transactional", "from_marketing", "reply_to"):
        value(f"mail.{name}", parse_mailbox, getattr(mail, name))
    if mail.unsubscribe:
        value("mail.unsubscribe", parse_address, mail.unsubscribe)
    return MailSettings(
        from_transactional=mail.from_transactional,
        from_marketing=mail.from_marketing,
        reply_to=mail.reply_to,
        links_url=file.web.public_url or file.shop.public_url,
        unsubscribe=mail.unsubscribe,
    )


def _policy(section: DeliverySection, timezone: str) -> Policy:
    limits = {
        name.casefold(): value(f"delivery.per_domain.{name}", limit, rates.rate_per_second)
        for name, rates in section.per_domain.items()
        if rates.rate_per_second is not None
    }
    return Policy(
        limit=value("delivery.rate_per_second", limit, section.rate_per_second),
        limits=limits,
        connections={
            name.casefold(): one.connections
            for name, one in section.per_domain.items()
            if one.connections is not None
        },
        warm_up=None
        if section.warm_up is None
        else WarmUp(**msgspec.structs.asdict(section.warm_up)),
        zone=ZoneInfo(timezone),
    )


def _kept(text: str) -> Duration:
    """How long a mail is known after it ended: links in it lead nowhere after that."""
    kept = value("delivery.keep", moment.parse_duration, text)
    if kept < LEAST_KEPT:
        least = moment.format_duration(LEAST_KEPT)
        raise Misconfigured(f"delivery.keep: {text} is too short to unsubscribe: at least {least}")
    return kept


def _smtp(section: DeliverySection, environment: Mapping[str, str]) -> SmtpSettings:
    smtp = section.smtp
    if section.transport == "smtp" and not smtp.host:
        raise Misconfigured("delivery.smtp.host: name the server that takes the mails")
    password = environment.get("ECRM_SMTP_PASSWORD", smtp.password)
    return SmtpSettings(**(msgspec.structs.asdict(smtp) | {"password": password}))


def _http(section: DeliverySection, environment: Mapping[str, str]) -> HttpSettings:
    token = environment.get("ECRM_HTTP_TOKEN", section.http.token)
    made = HttpSettings(section.http.provider, section.http.endpoint, token)
    if section.transport == "http":
        endpoint_of(made)
    return made


def _bounces(domain: str) -> str:
    """The mailbox that takes the bounces: one letter, so that a token has room before the @."""
    return value("mail.return_path_domain", parse_address, f"b@{domain}") if domain else ""


def _signers(section: DkimSection | tuple[DkimSection, ...] | None) -> Iterator[Signer]:
    """One key, or two while receivers that know Ed25519 are few (RFC 8463 §3)."""
    keys = () if section is None else section if isinstance(section, tuple) else (section,)
    for key in keys:
        yield signing.read(key.domain, key.selector, Path(key.key_file))


def _idle(file: File) -> Iterator[str]:
    """A setting that has no effect is said aloud: an operator must not rely on it."""
    if not file.web.public_url and file.shop.public_url != ShopSection().public_url:
        yield (
            "web.public_url is not set: links in mails lead to shop.public_url, which must pass "
            "/u /p /v /r /w /c /o on to the web port"
        )
    if file.delivery.transport == "maildir" and file.mail.return_path_domain:
        yield "mail.return_path_domain does nothing with a Maildir"
    if file.bounces.lmtp_port and not (file.mail.return_path_domain or file.mail.unsubscribe):
        yield "bounces.lmtp_port takes nothing: set mail.return_path_domain"


def _read(path: Path) -> File:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return File()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    try:
        raw = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is not valid TOML: {error}") from None
    try:
        return msgspec.convert(raw, File)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{path}: {mistakes.explained(error, raw, File)}") from None


def _limits(section: PressureSection) -> pressure.Limits:
    quiet = None
    if section.quiet:
        quiet = value("pressure.quiet", calendar.parse_quiet, section.quiet)
    return pressure.Limits(
        per_week=section.marketing_per_week,
        min_gap=value("pressure.min_gap", moment.parse_duration, section.min_gap),
        quiet=quiet,
    )


def _thresholds(section: EngagementSection) -> engagement.Thresholds:
    window = value("engagement.window", moment.parse_duration, section.window)
    first = value("engagement.first", moment.parse_duration, section.first)
    try:
        return engagement.Thresholds(window=window, received=section.received, first=first)
    except ValueError as error:
        raise Misconfigured(f"engagement: {error}") from None


def _key(section: KeySection) -> Key:
    given = section.key_sha256 or hashed(section.kind, section.key)
    if not (section.key or section.key_sha256):
        raise Misconfigured(f"keys: key {section.id!r} needs `key` or `key_sha256`")
    if section.key_sha256 and section.kind in ("publishable", "identity"):
        raise Misconfigured(
            f"keys: {section.kind} key {section.id!r} is kept as it is: give it as `key`"
        )
    if section.key_sha256 and not _SHA256.fullmatch(section.key_sha256):
        raise Misconfigured(
            f"keys: key_sha256 of {section.id!r}: write 64 hex digits, a to f small"
        )
    if section.origins and section.kind not in ("publishable", "operator"):
        raise Misconfigured(f"keys: {section.kind} key {section.id!r} is never used in a page")
    return Key(section.id, section.kind, given, origins_of(section.id, section.origins))


def origins_of(key_id: str, told: Iterable[str]) -> tuple[str, ...]:
    """The origins of a key as browsers write them. Raises Misconfigured."""
    return tuple(
        one
        if one == permissions.NO_ORIGIN
        else value(f"keys: origins of {key_id!r}", permissions.origin, one)
        for one in told
    )


def _from_environment(environment: Mapping[str, str]) -> list[Key]:
    return [
        Key(name.lower(), kind, hashed(kind, environment[name]))
        for name, kind in ENVIRONMENT.items()
        if environment.get(name)
    ]
