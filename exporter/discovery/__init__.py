"""Where tasks come from: every source turns what it reads into the same items."""
