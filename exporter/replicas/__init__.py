"""Several exporters over one database: which of them asks about an account, shows it and counts for it.

``lease`` says what they agree upon, ``store`` what the database is asked, ``replica`` is the protocol, a state machine
without I/O; ``keeper`` runs it, ``postgres`` is the store on PostgreSQL.
"""
