"""How long to wait before a task is asked about again."""

from dataclasses import dataclass

from exporter.settings.model import PollSettings

FAILING_INTERVAL = 60.0
"""The longest wait (seconds) for a task whose queries fail, where ``max_interval`` is not longer."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """The published cadence: ``max(min_interval, eta / polls_per_eta)``, ``default_eta`` where no ETA is known.

    Source: "Polling cadence" on the API's tasks/query page, which asks about six times across the expected duration.
    """

    settings: PollSettings

    def interval(self, eta_seconds: float | None, *, failures: int = 0) -> float:
        """Seconds until the next poll; each failure in a row that was the task's own doubles them."""
        poll = self.settings
        published = max(poll.min_interval, (eta_seconds or poll.default_eta) / poll.polls_per_eta)
        if not failures:
            return min(poll.max_interval, published)
        return min(max(poll.max_interval, FAILING_INTERVAL), published * 2.0 ** min(failures, 30))
