"""Logs: one structured event per thing that happened, in the past tense, on stderr.

Pretty lines for a person, JSON lines for a machine (`ECRM_LOG`), from a level on
(`ECRM_LOG_LEVEL`). Nobody's address and no key, token or password stands in them. Whoever logs
keeps to ids; what comes in with the words of others (a server's answer, an exception, a library)
is masked here, last.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Final, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ecrm.errors import Misconfigured

FORMATS: Final = ("pretty", "json")
LEVELS: Final = ("debug", "info", "warning", "error")

# Whatever such a field holds is nobody's business.
SECRET: Final = frozenset(
    ("key", "secret", "password", "passwd", "token", "authorization", "cookie", "credentials")
)
HIDDEN: Final = "…"

_MASKS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # Our keys, and those of providers that can be told by their beginning.
    (re.compile(r"\b((?:sk|ok|pk|whsec)_)[\w+/=-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(is_|re_|SG\.|key-|xkeysib-)[\w.-]{16,}"), rf"\1{HIDDEN}"),
    # What stands in an Authorization.
    (re.compile(r"(?i)\b(basic|bearer)(\s+)[\w.~+/=-]{6,}"), rf"\1\2{HIDDEN}"),
    (
        re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key)(['\"]?\s*[=:]\s*)[^\s,;&]+"),
        rf"\1\2{HIDDEN}",
    ),
    # The user and the password in a URL.
    (re.compile(r"(?<=://)[^\s/@]+(?=@)"), HIDDEN),
    # The tokens behind the links of mails: who has one may act for its recipient.
    (re.compile(r"(?<=/[upvrwcos]/)[\w.~-]{12,}"), HIDDEN),
    # Addresses: the first letter and the domain are enough to find one that is known.
    (re.compile(r'"(.)[^"\n]*"@'), rf"\1{HIDDEN}@"),
    (
        re.compile(r"([^\s<>()\[\]{}\"',;:=@/…%|])[^\s<>()\[\]{}\"',;:=@/…%|]*(@|%40)(?=[\w\[])"),
        rf"\1{HIDDEN}\2",
    ),
)


def configure(
    environment: Mapping[str, str] | None = None,
    *,
    json: bool,
    quiet: bool,
    out: TextIO = sys.stderr,
) -> None:
    """Log to `out`: pretty, or JSON where `json` says so; `quiet` leaves only what is wrong. What
    the environment says counts more. Raises Misconfigured.
    """
    said = environment or {}
    form = _one_of(said, "ECRM_LOG", FORMATS, "json" if json else "pretty")
    level = _one_of(said, "ECRM_LOG_LEVEL", LEVELS, "warning" if quiet else "info")
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask,
            _renderer(form, out),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
    )
    logging.basicConfig(handlers=[Libraries()], level=logging.WARNING)


def _one_of(said: Mapping[str, str], name: str, known: tuple[str, ...], usual: str) -> str:
    found = said.get(name, "").strip().casefold() or usual
    if found not in known:
        raise Misconfigured(f"{name}: {found!r} is none of {', '.join(known)}")
    return found


def _renderer(form: str, out: TextIO) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # A traceback with the values of its variables would show what is masked.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain)


class Libraries(logging.Handler):
    """What libraries log joins what we do."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(
            record.levelno,
            "library_said",
            logger=record.name,
            said=record.getMessage(),
            exc_info=record.exc_info,
        )


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last to see an event before it is written."""
    return cast("EventDict", _masked(event))


def masked(text: str) -> str:
    """A text without keys and tokens, its addresses as `z…@example.org`."""
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return text


def _masked(value: object) -> object:
    match value:
        case str():
            return masked(value)
        case Mapping():
            return {
                name: HIDDEN if str(name).casefold() in SECRET else _masked(inner)
                for name, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_masked(inner) for inner in value]
        case bool() | int() | float() | None:
            return value
        case _:
            return masked(str(value))
