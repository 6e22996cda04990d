"""The door: whether a key is let in, asked by websocket, HTTP and console alike.

A key is right, it comes from where it may be used, and its address has not been guessing. What a
key may say once it is in is `proto/permissions.py`; how much, `actors/limits.py`.
"""

from __future__ import annotations

from actors.keys import Keyring
from actors.limits import Limits
from actors.turnstile import BROWSERS, STRANGERS, Turnstile
from proto import permissions
from proto.session import Grant, Turned


class Door:
    def __init__(self, keyring: Keyring, limits: Limits) -> None:
        self.keyring = keyring
        self.limits = limits
        self.strangers = Turnstile(STRANGERS)
        self.browsers = Turnstile(BROWSERS)

    def admit(self, key: str, origin: str | None, address: str) -> Grant | Turned | None:
        """Who this key is; why it may not come in from there; None where there is no such key.

        `origin` is the Origin header, None where there was none; `address` is of `address_of`.
        """
        grant = self.keyring.authenticate(key)
        wait = self.limits.guessing(address)
        if wait and (grant is None or grant.kind != "publishable"):
            return Turned(f"too many wrong keys: come back in {-(-wait // 1_000)} s", "limited")
        if grant is None:
            self.limits.guessed(address)
            return None
        reason = permissions.origin_refusal(grant.origins, origin)
        return grant if reason is None else Turned(reason)
