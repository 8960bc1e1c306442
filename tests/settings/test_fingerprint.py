"""Whether two configurations are the same, but for what is each machine's own."""

from pathlib import Path

import pytest

from exporter.settings.fingerprint import fingerprint
from exporter.settings.load import parse

HERE, THERE = Path("/etc/exporter"), Path("/srv/other")

FILE = """\
accounts:
  - {name: first, api_key_file: first.key}
  - {name: second, api_key_env: SECOND}
task_groups:
  - name: renders
    account: first
    static_configs: [{task_ids: [one, two]}]
    file_sd_configs: [{files: ["tasks/*.yml"]}]
    http_sd_configs: [{url: "http://app/tasks?token=hunter2"}]
  - {name: stills, account: second, model: seedream}
"""


def of(text: str, directory: Path = HERE) -> str:
    return fingerprint(parse(text, file="exporter.yml", base=directory), directory=directory)


def test_it_is_a_sha256() -> None:
    assert len(of(FILE)) == 64
    assert int(of(FILE), 16) >= 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("first.key", "/run/secrets/first.key"),
        ("api_key_env: SECOND", "api_key_file: /run/secrets/second"),
        ("hunter2", "hunter3"),
        ("[one, two]", "[two, one]"),
        ("task_groups:", "# a remark\ntask_groups:"),
        ("model: seedream}", "model: seedream, stream: false}"),  # as it is anyway
    ],
)
def test_what_means_nothing(before: str, after: str) -> None:
    assert of(FILE.replace(before, after)) == of(FILE)


def test_accounts_and_groups_in_another_order() -> None:
    head, groups = FILE.split("task_groups:\n")
    renders, stills = groups.split("  - {name: stills")
    accounts = head.splitlines(keepends=True)
    turned = "".join([accounts[0], *reversed(accounts[1:])]) + "task_groups:\n  - {name: stills" + stills + renders

    assert of(turned) == of(FILE)


def test_the_same_file_in_another_directory() -> None:
    assert of(FILE, THERE) == of(FILE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[one, two]", "[one, two, three]"),
        ("name: second", "name: third"),
        ("model: seedream", "model: sora-2"),
        ("tasks/*.yml", "tasks/*.json"),
        ("app/tasks?", "app/others?"),
        ("model: seedream}", "model: seedream, poll: {max_interval: 1m}}"),
    ],
)
def test_what_means_something(before: str, after: str) -> None:
    text = FILE.replace(before, after)
    text = text.replace("account: second", "account: third") if after == "name: third" else text

    assert of(text) != of(FILE)
