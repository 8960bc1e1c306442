"""The table, from made-up figures."""

from pathlib import Path

from monitoring.alerting import alerts
from monitoring.reaction.figures import Figures, dump, load
from monitoring.reaction.measure import Reaction
from monitoring.reaction.page import QUIET, cell, section
from monitoring.reaction.situations import situations

OUTAGE, WAVE, HEALTHY = (
    next(each for each in situations() if each.name == name) for name in ("outage", "wave", "healthy")
)
FIGURES = Figures(
    "0123",
    {
        "outage": {"ByteSpikeUpstreamDown": Reaction(4, 1, 18)},
        "wave": {"ByteSpikeFailureSpike": Reaction(300, 3, None)},
        "healthy": {},
    },
)


def test_a_cell_says_how_long_it_takes_and_how_often_it_comes() -> None:
    assert cell(None) == QUIET
    assert cell(Reaction(4, 1, 18)) == "4 min"
    assert cell(Reaction(300, 3, None)) == "5.0 h, 3 times"


def test_rows_are_what_comes_and_columns_where_something_does() -> None:
    lines = list(section(FIGURES, [OUTAGE, WAVE, HEALTHY], alerts()))
    table = [line for line in lines if line.startswith("|")]
    assert table == [
        "| alert | severity | outage | wave |",
        "|---|---|---|---|",
        f"| ByteSpikeFailureSpike | warning | {QUIET} | 5.0 h, 3 times |",
        f"| ByteSpikeUpstreamDown | critical | 4 min | {QUIET} |",
    ]
    text = " ".join(lines)
    assert "Nothing comes in these: healthy." in text
    assert "ByteSpikeWatchdog" not in text
    assert "ByteSpikeLedgerStalled" in text.partition("In none of them")[2]


def test_figures_come_back_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    dump(FIGURES, file)
    assert load(file) == FIGURES
