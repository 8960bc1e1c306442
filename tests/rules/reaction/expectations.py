"""Who is to be told of what, how soon; and who is to sleep. What is not named here has to keep quiet."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Expected:
    """What one situation has to bring about.

    ``must`` come within so many minutes. ``besides`` come as well, at whatever time, and are no pages. ``tempted`` are
    the quiet ones that this situation is there for. ``lasting`` still fire at the end, for their cause does. ``often``
    come more than once.
    """

    must: Mapping[str, int] = field(default_factory=dict)
    besides: frozenset[str] = frozenset()
    tempted: frozenset[str] = frozenset()
    lasting: frozenset[str] = frozenset()
    often: Mapping[str, int] = field(default_factory=dict)


SPIKES = frozenset({"ByteSpikeErrorCodeSpike", "ByteSpikeFailureSpike"})
SLOWLY = frozenset({"ByteSpikeSuccessBudgetBurningSlowly"})
HANGING = frozenset({"ByteSpikeTasksOverdue", "ByteSpikeTaskStuck"})

EXPECTED: Mapping[str, Expected] = {
    "healthy": Expected(tempted=frozenset({"ByteSpikeFailureSpike", "ByteSpikePollingLagging"})),
    "outage": Expected(
        must={"ByteSpikeUpstreamDown": 5},
        tempted=frozenset({"ByteSpikeUpstreamSlow", "ByteSpikeNothingFinishing", "ByteSpikePollingLagging"}),
    ),
    "short outage": Expected(must={"ByteSpikeUpstreamDown": 5}),
    "wave": Expected(must={"ByteSpikeSuccessBudgetBurningFast": 15}, besides=SPIKES),
    "slow burn": Expected(must=dict.fromkeys(SLOWLY, 48 * 60), lasting=SLOWLY),
    "one an hour": Expected(
        must={"ByteSpikeNothingSucceeds": 4 * 60},
        besides=SLOWLY,
        lasting=SLOWLY | {"ByteSpikeNothingSucceeds"},
    ),
    "failing batches": Expected(
        must={"ByteSpikeSuccessBudgetBurningFast": 15},
        besides=SPIKES | SLOWLY,
        often=dict.fromkeys(SPIKES, 6),  # tickets, and kept back once the page is there
    ),
    "nightly batch": Expected(tempted=frozenset({"ByteSpikeCreditsBurningFast", "ByteSpikeQuotaRunningOut"})),
    "quiet night": Expected(
        besides=HANGING,  # a ticket for the morning
        tempted=frozenset({"ByteSpikeNothingFinishing"}),
        lasting=HANGING,
    ),
    "restart": Expected(tempted=frozenset({"ByteSpikeExporterRestarting", "ByteSpikeExporterDown"})),
    "crash loop": Expected(must={"ByteSpikeExporterRestarting": 20}),
}
