"""The effective configuration for people: the file's own shape, every default filled in, and no secret.

Settings hold names of variables and paths of files, never what is in them. What is left are the queries of URLs,
which may carry a token: they are hidden.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import yaml

from exporter.settings.durations import to_text
from exporter.settings.model import (
    AccountSettings,
    FileSdSettings,
    GroupSettings,
    HttpSdSettings,
    PollSettings,
    Settings,
    TargetSettings,
    TlsSettings,
)


def as_yaml(settings: Settings, *, ids: int = 100) -> str:
    """The settings as YAML that loads again, but for hidden queries and lists of more than that many ids."""
    shape = _without_absent(
        {
            "global": {
                "labels": list(settings.labels),
                "overdue_factor": settings.overdue_factor,
                "retention": to_text(settings.retention),
                "not_found_grace": to_text(settings.not_found_grace),
                "task_series": {"limit": settings.task_series_limit},
                "label_values": {"limit": settings.label_values_limit},
            },
            "accounts": [_account(account) for account in settings.accounts],
            "task_groups": [_group(group, ids) for group in settings.task_groups],
            "api": _without_absent({"token_file": _path(settings.api_token_file)}),
            "ledger": {"url": settings.ledger.url, "retention": to_text(settings.ledger.retention)},
        }
    )
    return yaml.safe_dump(shape, sort_keys=False, allow_unicode=True, width=120)


def _account(account: AccountSettings) -> dict[str, object]:
    return _without_absent(
        {
            "name": account.name,
            "base_url": account.base_url,
            "api_key_env": account.api_key_env,
            "api_key_file": _path(account.api_key_file),
            "max_in_flight": account.max_in_flight,
            "max_requests_per_second": account.max_requests_per_second,
            "timeout": to_text(account.timeout),
        }
    )


def _group(group: GroupSettings, ids: int) -> dict[str, object]:
    callback = group.callback_config
    return _without_absent(
        {
            "name": group.name,
            "account": group.account,
            "model": group.model or None,
            "labels": dict(group.labels),
            "poll": _poll(group.poll),
            "static_configs": [_target(target, ids) for target in group.static_configs],
            "file_sd_configs": [_file_sd(source) for source in group.file_sd_configs],
            "http_sd_configs": [_http_sd(source) for source in group.http_sd_configs],
            "api_config": {"max_tasks": group.api_config.max_tasks} if group.api_config else None,
            "callback_config": callback
            and {"secret_file": str(callback.secret_file), "register_unknown": callback.register_unknown},
            "stream": group.stream,
        }
    )


def _poll(poll: PollSettings) -> dict[str, object]:
    return {
        "strategy": poll.strategy.value,
        "min_interval": to_text(poll.min_interval),
        "max_interval": to_text(poll.max_interval),
        "polls_per_eta": poll.polls_per_eta,
        "default_eta": to_text(poll.default_eta),
    }


def _target(target: TargetSettings, ids: int) -> dict[str, object]:
    at = target.submitted_at
    return _without_absent(
        {
            "task_ids": _some(target.task_ids, ids),
            "out_task_ids": _some(target.out_task_ids, ids),
            "model": target.model or None,
            "labels": dict(target.labels),
            "submitted_at": datetime.fromtimestamp(at, UTC).isoformat() if at is not None else None,
        }
    )


def _file_sd(source: FileSdSettings) -> dict[str, object]:
    return {"files": list(source.files), "refresh_interval": to_text(source.refresh_interval)}


def _http_sd(source: HttpSdSettings) -> dict[str, object]:
    credentials = source.credentials_file
    authorization = {"type": "Bearer", "credentials_file": str(credentials)} if credentials else None
    shown = {"url": _without_query(source.url), "refresh_interval": to_text(source.refresh_interval)}
    return _without_absent({**shown, "authorization": authorization, "tls_config": source.tls and _tls(source.tls)})


def _tls(tls: TlsSettings) -> dict[str, object]:
    return _without_absent(
        {
            "ca_file": _path(tls.ca_file),
            "cert_file": _path(tls.cert_file),
            "key_file": _path(tls.key_file),
            "server_name": tls.server_name,
            "insecure_skip_verify": tls.insecure_skip_verify,
        }
    )


def _some(ids: tuple[str, ...], most: int) -> list[str]:
    rest = len(ids) - most
    return [*ids[:most], f"(and {rest} more)"] if rest > 0 else list(ids)


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="hidden" if parts.query else "", fragment=""))


def _path(path: Path | None) -> str | None:
    return str(path) if path else None


def _without_absent(shape: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in shape.items() if value is not None}
