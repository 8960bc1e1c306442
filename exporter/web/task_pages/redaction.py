"""An answer as it came, without what would let somebody in: secrets, what looks like one, and signatures of URLs. Pure.

Results are reached by signed URLs: whoever has one has the result. Of every URL only scheme, host and path stay.
"""

import json
import re
from collections.abc import Callable

from exporter.suspects import MASK, masked

_URL = re.compile(r"""[a-zA-Z][a-zA-Z0-9+.-]{1,30}:/?/[^\s"<>]*""")

_PARAMETERS = re.compile(r"([?&#;]|%3[Ff]|%26)\w[\w.\-%\[\]]{0,64}(=|%3[Dd])\S*")
"""What signs a URL that does not look like one: without its scheme, encoded, or with a blank in its path."""

_SECRET_NAME = re.compile(
    r"(?i)(secret|token|passw|signature|credential|authorization|(api|access|private)_?-?key|cookie|session)"
    r"|(^|[_-])(sig|key|pwd|auth)$"
)
"""Names of fields whose text is never shown."""

_IDS = ("task_id", "out_task_id")

DEEPEST = 20
"""What is nested deeper is left out."""

LEFT_OUT = "…"


def readable(text: bytes, mask: Callable[[str], str]) -> str:
    """The JSON value in an answer, indented; ``mask`` takes the known secrets out of a text.

    What is no JSON is not shown: nobody knows what is in it.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "not JSON"
    shown = json.dumps(_shown(value, mask, DEEPEST), indent=2, ensure_ascii=False)
    return "".join(map(_visible, mask(shown)))


def _visible(mark: str) -> str:
    """A character that shows, or its escape: none may turn the direction of the others, or be half of one."""
    return mark if mark.isprintable() or mark == "\n" else json.dumps(mark)[1:-1]


def _shown(value: object, mask: Callable[[str], str], depth: int) -> object:
    if isinstance(value, str):
        return _text(value, mask)
    if not isinstance(value, dict | list):
        return value
    if not depth:
        return LEFT_OUT
    if isinstance(value, list):
        return [_shown(item, mask, depth - 1) for item in value]
    return {_text(name, mask): _field(name, item, mask, depth - 1) for name, item in value.items()}


def _field(name: str, value: object, mask: Callable[[str], str], depth: int) -> object:
    if name in _IDS and isinstance(value, str):  # an id may look random, and it stands on the page anyway
        return mask(value)
    if _SECRET_NAME.search(name) and not isinstance(value, bool | None):
        return MASK
    return _shown(value, mask, depth)


def _text(text: str, mask: Callable[[str], str]) -> str:
    unsigned = _URL.sub(lambda url: _unsigned(url[0]), mask(text))
    return masked(_PARAMETERS.sub(lambda found: f"{found[1]}{MASK}", unsigned))


def _unsigned(url: str) -> str:
    """A URL without user, parameters, query and fragment: each may carry what signs it."""
    scheme, slashes, rest = re.split("(:/?/)", url, maxsplit=1)
    rest, mark = re.split("[?#;]", rest, maxsplit=1)[0], re.search("[?#;]", rest)
    authority, slash, path = rest.partition("/")
    _user, at, host = authority.rpartition("@")
    return f"{scheme}{slashes}{f'{MASK}@' if at else ''}{host}{slash}{path}{f'{mark[0]}{MASK}' if mark else ''}"
