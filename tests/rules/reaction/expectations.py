"""Who is to be told of what, how soon; and who is to sleep. What is not named here has to keep quiet."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Expected:
    """What one situation has to bring about.

    ``must`` come within so many minutes. ``besides`` come as well, at whatever time, and are no pages. ``tempted`` are
    the quiet ones that this situation is there for. ``lasting`` still fire at the end, for their cause does.
    """

    must: Mapping[str, int] = field(default_factory=dict)
    besides: frozenset[str] = frozenset()
    tempted: frozenset[str] = frozenset()
    lasting: frozenset[str] = frozenset()


EXPECTED: Mapping[str, Expected] = {
    "healthy": Expected(tempted=frozenset({"ByteSpikeFailureSpike", "ByteSpikePollingLagging"})),
    "outage": Expected(must={"ByteSpikeUpstreamDown": 5}),
    "short outage": Expected(must={"ByteSpikeUpstreamDown": 5}),
    "wave": Expected(must={"ByteSpikeSuccessBudgetBurningFast": 15}),
    "slow burn": Expected(must={"ByteSpikeSuccessBudgetBurningSlowly": 48 * 60}),
    "one an hour": Expected(must={"ByteSpikeNothingSucceeds": 4 * 60}),
    "failing batches": Expected(must={"ByteSpikeSuccessBudgetBurningFast": 3 * 60}),
    "nightly batch": Expected(tempted=frozenset({"ByteSpikeCreditsBurningFast", "ByteSpikeQuotaRunningOut"})),
    "quiet night": Expected(tempted=frozenset({"ByteSpikeNothingFinishing"})),
    "restart": Expected(tempted=frozenset({"ByteSpikeExporterRestarting", "ByteSpikeExporterDown"})),
    "crash loop": Expected(must={"ByteSpikeExporterRestarting": 20}),
}
