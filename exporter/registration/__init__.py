"""Tasks that somebody asked the exporter to follow: taken, kept in the ledger, and given up when they are over."""
