"""Wrong credentials: counted, summed up in the log, and answered the later the more of them one address brings.

It is no lock-out. Whoever brings the right ones never comes here, whatever others do from the same address: he is
answered at once. Nor does it cost much: so many wait at most, the others are told to come back, and of so many
addresses it is remembered what they have tried.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from exporter.clock import Clock
from exporter.metrics.families.own import Credential
from exporter.summed import SummedLog
from exporter.web.api.refusals import refusal

FREE = 3
"""So many wrong ones are answered at once: a mistake, a token that has just been changed."""

FIRST = 0.5
LONGEST = 8.0
"""Seconds before the next one is answered, twice as many each time."""

FORGOTTEN_AFTER = 300.0
"""Seconds without a wrong one after which an address begins anew."""

MOST_ADDRESSES = 10_000
MOST_WAITING = 64
MOST_WAITING_EACH = 4
"""Answers that are held back at once, in all and to one address."""

NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all that begin so."""


@dataclass(slots=True)
class _Tries:
    """What one address has tried lately."""

    refused: int = 0
    last_at: float = 0.0
    waiting: int = 0


class Guesses:
    """All those who guess. It belongs to the event loop."""

    def __init__(self, clock: Clock, *, count: Callable[[Credential], None], log: SummedLog) -> None:
        self._clock = clock
        self._count = count
        self._log = log
        self._by_address: OrderedDict[str, _Tries] = OrderedDict()
        self._waiting = 0

    async def refused(self, kind: Credential, address: str) -> None:
        """Credentials of this kind were wrong: return when that may be answered; a Refusal (429) where too many wait.

        ``address`` is whose they were, empty where that is not known.
        """
        self._count(kind)
        self._log.warning("credentials_refused", str(kind), address=address or "unknown")
        tries = self._tries(_network(address))
        delay = _delay(tries.refused)
        if not delay:
            return
        if self._waiting >= MOST_WAITING or tries.waiting >= MOST_WAITING_EACH:
            raise refusal(429, "too many wrong credentials", headers={"Retry-After": f"{LONGEST:.0f}"})
        self._waiting += 1
        tries.waiting += 1
        try:
            await self._clock.sleep(delay)
        finally:
            self._waiting -= 1
            tries.waiting -= 1

    def _tries(self, network: str) -> _Tries:
        """Those of an address, with one more."""
        now = self._clock.monotonic()
        tries = self._by_address.setdefault(network, _Tries())
        self._by_address.move_to_end(network)
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        if now - tries.last_at > FORGOTTEN_AFTER:
            tries.refused = 0
        tries.refused, tries.last_at = tries.refused + 1, now
        return tries


def _delay(refused: int) -> float:
    """Seconds for which the answer to this one is held back."""
    if refused <= FREE:
        return 0.0
    return min(LONGEST, FIRST * 2.0 ** min(refused - FREE - 1, 10))


def _network(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{int(parsed) >> (128 - NETWORK_BITS):x}::"
    return str(parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else parsed)
