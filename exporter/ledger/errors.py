"""Why the durable record cannot be used."""

from exporter.errors import ExporterError


class LedgerError(ExporterError):
    """The ledger cannot be opened, read or written; the text says which, why and what to do."""
