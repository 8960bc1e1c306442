"""The types of columns that differ between databases: what the tables and their migrations share."""

from sqlalchemy import BigInteger, Integer, String

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""Whole numbers that may grow for years. SQLite gives row numbers to INTEGER alone, which has 64 bits there."""

TEXT = String().with_variant(String(collation="C"), "postgresql")
"""Text that is compared byte by byte, everywhere: an index then outlives an update of the system's collations."""
