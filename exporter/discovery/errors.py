"""What keeps a source from being read."""

from exporter.errors import ExporterError


class DiscoveryError(ExporterError):
    """A refresh that found nothing to go by; what was found last holds."""
