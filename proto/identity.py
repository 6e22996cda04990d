"""The proof that a browser speaks for a person: an HMAC that only the shop's back end can make.

A browser's key is public, so a `userId` beside it proves nothing. The back end, which knows who is
signed in, writes `userHash = hex HMAC-SHA256(identity secret, userId)` into the page (design §8).
The proof is for ever: it is as good as the session cookie of the page it stands in, and ends when
the shop changes its identity secret. Several are good at a time, so that pages made before a
change still work.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import TypeAlias

# (userId, userHash) → whether it is proved.
Prove: TypeAlias = Callable[[str, str], bool]


def user_hash(secret: str, user_id: str) -> str:
    """What the shop's back end writes into the page: 64 hex digits."""
    return hmac.new(secret.encode(), user_id.encode(), sha256).hexdigest()


def is_proved(secrets: Iterable[str], user_id: str, given: str) -> bool:
    """Whether one of these secrets made `given` for this person; compared in constant time."""
    said = given.casefold().encode()
    # All are tried, so that the time says nothing about which one it was.
    found = [hmac.compare_digest(user_hash(one, user_id).encode(), said) for one in secrets]
    return any(found)


def unproved(_user_id: str, _user_hash: str) -> bool:
    """For where there is no identity secret: nobody has proved anything."""
    return False
