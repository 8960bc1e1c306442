"""Secrets in files, compared without telling how much of a guess was right."""

import asyncio
from hmac import compare_digest
from pathlib import Path

from exporter.clock import Clock
from exporter.secrets import SecretSource

LOOK_SECONDS = 1.0
"""A file is looked at again at most this often."""


class SecretFiles:
    """The files by their paths, each read when it is first asked for and again when it changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[Path, SecretSource] = {}
        self._looked: dict[Path, float] = {}

    async def matches(self, path: Path, given: str) -> bool:
        """Whether this is the secret in the file; never where the file has none."""
        secret = await self._secret(path)
        return compare_digest((secret or "").encode(), given.encode(errors="replace")) and secret is not None

    async def fault(self, path: Path) -> str | None:
        """Why the file has no secret, fit for a log; None where it has one."""
        await self._secret(path)
        return self._files[path].fault

    async def _secret(self, path: Path) -> str | None:
        now = self._clock.monotonic()
        if path not in self._files:
            file = await asyncio.to_thread(lambda: SecretSource(file=path))
            self._files[path], self._looked[path] = file, now
        elif now - self._looked[path] >= LOOK_SECONDS:
            self._looked[path] = now
            await asyncio.to_thread(self._files[path].refresh)
        return self._files[path].reveal()
