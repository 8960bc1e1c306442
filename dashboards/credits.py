"""Credits: what is spent, whether it is what was estimated, and how long the rest lasts."""

import sys

from dashboards._board import Board, Row
from dashboards._links import CREDITS, EXPORTER, GROUP_AND_MODEL, OVERVIEW, TASKS, of_row, of_series, to
from dashboards._look import ENDS, IDLE, line_at, worse_above, worse_below
from dashboards._panels import HALF, lines, ranking, stack, stat
from dashboards._promql import HOUR, RATE, named
from dashboards._query import Query
from dashboards._tables import Column, table
from dashboards._thresholds import BUCKET_SHARE, COST_RATIO, LASTS_SECONDS

USED = "bytespike_tasks_credits_used_total"
ESTIMATED = "bytespike_tasks_credits_estimated_total"
USED_OF_ESTIMATED = "bytespike_tasks_credits_used_with_estimate_total"
QUOTA = "bytespike_api_quota_remaining_credits"
WALLET = "bytespike_api_org_quota_remaining_credits"
UNBILLED = "Nothing was billed."
OF_ACCOUNT = [to(OVERVIEW, of_series("account")), to(EXPORTER, of_series("account"))]
OF_MODEL = [to(GROUP_AND_MODEL, of_series("model")), to(CREDITS, of_series("model"))]
UNIT = "Credits are as the API gives them: of the size of USD in every published example."


def _ratio(window: str, *by: str) -> str:
    grouping = f"sum by ({', '.join(by)}) " if by else "sum"
    return f"{grouping}(increase({USED_OF_ESTIMATED}[{window}])) / ({grouping}(increase({ESTIMATED}[{window}])) > 0)"


def _lasts(remaining: str) -> str:
    """Seconds until it is used up, where it is shrinking at all."""
    return f"{remaining} / (-deriv({remaining}[{HOUR}]) > 0)"


STATE = Row(
    "How much, and how long will it last?",
    [
        stat(
            "Last hour",
            f"Credits billed in the last hour. {UNIT}",
            f"sum(increase({USED}[1h]))",
            unit="short",
            decimals=2,
            width=3,
            links=[to(GROUP_AND_MODEL), to(TASKS)],
        ),
        stat(
            "Last day",
            f"Credits billed in the last day. {UNIT}",
            f"sum(increase({USED}[1d]))",
            unit="short",
            decimals=2,
            width=3,
            links=[to(GROUP_AND_MODEL), to(TASKS)],
        ),
        stat(
            "Outstanding",
            "Estimates of the tasks that are still pending or running: what is about to be billed.",
            "sum(bytespike_tasks_outstanding_credits)",
            unit="short",
            decimals=2,
            width=3,
            links=[to(GROUP_AND_MODEL), to(TASKS)],
        ),
        stat(
            "Cost / estimate",
            "Credits of completed tasks / their last estimates, over a day.",
            _ratio("1d"),
            unit="percentunit",
            decimals=0,
            thresholds=worse_above(*COST_RATIO),
            empty="nothing billed",
            width=3,
            links=[to(GROUP_AND_MODEL), to(TASKS)],
        ),
        stat(
            "Smallest quota",
            "What is left of the key's quota that is nearest to its end.",
            f"min({QUOTA})",
            unit="short",
            decimals=2,
            empty="not told",
            width=3,
            links=[to(OVERVIEW), to(EXPORTER)],
        ),
        stat(
            "Quota lasts",
            "How long the key's quota that ends first lasts at the rate of the last hour.",
            f"min({_lasts(QUOTA)})",
            unit="s",
            decimals=0,
            thresholds=worse_below(*LASTS_SECONDS),
            empty="no end seen",
            width=3,
            links=[to(OVERVIEW), to(EXPORTER)],
        ),
        stat(
            "Wallet",
            "What is left in the organisation's wallet, for keys of an organisation.",
            f"min({WALLET})",
            unit="short",
            decimals=2,
            empty="not told",
            width=3,
            links=[to(OVERVIEW), to(EXPORTER)],
        ),
        stat(
            "Wallet lasts",
            "How long the organisation's wallet lasts at the rate of the last hour.",
            f"min({_lasts(WALLET)})",
            unit="s",
            decimals=0,
            thresholds=worse_below(*LASTS_SECONDS),
            empty="no end seen",
            width=3,
            links=[to(OVERVIEW), to(EXPORTER)],
        ),
    ],
)

