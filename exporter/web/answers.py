"""Answers in plain text, JSON and HTML, with the headers that each kind needs."""

import json
from collections.abc import Mapping, Sequence

from starlette.responses import HTMLResponse, PlainTextResponse, Response

ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def text(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Plain text; a newline is added, for terminals."""
    return PlainTextResponse(f"{body}\n", status, {**ALWAYS, **(headers or {})})


def as_json(body: Mapping[str, object] | Sequence[object], status: int = 200) -> Response:
    """JSON that a person at a terminal can read, too."""
    return Response(json.dumps(body, indent=2) + "\n", status, ALWAYS, media_type="application/json")


def html(body: str, *, style_hash: str) -> Response:
    """A page that loads nothing, runs nothing and is in nobody's frame; its one style sheet is known by its hash."""
    policy = (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return HTMLResponse(body, 200, {**ALWAYS, "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"})
