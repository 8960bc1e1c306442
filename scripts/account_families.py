"""The families that move with an account, as the chart takes them over from ``config/prometheus/replicas.yml``.

A chart takes nothing from outside its folder; ``make docs`` writes it.
"""

from pathlib import Path

import yaml

SHIPPED = Path(__file__).resolve().parents[1] / "config" / "prometheus" / "replicas.yml"


def pattern() -> str:
    """The regular expression of their names."""
    [job] = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["scrape_configs"]
    [rule] = job["metric_relabel_configs"]
    return str(rule["regex"])


if __name__ == "__main__":
    print(pattern())