BURN = Row(
    "Where do they go?",
    [
        stack(
            "Credits an hour, by group",
            "Credits billed, at the rate of an hour.",
            Query(f"3600 * sum by (group) (rate({USED}[{RATE}])) > 0", "{{group}}"),
            unit="short",
            step="2m",
            empty=UNBILLED,
            links=[to(GROUP_AND_MODEL, of_series("group")), to(CREDITS, of_series("group"))],
        ),
        stack(
            "Credits an hour, by model",
            "Credits billed, at the rate of an hour.",
            Query(named(f"3600 * sum by (model) (rate({USED}[{RATE}])) > 0", "model"), "{{name}}"),
            unit="short",
            step="2m",
            empty=UNBILLED,
            links=OF_MODEL,
        ),
        ranking(
            "Most spent on",
            "Credits billed within the time range chosen above, the six highest.",
            Query(
                f"sort_desc(topk(6, sum by (group, model) (increase({USED}[$__range])) > 0))", "{{group}}, {{model}}"
            ),
            unit="short",
            decimals=2,
            empty="nothing was billed",
            links=[to(GROUP_AND_MODEL, of_series("group", "model")), to(TASKS, of_series("group", "model"))],
        ),
    ],
)

ESTIMATES = Row(
    "Is it what was estimated?",
    [
        lines(
            "Used and estimated an hour",
            "Credits of completed tasks, and their last estimates, at the rate of an hour.",
            # what is drawn last lies on top
            Query(f"3600 * sum(rate({ESTIMATED}[{RATE}]))", "estimated"),
            Query(f"3600 * sum(rate({USED_OF_ESTIMATED}[{RATE}]))", "used"),
            unit="short",
            colours={"used": "blue", "estimated": IDLE},
            step="2m",
            links=[to(GROUP_AND_MODEL)],
        ),
        lines(
            "Used / estimated, by model",
            "Credits of completed tasks / their last estimates over an hour; the dashed line is what was estimated.",
            Query(named(_ratio(HOUR, "model"), "model"), "{{name}}"),
            unit="percentunit",
            links=OF_MODEL,
            empty=UNBILLED,
            thresholds=line_at(1, "text"),
            least=0.8,
            most=1.1,
        ),
        stack(
            "Billed an hour, by outcome",
            "Credits an hour by how the task ended. Failed tasks are free by the documentation; "
            "a task that is cancelled while it runs may be billed in part.",
            Query(f"3600 * sum by (status) (rate({USED}[{RATE}])) > 0", "{{status}}"),
            unit="short",
            colours=ENDS,
            step="2m",
            empty=UNBILLED,
            links=[to(TASKS)],
        ),
    ],
)

LEFT = Row(
    "What is left?",
    [
        lines(
            "Left of the keys' quotas",
            "Lifetime quota left of each account's key; documented as USD.",
            Query(f"min by (account) ({QUOTA})", "{{account}}"),
            unit="short",
            empty="The API tells no quota for these keys.",
            links=OF_ACCOUNT,
        ),
        lines(
            "Left in the wallets",
            "What is left in the wallet of each account's organisation; documented as USD.",
            Query(f"min by (account) ({WALLET})", "{{account}}"),
            unit="short",
            empty="The API tells of no wallet.",
            links=OF_ACCOUNT,
        ),
        stack(
            "Outstanding",
            "Estimates of the tasks that are still pending or running.",
            Query("sum by (group) (bytespike_tasks_outstanding_credits)", "{{group}}"),
            unit="short",
            links=[to(GROUP_AND_MODEL, of_series("group")), to(TASKS, of_series("group"))],
        ),
    ],
)

BUCKETS = Row(
    "How near are the spending limits?",
    [
        lines(
            "Left of the tightest bucket",
            "USD left / cap of the spend bucket (5 hours, a day or a week) that is the tightest at the moment. "
            "Which one that is the API does not say and may change: a jump may be another bucket.",
            Query(
                "min by (account) (bytespike_api_rate_limit_remaining_usd / (bytespike_api_rate_limit_usd > 0))",
                "{{account}}",
            ),
            unit="percentunit",
            thresholds=line_at(BUCKET_SHARE),
            most=1,
            empty="The API tells of no spending limit.",
            links=OF_ACCOUNT,
            width=HALF,
        ),
        table(
            "Spend buckets",
            "The tightest spend bucket of each account, as the API's last answer had it.",
            Column("Cap", "min by (account) (bytespike_api_rate_limit_usd)", "currencyUSD"),
            Column("Left", "min by (account) (bytespike_api_rate_limit_remaining_usd)", "currencyUSD"),
            Column(
                "Resets in",
                "max by (account) (bytespike_api_rate_limit_reset_timestamp_seconds) - time() > 0",
                "s",
                decimals=0,
            ),
            labels={"account": "Account"},
            sort_by="Left",
            descending=False,
            empty="The API tells of no spending limit.",
            links=[to(OVERVIEW, of_row(account="Account")), to(EXPORTER, of_row(account="Account"))],
            width=HALF,
        ),
    ],
)

BOARD = Board(
    uid=CREDITS,
    title="ByteSpike / Credits",
    description="What tasks cost, whether it is what was estimated, and how long quotas and wallets last.",
    rows=(STATE, BURN, ESTIMATES, LEFT, BUCKETS),
)

if __name__ == "__main__":
    sys.stdout.write(BOARD.json())
