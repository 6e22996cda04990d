"""What a refusal means: a table that a person can read, and add a line to.

`judge` looks at what the server said and at the enhanced status (RFC 3463), in that order, because
"5.x.x means hard" is wrong about half the time on real bounces (delivery §0.6). The first line that
matches decides. What speaks against *us* stands before what speaks against the recipient: a block
must never cost a customer (§1.6), so a refusal that says both counts as a block. What no line knows
is `unknown` and changes nothing; it is shown to the operator, who may add a line.

Patterns meet words in small letters without accents, blanks made single, with "@" in the place of
each address. Gaps are bounded, so that judging takes time in proportion to the text.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

import msgspec

# `deferred` is still being tried; `unsubscribed` and `delivered` are what providers tell.
Verdict = Literal[
    "delivered", "deferred", "hard", "soft", "block",
    "auto_reply", "complaint", "unsubscribed", "unknown",
]  # fmt: skip


class Finding(msgspec.Struct, frozen=True, gc=False):
    """A verdict and, in a word, why: the name of the line of the table that matched."""

    verdict: Verdict
    reason: str


UNKNOWN: Final = Finding("unknown", "unexplained")
_READ: Final = 4_000  # characters; who has not said it by then says it to a reader


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of the table: what any of the patterns means."""

    finding: Finding
    patterns: tuple[str, ...]


def _line(verdict: Verdict, reason: str, *patterns: str) -> Line:
    return Line(Finding(verdict, reason), patterns)


