"""Where in a configuration something stands."""

Path = tuple[str | int, ...]
"""Keys and list indexes from the root of the file."""


def dotted(path: Path) -> str:
    """A path as people write it: ``accounts[0].max_in_flight``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path)
    return text.removeprefix(".")


def shown(key: str) -> str:
    """A key fit for a message: short, and printable whatever it holds."""
    key = key if key.isprintable() else ascii(key)[1:-1]
    return key if len(key) <= 60 else f"{key[:57]}..."
