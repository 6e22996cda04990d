"""Bounces: delivery status notifications (RFC 3464), and the many that are none.

Where there is a delivery status, its words are the server's own (`Diagnostic-Code`) and its action
says whether anything failed at all: `delayed` is still being tried, `delivered` is good news. Where
there is none, a report is known by who sent it and what it is called, and what it says about a
status code is read first, since the rest is politeness.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ecrm.delivery.bounces import verdict
from ecrm.delivery.bounces.parts import Fields, Parts
from ecrm.delivery.bounces.verdict import Finding

DELAYED: Final = Finding("deferred", "delayed")
DELIVERED: Final = Finding("delivered", "delivered")
# Relayed to a server that sends no notifications, or to a list: nobody will know.
ON_ITS_WAY: Final = Finding("unknown", "relayed")

_DAEMON: Final = re.compile(
    r"mailer.?daemon|postmaster|mail delivery|delivery sub|mdaemon|mail ?system|mailadmin"
)
_SUBJECT: Final = re.compile(
    r"undeliver|non.?deliver|deliver[a-z]{0,3}.{0,20}(fail|notif|status|problem|error|report|delay)|"
    r"fail(ure|ed).{0,20}(notice|deliver|mail)|returned (mail|to sender)|mail.{0,20}fail|"
    r"message.{0,20}(not delivered|rejected|returned)|could ?n.t be (sent|delivered)|mail error|"
    r"user unknown|warning: could not send|"
    r"non remis|non distribu|echec.{0,30}(remise|livraison|envoi|distribution)|"
    r"notification d'etat|avis de non|retourne|impossible de (remettre|distribuer)|"
    r"unzustellbar|nicht zugestellt|zustell(ung|fehl)|fehler bei der zustell|"
    r"no se pudo entregar|devuelto|mancata consegna|nao entregue"
)
_STILL: Final = re.compile(
    r"will (keep trying|continue to|be (re)?tried|try again|retry)|still (being )?tr(ying|ied)|"
    r"do not need to re-?send|not? (further )?action is required|has not (yet )?been delivered|"
    r"warning message only|sera (de )?nouveau|nouvelle tentative|pas encore (ete )?(remis|distrib)|"
    r"weitere zustellversuche|noch nicht zugestellt"
)
_SAYS: Final = re.compile(r"(?<![\w.])(?:[45]\d\d[ \-#]|[45]\.\d{1,3}\.\d{1,3}\b)")
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_REMARK: Final = re.compile(r"\(([^()]{3,200})\)")
# Whom a report shows as the one to ask is not whom it is about.
_STAFF: Final = re.compile(r"(?:postmaster|mailer-daemon|abuse|support|helpdesk)@", re.IGNORECASE)
# The subject of our own mail, quoted: its words are ours.
_QUOTED: Final = re.compile(
    r"^[ \t]*(?:subject|objet|betreff|asunto|oggetto|sujet)[ \t]*:.{0,500}$",
    re.IGNORECASE | re.MULTILINE,
)
_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}[A-Za-z0-9]")
_BEFORE, _AFTER, TEXT = 160, 600, 500


class Notice(msgspec.Struct, frozen=True, gc=False):
    """What came of one recipient; `text` is what the server said, at most 500 characters."""

    finding: Finding
    address: str = ""
    status: str = ""
    text: str = ""


def from_status(parts: Parts) -> Notice | None:
    """Read a delivery status; None where there is none. Of several recipients, a failed one."""
    groups = [fields for fields in parts.status if "action" in fields or "status" in fields]
    if not groups:
        return None
    failed = [fields for fields in groups if _action(fields) in ("failed", "")]
    fields = (failed or groups)[0]
    told, remark = fields.get("diagnostic-code", ""), _REMARK.search(fields.get("status", ""))
    said = told.partition(";")
    words = " ".join([(said[2] or said[0]).strip(), remark[1] if remark else ""]).strip()
    known = _STATUS.match(fields.get("status", "").strip())
    status = known.group() if known else ""
    finding = _by_action(_action(fields)) or _judged(words, status, parts)
    text = words or _around(parts.words)
    return Notice(finding, _recipient(fields), status or verdict.enhanced_in(words), text[:TEXT])


def from_words(parts: Parts) -> Notice:
    """Read a report that is text for people only."""
    # The subject often holds that of our own mail; it is asked only where nothing else is said.
    words = _QUOTED.sub("", parts.words).strip() or parts.headers.get("subject", "")
    around = _around(words)
    plain = verdict.plainly(words)
    if _STILL.search(plain):
        finding = DELAYED
    else:
        finding = verdict.judge(around)
        if finding is verdict.UNKNOWN:
            finding = verdict.judge(words)
    return Notice(finding, _named(parts), verdict.enhanced_in(around), around[:TEXT])


def is_report(parts: Parts) -> bool:
    """Does it look like the report of a mail server?"""
    headers = parts.headers
    return (
        parts.report == "delivery-status"
        or "x-failed-recipients" in headers
        or _DAEMON.search(verdict.plainly(_sender(headers)[:200])) is not None
        or _SUBJECT.search(verdict.plainly(headers.get("subject", ""))) is not None
    )


def _sender(headers: Fields) -> str:
    """Who sent it, with the address spelled so that the table's "@" does not hide it."""
    return headers.get("from", "").replace("@", " at ")


def _action(fields: Fields) -> str:
    """The word alone: some add a remark in brackets (RFC 3464 §2.3.3 has none)."""
    return re.split(r"[ ;(]", fields.get("action", "").strip().lower(), maxsplit=1)[0]


def _by_action(action: str) -> Finding | None:
    match action:
        case "delayed":
            return DELAYED
        case "delivered":
            return DELIVERED
        case "relayed" | "expanded":
            return ON_ITS_WAY
        case _:
            return None


def _judged(words: str, status: str, parts: Parts) -> Finding:
    finding = verdict.judge(words, status)
    if finding is verdict.UNKNOWN:
        finding = verdict.judge(_around(_QUOTED.sub("", parts.words)), status)
    return finding


def _around(words: str) -> str:
    """The stretch of a text that holds what a server said: around its first status code."""
    found = _SAYS.search(words)
    if found is None:
        return " ".join(words[: _BEFORE + _AFTER].split())
    start = words.rfind("\n", max(0, found.start() - _BEFORE), found.start()) + 1
    return " ".join(words[start or max(0, found.start() - _BEFORE) : found.end() + _AFTER].split())


def _recipient(fields: Fields) -> str:
    """RFC 3464 §2.3.1: the original recipient is the one we wrote to."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        found = _ADDRESS.search(fields.get(name, "")[:400])
        if found:
            return found.group()
    return ""


def _named(parts: Parts) -> str:
    """The first address that the report names, ours and those of the staff aside."""
    told = _ADDRESS.search(parts.headers.get("x-failed-recipients", "")[:400])
    if told:
        return told.group()
    ours = parts.headers.get("to", "").lower()
    found = (one.group() for one in _ADDRESS.finditer(parts.words))
    return next((one for one in found if one.lower() not in ours and not _STAFF.match(one)), "")