# What is said, in English, French and German, and a little in the other languages around.
SAID: Final = (
    # Orange and La Poste number their refusals: OFR_416, LPN007_510.
    _line("hard", "no_such_mailbox", r"\b(ofr|lpn|ouk)(\d{3})?[_ -]?41[68]\b"),
    _line("soft", "mailbox_full", r"\b(ofr|lpn|ouk)(\d{3})?[_ -]?417\b"),
    _line("hard", "mailbox_disabled", r"\b(ofr|lpn|ouk)(\d{3})?[_ -]?42[06]\b"),
    _line("block", "message_size", r"\b(ofr|lpn|ouk)(\d{3})?[_ -]?514\b"),
    _line("block", "sender_refused", r"\b(ofr|lpn|ouk)(\d{3})?[_ -]?4(0[1235]|15|21)\b"),
    _line("block", "reputation", r"\b(ofr|lpn|ouk)(\d{3})?[_ -]?(10\d|201|302|42[34]|5\d\d|999)\b"),
    # We, as far as a server can prove who we are.
    _line("block", "authentication",
        r"\b5\.7\.(2[0-9]|30|509|515)\b",
        r"\bdmarc|\bdkim\b|\bspf\b|sender policy framework",
        r"unauthenticated (e-?mail|sender)"),
    # We, by what others say of us.
    _line("block", "blocklist",
        r"(black|block|deny|ban) ?-?list|(?<![a-z])rbl\b|dnsbl|\bbanned\b|liste noire",
        r"(?<!not )\blisted (at|in|on|by) |black listed|realtime block",
        r"spamhaus|spamcop|sorbs|barracudacentral|uceprotect|csi\.cloudmark|abuseat|abusix",
        r"uribl|surbl|mailspike|senderscore|invaluement|ivmsip|gbudb|\bpsbl\b|backscatterer",
        r"blocked (using|by) |\bip.{0,60} (is )?(listed|banned|blocked|bloquee)"),
    _line("block", "reputation",
        r"reputation|user complaints|\btss\d\d\b|\bs31[45]0\b|ask your postmaster",
        r"service refuse\b|\(bl\d{0,3}\)"),
    _line("block", "rate",
        r"too many (invalid |bad |unknown )?(connect|messag|error|recip|concurr|sess|mail)",
        r"slow down|throttl",
        r"rate.?limit|sending (limit|rate)|too fast|unusual rate",
        r"trop de (connexions|messages)|zu viele (verbindungen|nachrichten)"),
    # What we wrote.
    _line("block", "spam",
        r"(?<![\w.@-])(anti)?-?spam(my|ming|mer|med)?(?![\w@-]|\.\w)",
        r"junk ?mail|unsolicited|bulk e?-?mail|indesirable|unerwunscht"),
    _line("block", "content",
        r"\bvirus(es)?\b|malware|phish|message content|content (rejected|polic|filter)",
        r"(blocked|forbidden|dangerous|prohibited) attachment|executable"),
    _line("block", "message_size",
        r"message.{0,30} (too (big|large)|exceeds)|message too long|(size|length) (limit )?exceed",
        r"exceeded the max.{0,30}size|maximum (message )?size",
        r"taille (limite|maximale)|nachricht.{0,20} zu gross"),
    # Who we say we are.
    _line("block", "sender_refused",
        r"\b(sender|envelope|mail from|return.?path|emetteur|expediteur|absender)\b.{0,60}"
        r"(not exist|not found|reject|denied|invalid|refus|unresolv|resolve|verif|ungultig)",
        r"invalid sender|not own|spoof|\bhelo\b|reverse (dns|lookup|host)|\bptr\b",
        r"client host|your (ip|server|host|network|domain)"),
    _line("block", "configuration", r"starttls|tls (is )?required|authentication (is )?required"),
    _line("block", "refused", r"not accept(ing)? (any )?(e?-?mail|messages) from"),
    _line("block", "policy",
        r"\bpolic(y|ies)\b|politique de",
        r"resolver\.rst|not authori[sz]ed|restricted|only accepts? (mail|mess)"),
    # The mailbox is there.
    _line("soft", "busy", r"receiving (mail|messages?) (at a rate|too)|receivingrate|threadlimit"),
    _line("soft", "mailbox_full",
        r"(mail ?box|inbox|quota|account|storage|mail ?drop|disk|space).{0,60}"
        r"\b(full|exceed(ed|s|ing)?|over ?quota|out of (storage|space)|insufficient)\b",
        r"over .{0,10}quota|overquota|reached .{0,20}quota|quota.?(exceeded|violation|full|limit)",
        r"exceed.{0,30} (quota|storage)|insufficient (disk|storage|system storage)",
        r"out of (storage|disk) space|not enough space|space not enough",
        r"(mail|in) ?(folder|box|drop|dir)?\w{0,8} is full",
        r"boite.{0,40} (est )?(pleine|saturee)|quota.{0,20}(depasse|atteint)",
        r"espace.{0,30} insuffisant|postfach.{0,40} (voll|uberfullt)|speicherplatz",
        r"buzon.{0,20}lleno|casella.{0,20}piena|caixa.{0,20}cheia"),
    _line("soft", "unavailable",
        r"temporar\w{1,8} (disabled|suspended|unavailable|locked|inactive|not avail)"),
    # The mailbox was there.
    _line("hard", "mailbox_disabled",
        r"(account|mail ?box|user|recipient|address).{0,60}"
        r"(disabled|deactivated|discontinued|closed|deleted|suspended|inactive|terminated|"
        r"not active|no longer|is locked|archived)",
        r"(account|mail ?box) (is ?|has been )?blocked",
        r"\bno longer (valid|available|active|in use|on server|works)",
        r"mailboxdisabled|accountdisabled|disableduser|expired account|account.{0,20} expired",
        r"(compte|boite|adresse|messagerie).{0,60}"
        r"(bloque|desactive|ferme|suspendu|cloture|inacti|archive|supprime|n'est plus)",
        r"(konto|postfach|adresse).{0,50}"
        r"(deaktiviert|gesperrt|geschlossen|geloscht|nicht mehr)"),
    # There is no such domain, or it takes no mail.
    _line("soft", "name_service", r"(host|name|domain).{0,60}try again|temporary (name|dns)"),
    _line("hard", "no_such_domain",
        r"\b(host|domain)( ?names?)?\W{0,3}([\w.-]{1,80}\W{1,3})?(is |was |does |could )?"
        r"(unknown|not found|not exist|couldn'?t be found|invalid)",
        r"(unknown|no such|bad|illegal) (host|domain)|nxdomain|name or service not known",
        r"non-?existent ?(domain|host)|couldn'?t find any host",
        r"null mx|nullmx|not accept (any )?(e-?)?mail|no (mx|mail server) ",
        r"domaine.{0,40}(inconnu|introuvable|inexistant|n'existe pas)",
        r"(domain|domane|rechner).{0,40}(nicht gefunden|existiert nicht|unbekannt)"),
    # There is no such mailbox.
    _line("hard", "no_such_mailbox",
        r"(user|recipient|mail ?box|account|address(ee)?|alias|local ?-?part|customer|person)"
        r"\W.{0,80}?\b(unknown|not (be )?(found|exist|known|valid|recogni[sz]ed|listed|local)|"
        r"(does ?n.t|does not|did not) (exist|have)|incorrect|invalid|wasn't found|"
        r"couldn't be found|unrecogni[sz]ed)",
        r"mail ?box.{0,20}(unavailable|not available)",
        r"(unknown|invalid|incorrect|illegal|non-?existent|unrecogni[sz]ed|no such|no valid|bad) "
        r"(local |destination |or illegal |alias |e-?mail )?"
        r"(user|recipient|mail ?box|account|address|alias|person|customer|name|id\b|forward|final)",
        r"no (mail ?box|user|account|one) (here )?(by|with|of|under) (that|this)|nosuchuser",
        r"(have|has) a [\w.]{1,60} account|not our customer|unrouteable address|recipnotfound",
        r"wasn't found at|address ?not ?found|not a (valid|known) |isn't (a )?(valid|known)",
        r"not (listed|found) in|is not (known|local) |unable to find (recip|user|mail)",
        # Exchange Online, of an address that its directory does not know.
        r"\b5\.4\.1\b.{0,60}access denied"),
    _line("hard", "no_such_mailbox",
        r"(utilisateur|destinataire|adresse|boite|compte).{0,60}"
        r"(inconnue?|invalide|inexistante?|introuvable|n'existe pas|erronee?|pas ete trouvee?)",
        r"impossible de trouver (l'adresse|le dest)",
        r"unbekannter? (benutzer|empfanger|nutzer|user)",
        r"(empfanger|benutzer|adresse|postfach|konto|mailbox)\w{0,12}.{0,60}"
        r"(unbekannt|existiert nicht|nicht gefunden|ungultig|nicht bekannt|nicht vorhanden)",
        r"(usuario|destinatario|direccion|utente|casella).{0,40}"
        r"(desconocido|no existe|sconosciut|inesistente|non esiste|invalid)"),
    # It went wrong on the way.
    _line("soft", "greylisted", r"gr[ea]y.?list|postgrey"),
    _line("soft", "unreachable",
        r"(connection|connect|conversation).{0,40}(timed? ?out|refused|reset|lost|failed|closed)",
        r"timed out|no route to host|unreachable|lost connection|unable to connect|not respond"),
    _line("soft", "expired",
        r"retry time|time.?out exceeded|expired|could not be (sent|delivered) (for|within|after)",
        r"giv(e|ing) up|gave up|been in the queue|undelivered for|failed \d{1,4} attempts",
        r"not delivered within"),
    _line("soft", "loop",
        r"(mail|message|routing).{0,20} ?loop|too many hops|hop count|loops back"),
    _line("soft", "unavailable",
        r"temporar|try again (later|in)|please retry|reessayer|system error",
        r"service (currently )?(unavailable|not available)"),
    # Somebody said no, and did not say to whom.
    _line("block", "relaying",
        r"\brelay(ing)?\b.{0,20}(den|not|prohib|refus|disallow)|rcpthosts",
        r"(not|unable to|cannot|won't|isn't allowed to|deny) relay"),
    _line("block", "refused",
        r"(message|mail|delivery|e-?mail).{0,40}(rejected|refused|denied|rejete)",
        r"access denied|blocked|prohibited|not permitted|not allowed"),
)  # fmt: skip

