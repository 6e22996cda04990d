"""What all tests share: the log keeps to what is worth a look when a test fails."""

from __future__ import annotations

import structlog


def _worth_a_look(_logger, name, event):
    """Thousands of mails are handed over in the tests, and writing each of them down is not free."""
    if name in ("debug", "info"):
        raise structlog.DropEvent
    return event


structlog.configure(processors=[_worth_a_look, *structlog.get_config()["processors"]])
