"""What a request takes, and which of what is really written that is: a page's format, and whether it is compressed.

Ranges are weighed as RFC 9110 says (12.4.2, 12.5). Whoever takes nothing that is written gets plain text all the same,
as from every exporter: many who ask do not know what they send.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

Encoder = Callable[[Collector], bytes]

OPENMETRICS, TEXT = "application/openmetrics-text", "text/plain"

ESCAPINGS = ("allow-utf-8", "underscores", "dots", "values")

_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Format:
    """One format: how the library writes it, what it is called, and what is known of it.

    ``is_rewritten``: names are changed that need no change, which is left to the library.
    """

    encode: Encoder
    content_type: str

    @property
    def is_openmetrics(self) -> bool:
        return self.content_type.startswith(OPENMETRICS)

    @property
    def is_rewritten(self) -> bool:
        return self.content_type.endswith(("escaping=dots", "escaping=values"))


def chosen_format(accept: str) -> Format:
    """The format that an ``Accept`` header asks for: of several that weigh the same, the one that stands first."""
    ranges = list(_ranges(accept))
    refused = {each.name for each in ranges if not each.weight and not each.parameters}
    for each in sorted(ranges, key=lambda each: (-each.weight, each.is_wide)):
        for header in _written(each, refused) if each.weight else ():
            return Format(*choose_encoder(header))
    return Format(*choose_encoder(""))


def takes_gzip(accept_encoding: str) -> bool:
    """Whether an ``Accept-Encoding`` header takes gzip, and does not rather take the page as it is."""
    weights = {each.name: each.weight for each in _ranges(accept_encoding)}
    others = weights.get("*", 0.0)
    gzip = weights.get("gzip", weights.get("x-gzip", others))
    return gzip > 0 and gzip >= weights.get("identity", others)


# ---- headers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Range:
    """One member of such a header; a weight of 0 refuses."""

    name: str
    weight: float = 1.0
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_wide(self) -> int:
        """0 for one media type, 1 for all of a kind, 2 for everything."""
        return self.name.count("*")


def _ranges(header: str) -> Iterator[_Range]:
    """The members of a header in their order; one whose weight is none is left out."""
    for member in header.split(","):
        name, *rest = (part.strip() for part in member.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        weight = parameters.pop("q", "1")
        if name and _WEIGHT.fullmatch(weight):
            yield _Range(name.lower(), float(weight), parameters)


def _written(each: _Range, refused: set[str]) -> Iterator[str]:
    """What is written of a range, as the library would be asked for it, the most usual first."""
    version = each.parameters.get("version")
    escaping = each.parameters.get("escaping", "")
    scheme = f";escaping={escaping}" if escaping in ESCAPINGS else ""
    match each.name:
        case "application/openmetrics-text" if version in (None, "1.0.0"):
            yield OPENMETRICS + (f";version={version}{scheme}" if version else "")
        case "text/plain" if version in (None, "0.0.4"):
            yield TEXT
        case "text/plain" if version == "1.0.0":
            yield f"{TEXT};version=1.0.0{scheme}"
        case "*/*" | "text/*" | "application/*":
            kind = each.name.removesuffix("*").removeprefix("*/")
            yield from (name for name in (TEXT, OPENMETRICS) if name.startswith(kind) and name not in refused)
