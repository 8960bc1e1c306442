"""``doctor``: what a first evening trips over, looked at one by one, each with what to do about it."""
