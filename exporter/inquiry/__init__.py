"""``query``: tasks asked about by hand, within the limits of their account, and how a person reads what came of it."""
