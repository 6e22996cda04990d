"""A why-not for a person, in English or in French.

Two tables of sentences, the same keys in each. Instants are told in the customer's own zone; names
of programmes, events, readings and settings stay as they are written, in every language. What was
written down at the time (a fact's detail, a mail server's reply) is quoted as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal, get_args

from ecrm import calendar
from ecrm.condition import written
from ecrm.explain.answers import Answer, Change, WhyNot
from ecrm.moment import NEVER, Instant

Language = Literal["en", "fr"]
LANGUAGES: Final[tuple[str, ...]] = get_args(Language)

_EN: Final[Mapping[str, str]] = {
    "switched_off": "The programme {programme} is switched off.",
    "elsewhere": "This life goes on as {detail}: ask there.",
    "no_trigger": "Nothing was heard that opens {programme}: {triggers}.",
    "not_admitted": "{trigger} came on {at}, and did not open {programme}: {why}.",
    "left": "{key} ended on {at}, before its mail {kind} {step} was due: {detail}.",
    "withheld": "Mail {kind} {step} of {key} was due on {at} and was not sent: {why}.",
    "retracted": "Mail {kind} {step} of {key} was taken back from the queue on {at}: {detail}.",
    "unsent": "Mail {kind} {step} of {key} ended in the queue on {at} as {reason}: {detail}.",
    "queued": "Mail {kind} {step} of {key} was decided on {at} and is still in the queue.",
    "deferred": "Mail {kind} {step} of {key} waits until {until}: {why}.",
    "not_due": "Mail {kind} {step} of {key} is not due before {until}.",
    "not_due_unsent": "Mail {kind} {step} of {key} is due on {until}, and will not be sent: {why}.",
    "sent": "Mail {kind} {step} of {key} was handed over on {at}.",
    "failed": "{reading} was {saw}, needs {operator} {value}",
    "by_once": "once in a lifetime, and there was a stay before",
    "by_again": "the last stay ended too recently, again from {until}",
    "by_closed": "the account is gone",
    "change": "It takes: {changes}.",
    "tried": "Then it goes on {goes}.",
    "goes": "It goes on {goes}.",
    "tell": "the event {name}",
    "make": "{name} {operator} {value}",
    "consent": "consent to {name}",
    "life": "a sign of life",
    "address": "an address that can be written to",
    "free": "{name} may be written to again (`unsuppress`)",
    "topic": "the person wants to hear of {name} at once",
    "frequency": "the person wishes for more mails",
    "without": "no {value} on {at}",
    "wait": "waiting until {at}",
    "sooner": "that it is decided by {at}",
    "enable": "the programme {name} switched on in the settings",
    "setting": "another setting of {name}",
    "first": "no stay in {name} before",
    "unhappened": "that this had not happened: {name}",
    "products": "products in the catalogue that fit",
    "delivery": "that the queue hands it over",
    "consent_reason": "no legal basis", "cap_reason": "cap", "quiet_hours_reason": "quiet hours",
    "arbitration_reason": "another mail had precedence", "condition_reason": "condition",
    "deadline_reason": "too late", "stop_condition_reason": "what it was for is over",
    "missing_data_reason": "something is missing", "suppression_reason": "suppressed address",
    "switched_off_reason": "switched off", "preference_reason": "preference",
    "digest_reason": "digest", "settling_reason": "heard of late",
    "budget_reason": "budget", "merged_reason": "merged",
    "expired_reason": "expired", "cancelled_reason": "cancelled", "dead_reason": "dead",
    "suppressed_reason": "suppressed", "stale_reason": "stale",
    "after": "; then ", "and": " and ", "or": " or ", "day": "{0:%Y-%m-%d %H:%M} ({1})",
}  # fmt: skip
_FR: Final[Mapping[str, str]] = {
    "switched_off": "Le programme {programme} est désactivé.",
    "elsewhere": "Cette vie continue sous {detail} : c'est là qu'il faut demander.",
    "no_trigger": "Rien de ce qui ouvre {programme} n'est arrivé : {triggers}.",
    "not_admitted": "{trigger} est arrivé le {at} et n'a pas ouvert {programme} : {why}.",
    "left": "{key} a pris fin le {at}, avant l'échéance du mail {kind} {step} : {detail}.",
    "withheld": "Le mail {kind} {step} de {key} était dû le {at} et n'est pas parti : {why}.",
    "retracted": "Le mail {kind} {step} de {key} a été retiré de la file le {at} : {detail}.",
    "unsent": "Le mail {kind} {step} de {key} a fini dans la file le {at}, {reason} : {detail}.",
    "queued": "Le mail {kind} {step} de {key} est décidé depuis le {at} et attend dans la file.",
    "deferred": "Le mail {kind} {step} de {key} attend jusqu'au {until} : {why}.",
    "not_due": "Le mail {kind} {step} de {key} n'est pas dû avant le {until}.",
    "not_due_unsent": "Le mail {kind} {step} de {key} est dû le {until} et ne partira pas : {why}.",
    "sent": "Le mail {kind} {step} de {key} a été remis le {at}.",
    "failed": "{reading} valait {saw}, il faut {operator} {value}",
    "by_once": "une fois dans la vie, et c'était déjà fait",
    "by_again": "le dernier séjour est trop récent, de nouveau à partir du {until}",
    "by_closed": "le compte n'existe plus",
    "change": "Il faudrait : {changes}.",
    "tried": "Alors il part le {goes}.",
    "goes": "Il part le {goes}.",
    "tell": "l'événement {name}",
    "make": "{name} {operator} {value}",
    "consent": "le consentement à {name}",
    "life": "un signe de vie",
    "address": "une adresse à laquelle écrire",
    "free": "qu'on puisse de nouveau écrire à {name} (`unsuppress`)",
    "topic": "que la personne veuille entendre parler de {name} aussitôt",
    "frequency": "que la personne souhaite plus de mails",
    "without": "pas de {value} le {at}",
    "wait": "attendre jusqu'au {at}",
    "sooner": "que la décision tombe avant le {at}",
    "enable": "le programme {name} activé dans les réglages",
    "setting": "un autre réglage de {name}",
    "first": "pas de séjour antérieur dans {name}",
    "unhappened": "que ceci ne soit pas arrivé : {name}",
    "products": "des produits du catalogue qui conviennent",
    "delivery": "que la file le remette",
    "consent_reason": "pas de base légale", "cap_reason": "plafond",
    "quiet_hours_reason": "heures de silence",
    "arbitration_reason": "un autre mail avait la priorité", "condition_reason": "condition",
    "deadline_reason": "trop tard", "stop_condition_reason": "sans objet désormais",
    "missing_data_reason": "il manque quelque chose", "suppression_reason": "adresse bloquée",
    "switched_off_reason": "désactivé", "preference_reason": "préférence",
    "digest_reason": "résumé périodique", "settling_reason": "appris tardivement",
    "budget_reason": "budget", "merged_reason": "fusionné",
    "expired_reason": "périmé", "cancelled_reason": "annulé", "dead_reason": "refusé",
    "suppressed_reason": "bloqué", "stale_reason": "à décider de nouveau",
    "after": " ; puis ", "and": " et ", "or": " ou ", "day": "{0:%d/%m/%Y %H:%M} ({1})",
}  # fmt: skip
TABLES: Final[Mapping[str, Mapping[str, str]]] = {"en": _EN, "fr": _FR}


def say(found: WhyNot, language: str = "en") -> str:
    """The whole answer, a few sentences. Another language than these two is English."""
    return " ".join(_Speaker(found, TABLES.get(language, _EN)).sentences())


def tell(answer: Answer, found: WhyNot, language: str = "en") -> str:
    """One line of the story."""
    return _Speaker(found, TABLES.get(language, _EN)).answer(answer)


class _Speaker:
    def __init__(self, found: WhyNot, words: Mapping[str, str]) -> None:
        self.found = found
        self.words = words

    def sentences(self) -> Iterator[str]:
        found = self.found
        yield self.answer(found.answer)
        waits = all(change.kind == "wait" for change in found.changes)
        if found.changes and not (waits and found.tried):
            changes = self.words["and"].join(map(self._change, found.changes))
            yield self.words["change"].format(changes=changes)
        if found.tried and found.goes_at is not None:
            goes = self._day(found.goes_at)
            yield self.words["goes" if waits else "tried"].format(goes=goes)

    def answer(self, answer: Answer) -> str:
        waits_in_vain = answer.outcome == "not_due" and answer.reason
        sentence = self.words["not_due_unsent" if waits_in_vain else answer.outcome]
        return sentence.format(
            programme=self.found.programme,
            key=answer.key,
            step=answer.step,
            kind=answer.kind,
            at=self._day(answer.at),
            until=self._day(answer.until),
            reason=self.words.get(f"{answer.reason}_reason", answer.reason),
            detail=answer.detail or "-",
            trigger=answer.trigger,
            triggers=self.words["or"].join(answer.trigger.split(" | ")),
            why=self._why(answer),
        )

    def _why(self, answer: Answer) -> str:
        failed = answer.failed
        if failed is not None:
            return self.words["failed"].format(
                reading=failed.reading,
                saw=written(failed.saw),
                operator=failed.operator,
                value=written(failed.value),
            )
        by = self.words.get(f"by_{answer.reason}")
        if by is not None:
            return by.format(until=self._day(answer.until))
        reason = self.words.get(f"{answer.reason}_reason", answer.reason)
        return f"{reason} ({answer.detail})" if answer.detail else reason or "-"

    def _change(self, change: Change) -> str:
        return self.words[change.kind].format(
            name=change.name,
            operator=change.operator,
            value=written(change.value) if change.kind == "make" else change.value,
            at=self._day(change.at),
        )

    def _day(self, at: Instant | None) -> str:
        if at is None or at >= NEVER:
            return "-"
        zone = calendar.zone_of(self.found.zone) or calendar.zone_of("UTC")
        assert zone is not None  # UTC is everywhere
        return self.words["day"].format(calendar.local(at, zone), self.found.zone)
