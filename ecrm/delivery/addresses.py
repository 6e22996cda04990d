"""Mail addresses, read strictly once (delivery §2.3 rule 3).

An address that passes is ASCII, has a dot-atom local part (RFC 5321 §4.1.2) and a domain of
A-labels (RFC 5890), and holds nothing that could end a header or an SMTP command. A local part
outside ASCII is refused: it needs SMTPUTF8, which not every hop speaks. Domains with ß, ς or a
joiner are refused unless already A-labels: the stdlib's IDNA 2003 would map them to a domain that
may be somebody else's. Everything refused raises `errors.Rejected`.
"""

from __future__ import annotations

import re

import msgspec

from ecrm import errors

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DEVIANT = re.compile("[ßẞς\u200c\u200d]")
_MAILBOX = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")


class Mailbox(msgspec.Struct, frozen=True, gc=False):
    """An address and the name shown in its place; the name may be empty."""

    name: str
    address: str


def parse_address(text: str) -> str:
    """The address as it goes on an envelope: local part untouched, domain in lower-case A-labels.

    Raises errors.Rejected.
    """
    local, at, domain = text.rpartition("@")
    if not at:
        raise _refused(text, "has no @")
    # What looks like an encoded word would be decoded by whoever reads the header (RFC 2047).
    if len(local) > 64 or "=?" in local or not _LOCAL.fullmatch(local):
        raise _refused(text, "has a local part that cannot be sent to")
    return f"{local}@{_a_labels(text, domain)}"


def parse_mailbox(text: str, name: str = "") -> Mailbox:
    """Read `Name <a@b>`, `"Name" <a@b>` or `a@b`; `name` is shown where the text has none.

    Raises errors.Rejected.
    """
    match = _MAILBOX.fullmatch(text.strip())
    if match is None:
        return Mailbox(name=name, address=parse_address(text.strip()))
    shown = match["name"].strip()
    if shown.startswith('"') and shown.endswith('"') and len(shown) > 1:
        shown = re.sub(r"\\(.)", r"\1", shown[1:-1])
    return Mailbox(name=shown or name, address=parse_address(match["address"]))


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]


def _a_labels(address: str, domain: str) -> str:
    if not domain.isascii():
        if _DEVIANT.search(domain):
            raise _refused(address, "has a domain whose meaning differs between IDNA versions")
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            raise _refused(address, "has a domain that is no domain") from None
    if len(domain) > 253 or not all(map(_LABEL.fullmatch, domain.split("."))):
        raise _refused(address, "has a domain that is no domain")
    return domain.lower()


def _refused(address: str, why: str) -> errors.Rejected:
    return errors.Rejected("bad_address", f"the address {address!r} {why}", path="to")
