"""The root of the exception tree.

ExporterError
├── ConfigError            settings: the file says something that cannot be
├── DiscoveryError         discovery: a source of tasks cannot be read
├── LedgerError            ledger: the durable record cannot be read or written
├── LeaseError             replicas: the leases that replicas share cannot be read or written
├── RegistrationError      service: a task cannot be registered
├── DispatcherError        dispatcher: a query got no validated answer
├── UpstreamError          proxy: the sidecar gets no connection to the upstream
├── ScaffoldError          scaffold: a file cannot be written
├── AddressError           watch: the exporter cannot be asked as it was said
└── NoAnswerError          watch: the exporter gave no answer that can be understood

Each subclass lives in the package whose boundary maps foreign errors into it.
"""


class ExporterError(Exception):
    """Anything this project raises on purpose; its text is fit for the user's eyes."""