# The enhanced status (RFC 3463 and its registry), where the words say nothing that is known.
STATUS: Final = (
    _line("hard", "no_such_mailbox", r"5\.1\.[136]"),
    _line("hard", "no_such_domain", r"5\.1\.2", r"5\.1\.10", r"5\.4\.310", r"5\.7\.18"),
    _line("hard", "mailbox_disabled", r"5\.2\.1", r"5\.7\.1[37]"),
    _line("soft", "mailbox_full", r"[45]\.2\.2", r"4\.3\.1"),
    _line("block", "message_size", r"5\.2\.3", r"5\.3\.4"),
    _line("block", "sender_refused", r"5\.1\.[789]"),
    _line("block", "authentication", r"5\.7\.2\d", r"5\.7\.30", r"5\.7\.509", r"5\.7\.515"),
    _line("block", "protocol", r"5\.5\.[1-9]\d*"),
    _line("block", "content", r"5\.6\.\d+"),
    _line("block", "policy", r"[45]\.7\.\d+"),
    _line("soft", "expired", r"[45]\.4\.7", r"[45]\.4\.300"),
    _line("soft", "loop", r"[45]\.4\.6", r"[45]\.4\.14"),
    _line("soft", "unreachable", r"[45]\.4\.\d+"),
    _line("soft", "unavailable", r"[45]\.3\.\d+", r"4\.\d+\.\d+"),
)

