"""One lease that this process holds: until when it may be used, and since when."""

from dataclasses import dataclass

from exporter.replicas.lease import PATIENCE, Fence


@dataclass(slots=True)
class Holding:
    """Times are seconds of this process's steady clock.

    ``acquired_at`` is when the answer came that it was taken, ``deadline`` is a lease after the question that was last
    answered well. ``is_leaving``: nothing more is asked of the API for it, what was asked is brought to an end, and
    it is not renewed, so that whoever does not come to an end loses it.
    """

    account: str
    owner: str
    epoch: int
    batch: int
    acquired_at: float
    deadline: float
    is_leaving: bool = False

    def renewed(self, *, until: float) -> None:
        """It holds until then; an answer that comes late takes nothing away."""
        self.deadline = max(self.deadline, until)

    def holds(self, *, now: float) -> bool:
        """Whether nobody else can have it yet."""
        return now < self.deadline

    def may_send(self, timeout: float, *, now: float) -> bool:
        """Whether a request that is sent now, and is given up after so many seconds, ends before the lease does."""
        return not self.is_leaving and now + timeout <= self.deadline

    def may_show(self, scrape_timeout: float, *, now: float) -> bool:
        """Whether a scrape that has arrived by now may see it.

        A sample is dated by the beginning of its scrape, which is a scrape's timeout ago at most, by Prometheus's
        clock. It must not be older than the last one that the owner before can have shown.
        """
        return self.holds(now=now) and now >= self.acquired_at + PATIENCE * scrape_timeout

    @property
    def fence(self) -> Fence:
        """What its next commit begins with."""
        return Fence(self.account, self.owner, self.epoch, self.batch)
