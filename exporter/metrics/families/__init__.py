"""The families, declared: one file for each prefix of their names."""
