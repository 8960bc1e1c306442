"""Numbers as rules and their texts write them."""


def at_least(number: float) -> str:
    """``>=`` for what an increase estimates of a few events: three are 2.99 or 3.1, and two are never 2.5."""
    return f"> {number - 0.5:g}"


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{round(100 * share, 4):g}%"
