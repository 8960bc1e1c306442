"""The durable record: how each task ended, what is added up, and what a restart must know of the open ones.

``ledger`` says what a ledger is, ``store`` is the one on SQLite (``sqlite``: its file; ``rows``, ``tables``: what is in
it), ``writer`` brings everything to it, off the event loop.
"""
