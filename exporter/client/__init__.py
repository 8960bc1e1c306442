"""For applications: tells a running exporter of each task that is submitted, without the application waiting for it.

It imports nothing that the exporter itself needs: docs/client.md.
"""

from exporter.client.counts import Counts
from exporter.client.reporter import Reporter

__all__ = ["Counts", "Reporter"]
