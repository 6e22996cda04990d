"""What can go wrong, sorted by who must act.

The message is the class's own first sentence unless more is known. Foreign exceptions are
converted to these once, at the door where they come in.
"""

from __future__ import annotations

from ecrm.moment import Duration


class EcrmError(Exception):
    """Something in ecrm failed."""

    def __init__(self, message: str = "") -> None:
        # Abstract, as h11's ProtocolError is: an error that does not say whose fault it is
        # helps nobody.
        if type(self) is EcrmError:
            raise TypeError("EcrmError is abstract: raise one of its kinds")
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])


class Rejected(EcrmError):
    """The message will never be accepted as it is."""

    def __init__(self, code: str, message: str = "", path: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.path = path


class Busy(EcrmError):
    """The service is full for the moment; send it again later."""

    def __init__(self, retry_after: Duration) -> None:
        super().__init__()
        self.retry_after = retry_after


class Poison(EcrmError):
    """A decision failed on this message; it is in quarantine and the customer lives on."""


class Held(EcrmError):
    """The customer's past cannot be read; it is held until an operator releases it."""


class Undelivered(EcrmError):
    """The postal world did not take the mail."""

    def __init__(self, message: str = "", *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class StoreBroken(EcrmError):
    """The database cannot be used."""


class StoreInUse(StoreBroken):
    """Another process has the store."""


class Misconfigured(EcrmError):
    """A setting is wrong."""
