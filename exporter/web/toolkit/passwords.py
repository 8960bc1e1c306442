"""Passwords against their bcrypt hashes: one at a time, off the event loop, and each answer remembered.

Of a password only a keyed digest is kept, so that neither memory nor a dump tells it.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from random import Random

import bcrypt

from exporter.threads import Threads

REMEMBERED = 100
"""So many right and so many wrong passwords are remembered, as in the toolkit; wrong ones never push out right ones."""

WAITING = 64
"""So many different passwords may wait to be hashed; one more is turned away at once."""

LONGEST = 72
"""bcrypt looks at no more bytes of a password."""

_ANY_COST = 10
_HASH = re.compile(r"\$2(?:[^$]\$|\$)(?P<cost>[0-9]{2})\$(?P<rest>.*)", re.DOTALL)
_NEVER = "." * 53


class BusyError(Exception):
    """So many passwords wait already that another one would only make it worse."""


class Passwords:
    """Who is who. ``check`` compares a password with a hash, slowly; it is called in a thread."""

    def __init__(self, *, random: Random, check: "Callable[[bytes, str], bool] | None" = None) -> None:
        self._check = check or matches
        self._random = random
        self._threads = Threads(at_once=1)  # hashing is meant to be dear: never more than one core of it
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, bool] = {}
        self._wrong: dict[bytes, bool] = {}
        self._waiting: dict[bytes, asyncio.Task[bool]] = {}

    async def is_right(self, users: Mapping[str, str], user: str, password: bytes) -> bool:
        """Whether that is the password of a known user; BusyError where too many others are being looked at.

        For somebody unknown it takes as long as for most of those who are known.
        """
        hashed = users.get(user)
        digest = self._digest(user, hashed or "", password)
        known = self._right.get(digest, self._wrong.get(digest))
        if known is not None:
            return known
        task = self._waiting.get(digest)
        if task is None:
            if len(self._waiting) >= WAITING:
                raise BusyError
            looked_up = hashed if hashed is not None else _nobody(users)
            task = asyncio.create_task(self._look(digest, looked_up, password, is_known=hashed is not None))
            self._waiting[digest] = task
        return await asyncio.shield(task)  # whoever gives up leaves it to the others

    async def _look(self, digest: bytes, hashed: str, password: bytes, *, is_known: bool) -> bool:
        try:
            is_match = await self._threads.run(partial(self._check, password, hashed))
        finally:
            del self._waiting[digest]
        right = is_match and is_known
        self._remember(self._right if right else self._wrong, digest, right=right)
        return right

    def _remember(self, answers: dict[bytes, bool], digest: bytes, *, right: bool) -> None:
        if len(answers) >= REMEMBERED:
            for gone in self._random.sample(list(answers), REMEMBERED // 10 + 1):
                del answers[gone]
        answers[digest] = right

    def _digest(self, user: str, hashed: str, password: bytes) -> bytes:
        parts = (user.encode(errors="surrogateescape"), hashed.encode(), password)
        told_apart = b"".join(len(part).to_bytes(8) + part for part in parts)
        return hashlib.blake2b(told_apart, key=self._key, digest_size=32).digest()

    def __repr__(self) -> str:
        return "Passwords()"


def matches(password: bytes, hashed: str) -> bool:
    """Whether bcrypt makes that hash of the password; every minor version is the same to it, as in Go."""
    found = _HASH.fullmatch(hashed)
    if found is None:
        return False
    same = f"$2b${found['cost']}${found['rest']}".encode()
    try:
        return hmac.compare_digest(bcrypt.hashpw(password[:LONGEST], same), same)
    except ValueError:  # no salt that bcrypt can read
        return False


def fault_of_hash(hashed: str) -> str | None:
    """Why something is no bcrypt hash, without repeating it; None where it may be one."""
    found = _HASH.fullmatch(hashed)
    if found is None or len(hashed) < 59:
        return "is not a bcrypt hash; make one with: htpasswd -nBC 10 NAME"
    if not 4 <= int(found["cost"]) <= 31:
        return "is a bcrypt hash of a cost that cannot be; it has to be from 4 to 31"
    return None


def _nobody(users: Mapping[str, str]) -> str:
    """A hash that no password has, as dear to look at as those of most users."""
    costs = Counter(int(found["cost"]) for hashed in users.values() if (found := _HASH.fullmatch(hashed)))
    cost = costs.most_common(1)[0][0] if costs else _ANY_COST
    return f"$2b${cost:02d}${_NEVER}"
