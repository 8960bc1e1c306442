"""Pages as they must look, kept beside the tests. UPDATE_GOLDEN=1 writes them anew: read the diff."""

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str, page: bytes) -> str:
    """The text that the page must equal."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_bytes(page)
    return path.read_text()
