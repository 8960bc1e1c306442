"""All checks at once, each within its own time: one that hangs holds up no other."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.doctor.finding import Finding, fault

AT_ONCE = 32
"""So many checks go on side by side: there may be a thousand accounts."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at; ``look`` may hang, and blocks nobody else. ``name`` and ``subject`` are its findings'."""

    name: str
    look: Callable[[], Coroutine[Any, Any, Sequence[Finding]]]
    subject: str = ""


async def examine(checks: Iterable[Check], *, seconds: float) -> list[Finding]:
    """What they find, in their order; one that takes longer is a fault, and so is one that breaks."""
    free = asyncio.Semaphore(AT_ONCE)

    async def in_turn(check: Check) -> Sequence[Finding]:
        async with free:
            return await _examined(check, seconds)

    found = await asyncio.gather(*map(in_turn, checks))
    return [finding for findings in found for finding in findings]


async def _examined(check: Check, seconds: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(seconds):
            return await check.look()
    except TimeoutError:
        said = f"no result within {seconds:g} s"
        advice = "something hangs: a resolver, a network share, a server that does not answer; look there first"
    except Exception as error:  # noqa: BLE001 (a check that breaks must not hide what the others found)
        # the text of a foreign error may quote a secret
        said = f"the check itself broke ({type(error).__name__})"
        advice = "the other checks stand; please report this one"
    return [fault(check.name, said, advice, subject=check.subject)]
