"""What a user should hear about though it may stand there."""

from pathlib import Path

import pytest

from exporter.settings.checks import check, not_as_meant, not_streamed, warnings
from exporter.settings.load import parse
from exporter.settings.model import Settings

FULL = """\
accounts:
  - {name: first, api_key_env: FIRST_KEY}
  - {name: second, api_key_file: key}
task_groups:
  - name: renders
    account: first
    http_sd_configs:
      - {url: "http://app/tasks", authorization: {credentials_file: sd_token}}
      - {url: "https://app/open", tls_config: {cert_file: sd_cert, key_file: sd_key}}
    callback_config: {secret_file: callback}
  - {name: images, account: second, file_sd_configs: [{files: [a.yml]}], api_config: {}, stream: true}
  - {name: plain, account: second}
api: {token_file: token}
"""


def settings(base: Path) -> Settings:
    return parse(FULL, file="exporter.yml", base=base)


def test_a_stream_on_an_account_without_room_for_one(tmp_path: Path) -> None:
    narrow = FULL.replace("api_key_file: key}", "api_key_file: key, max_in_flight: 1}")

    assert not_streamed(settings(tmp_path)) == []
    assert not_streamed(parse(narrow, file="exporter.yml", base=tmp_path)) == [
        (
            "task group images: stream: account second has max_in_flight 1, which is left to polling, so nothing is"
            " streamed; let it have 2 or more"
        )
    ]


def account_at(base_url: str) -> Settings:
    text = f"accounts:\n  - {{name: first, api_key_env: KEY, base_url: '{base_url}'}}\n"
    return parse(text, file="exporter.yml", base=Path("/"))


@pytest.mark.parametrize(
    "base_url",
    [
        "https://llm.bytespike.ai",
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:1/a",
        "https://host/v1/spike",
    ],
)
def test_a_base_url_as_it_is_meant(base_url: str) -> None:
    assert not_as_meant(account_at(base_url)) == []


@pytest.mark.parametrize("base_url", ["http://llm.bytespike.ai", "http://10.0.0.1:80", "http://localhost.evil.test"])
def test_a_key_that_is_sent_in_clear(base_url: str) -> None:
    assert not_as_meant(account_at(base_url)) == [
        "account first: base_url: http:// sends the API key unencrypted over the network; write https://"
    ]


@pytest.mark.parametrize(
    "base_url", ["https://llm.bytespike.ai/v1", "https://llm.bytespike.ai/v1/", "http://[::1]/x/v1"]
)
def test_a_base_url_with_what_every_path_begins_with(base_url: str) -> None:
    [found] = not_as_meant(account_at(base_url))
    assert found.startswith("account first: base_url: ends in /v1, which is part of every path already")


@pytest.mark.parametrize(
    ("source", "warned"),
    [
        ("url: 'http://app/tasks'", False),
        ("url: 'http://app/tasks?group=a'", False),
        ("url: 'http://127.0.0.1/tasks?token=a'", False),
        ("url: 'https://app/tasks?token=a', authorization: {credentials_file: c}", False),
        ("url: 'http://app/tasks?token=a'", True),
        ("url: 'http://app/tasks', authorization: {credentials_file: c}", True),
    ],
)
def test_credentials_that_are_sent_in_clear(source: str, *, warned: bool) -> None:
    text = f"accounts: [{{name: a, api_key_env: KEY}}]\ntask_groups: [{{name: g, http_sd_configs: [{{{source}}}]}}]\n"
    found = not_as_meant(parse(text, file="exporter.yml", base=Path("/")))
    assert found == (
        ["task group g: http_sd_configs: http:// sends the credentials unencrypted over the network; write https://"]
        if warned
        else []
    )


def test_warnings_are_all_of_them(tmp_path: Path) -> None:
    narrow = FULL.replace("api_key_file: key}", "api_key_file: key, max_in_flight: 1, base_url: 'http://host'}")

    found = warnings(parse(narrow, file="exporter.yml", base=tmp_path), {})
    assert [len(found), sum("unencrypted" in line for line in found)] == [6 + 2 + 1, 2]


def test_a_lease_that_nobody_has(tmp_path: Path) -> None:
    said = parse(FULL + "ledger: {lease: 20s}\n", file="exporter.yml", base=tmp_path)

    assert "ledger.lease: has no effect: only replicas that share a PostgreSQL ledger have leases" in not_as_meant(said)
    assert not any("lease" in warning for warning in not_as_meant(settings(tmp_path)))


@pytest.mark.parametrize(
    ("ledger", "timeout", "place"),
    [
        ({}, "10m", None),  # nobody shares it
        ({"url": "postgresql://db/x"}, "10s", None),
        ({"url": "postgresql://db/x"}, "11s", ("accounts", 0, "timeout")),
        ({"url": "postgresql://db/x", "lease": "9s"}, "6s", None),
        ({"url": "postgresql://db/x", "lease": "9s"}, "6500ms", ("ledger", "lease")),
        ({"url": "postgresql://db/x", "lease": "soon"}, "6500ms", None),  # that is another fault
    ],
)
def test_a_request_ends_within_what_is_left_of_a_lease(
    ledger: dict[str, str], timeout: str, place: tuple[str | int, ...] | None
) -> None:
    account = {"name": "default", "api_key_env": "KEY", "timeout": timeout}

    assert [path for path, _ in check({"accounts": [account], "ledger": ledger})] == ([place] if place else [])


def test_a_lease_that_is_too_short_says_what_would_do() -> None:
    account = {"name": "default", "api_key_env": "KEY", "timeout": "20s"}

    [(_, message)] = check({"accounts": [account], "ledger": {"url": "postgresql://db/x"}})

    assert message == (
        "of a lease of 15s, 10s are left when it is renewed: too little for a request of accounts[0], which may take"
        " 20s; let ledger.lease be 30s or more, or the timeout shorter"
    )
