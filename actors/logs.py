"""Logs: one structured event per thing that happened, in the past tense, on stderr."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog

LEVEL: Final = logging.INFO


def configure(*, json: bool) -> None:
    """Pretty lines for a person, JSON lines for a machine."""
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVEL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
