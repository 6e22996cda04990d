"""Logs: one structured event per thing that happened, in the past tense, on stderr."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, json: bool, quiet: bool) -> None:
    """Pretty lines for a person, JSON lines for a machine; `quiet` leaves only what is wrong."""
    if json:
        renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.WARNING if quiet else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