# The three digits (RFC 5321 §4.2.3, RFC 7504), where there is nothing better.
CODE: Final = (
    _line("hard", "no_such_domain", r"556"),
    _line("soft", "mailbox_full", r"[45]52"),
    _line("block", "configuration", r"53[0458]"),
    _line("soft", "unavailable", r"4\d\d"),
)

_ENHANCED: Final = re.compile(r"(?<![\w.])[45]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
_THREE: Final = re.compile(r"(?<![\d.\w])([45]\d\d)(?=[ \-#]|$)")
_ADDRESS: Final = re.compile(r"<?[^\s<>@()\[\]]{1,64}@[^\s<>@()\[\]]{1,255}>?")
_BLANKS: Final = re.compile(r"\s+")

_Table = tuple[tuple[re.Pattern[str], Finding], ...]


def _compiled(table: tuple[Line, ...]) -> _Table:
    return tuple((re.compile("|".join(line.patterns)), line.finding) for line in table)


_SAID, _STATUS, _CODE = _compiled(SAID), _compiled(STATUS), _compiled(CODE)


def judge(text: str, status: str = "") -> Finding:
    """What a refusal means: `text` is the server's own words with its codes, or a whole report;
    `status` the enhanced status where it is known apart from the text.
    """
    plain = plainly(text)
    for pattern, finding in _SAID:
        if pattern.search(plain):
            return finding
    known = _ENHANCED.fullmatch(status.strip()[:16])
    enhanced = known.group() if known else ""
    spoken = enhanced_in(plain)
    # A report often gives a vague 5.0.0 while the server's own words carry the precise one.
    for candidate in (enhanced, spoken) if not enhanced.endswith(".0.0") else (spoken, enhanced):
        finding = _first(_STATUS, candidate)
        if finding is not UNKNOWN:
            return finding
    return UNKNOWN if enhanced or spoken else _first(_CODE, code_in(plain))


def plainly(text: str) -> str:
    """The words as the table meets them."""
    small = unicodedata.normalize("NFKD", text[:_READ].casefold())
    bare = "".join(char for char in small[:_READ] if not unicodedata.combining(char))
    return _BLANKS.sub(" ", _ADDRESS.sub("@", bare.replace("\u2019", "'")))


def enhanced_in(text: str) -> str:
    """The first enhanced status in a text, or nothing."""
    found = _ENHANCED.search(text)
    return found.group() if found else ""


def code_in(text: str) -> str:
    """The first reply code of three digits in a text, 4xx or 5xx, or nothing."""
    found = _THREE.search(text)
    return found[1] if found else ""


def _first(table: _Table, candidate: str) -> Finding:
    for pattern, finding in table:
        if pattern.fullmatch(candidate):
            return finding
    return UNKNOWN
