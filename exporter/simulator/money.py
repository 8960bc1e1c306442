"""Money is whole cents inside and a JSON number of dollars outside, so that every sum is exact."""

Cents = int


def cents(usd: float) -> Cents:
    """Dollars as cents, rounded."""
    return round(usd * 100)


def usd(amount: Cents) -> float:
    """Cents as the dollars that JSON shows."""
    return amount / 100


def fixed(amount: Cents) -> str:
    """Cents as the headers write them: two decimals."""
    return f"{amount / 100:.2f}"
