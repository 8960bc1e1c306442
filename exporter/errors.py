"""The root of the exception tree.

ExporterError
├── ConfigError            settings: the file says something that cannot be
├── DiscoveryError         discovery: a source of tasks cannot be read
├── LedgerError            ledger: the durable record cannot be read or written
├── LeaseError             replicas: the leases that replicas share cannot be read or written
├── RegistrationError      service: a task cannot be registered
└── DispatcherError        dispatcher: a query got no validated answer

Each subclass lives in the package whose boundary maps foreign errors into it.
"""


class ExporterError(Exception):
    """Anything this project raises on purpose; its text is fit for the user's eyes."""
