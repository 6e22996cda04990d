"""Consent: on what legal basis a mail may go to this person (delivery §2.4, mission §9.9).

`contract` performs what was ordered and always may. `soft_opt_in` covers buyers, for products like
those they bought, until they object; anyone who agreed may get it too. `consent` needs a yes.
"""

from __future__ import annotations

from typing import Final, Literal

from ecrm.state import State

Basis = Literal["contract", "soft_opt_in", "consent"]

MARKETING_PURPOSE: Final = "email_marketing"

# The mark of those who gave no sign of life after the last offer: marketing is over for them, until
# they give one (mission §9.3).
SUNSET: Final = "sunset"


def objection(state: State, basis: Basis) -> str:
    """What is missing for a mail on this basis; empty where nothing is."""
    if basis == "contract":
        return ""
    if SUNSET in state.marks:
        return "no sign of life after the last offer"
    consent = state.consents.get(MARKETING_PURPOSE)
    if consent is not None:
        return "" if consent.granted else f"{MARKETING_PURPOSE} was denied"
    if basis == "soft_opt_in" and state.purchases.count > 0:
        return ""
    missing = "nor an order" if basis == "soft_opt_in" else "and it is needed"
    return f"no {MARKETING_PURPOSE} consent was given, {missing}"


def may_promote(state: State) -> bool:
    """May a transactional mail carry a promotional block (mission §9.8)?"""
    return not objection(state, "soft_opt_in")
