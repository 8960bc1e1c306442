"""Whether the exporter can listen where it is to, or does so already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import httpx

from exporter.doctor.finding import Finding, fault, ok
from exporter.metrics.families.own import BUILD_INFO
from exporter.threads import in_thread

PORT = "port"

ANSWER_SECONDS = 3.0
MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to listen; ``refusal`` tries it and says in words why it cannot be, or None.

    ``url`` is by what whoever listens there is asked, None where it cannot be.
    """

    name: str
    refusal: Callable[[], str | None]
    url: str | None = None


async def port(place: Place) -> Sequence[Finding]:
    """Try one."""
    refusal = await in_thread(partial(place.refusal))
    if refusal is None:
        return [ok(PORT, "free", subject=place.name)]
    if place.url is not None and await _is_exporter(place.url):
        return [ok(PORT, "an exporter runs there already", subject=place.name)]
    advice = "who has it says ss -ltnp; choose another by --web.listen-address, or proxy.listen_address"
    return [fault(PORT, refusal, advice, subject=place.name)]


async def _is_exporter(url: str) -> bool:
    # proxies of the environment are not for addresses of this machine
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as http,
            http.stream("GET", f"{url}/metrics", params={"name[]": BUILD_INFO.name}) as answer,
        ):
            async for chunk in answer.aiter_bytes(MOST_BYTES):
                return BUILD_INFO.name.encode() in chunk
    except (httpx.HTTPError, httpx.InvalidURL):
        pass
    return False
