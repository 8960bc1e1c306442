"""From a file that says nothing wrong to the settings: defaults inherited, paths resolved."""

import glob
from collections.abc import Mapping
from pathlib import Path

from exporter.settings import schema
from exporter.settings.model import (
    AccountSettings,
    ApiConfigSettings,
    CallbackSettings,
    FileSdSettings,
    GroupSettings,
    HttpSdSettings,
    LedgerSettings,
    PollSettings,
    Settings,
    TargetSettings,
    TlsSettings,
)


def build(config: schema.ConfigFile, *, base: Path) -> Settings:
    """The settings; relative paths start at ``base``."""
    base = base.absolute()
    return Settings(
        accounts=tuple(_account(account, base) for account in config.accounts),
        task_groups=tuple(_group(group, config, base) for group in config.task_groups),
        labels=tuple(sorted(set(config.globals.labels))),
        overdue_factor=config.globals.overdue_factor,
        retention=config.globals.retention,
        not_found_grace=config.globals.not_found_grace,
        task_series_limit=config.globals.task_series.limit,
        label_values_limit=config.globals.label_values.limit,
        api_token_file=_path(config.api.token_file, base),
        ledger=LedgerSettings(url=config.ledger.url, retention=config.ledger.retention),
    )


def _account(account: schema.Account, base: Path) -> AccountSettings:
    return AccountSettings(
        name=account.name,
        base_url=account.base_url,
        api_key_env=account.api_key_env,
        api_key_file=_path(account.api_key_file, base),
        max_in_flight=account.max_in_flight,
        max_requests_per_second=account.max_requests_per_second,
        timeout=account.timeout,
    )


def _group(group: schema.TaskGroup, config: schema.ConfigFile, base: Path) -> GroupSettings:
    callback = group.callback_config
    return GroupSettings(
        name=group.name,
        account=group.account or config.accounts[0].name,
        model=group.model or "",
        labels=_labels(group.labels),
        poll=_poll(config.globals.poll, group.poll),
        static_configs=tuple(
            target(item, model=group.model or "", labels=group.labels) for item in group.static_configs
        ),
        file_sd_configs=tuple(_file_sd(files, base) for files in group.file_sd_configs),
        http_sd_configs=tuple(_http_sd(source, base) for source in group.http_sd_configs),
        api_config=ApiConfigSettings(group.api_config.max_tasks) if group.api_config else None,
        callback_config=CallbackSettings(base / callback.secret_file, callback.register_unknown) if callback else None,
        stream=group.stream,
    )


def target(item: schema.StaticConfig, *, model: str, labels: Mapping[str, str]) -> TargetSettings:
    """The tasks of one item, with the group's model and labels where the item says nothing."""
    return TargetSettings(
        task_ids=tuple(item.task_ids),
        out_task_ids=tuple(item.out_task_ids),
        model=item.model or model,
        labels=_labels({**labels, **item.labels}),
        submitted_at=item.submitted_at,
    )


def _poll(inherited: schema.Poll, own: schema.Poll) -> PollSettings:
    return PollSettings(**{**inherited.model_dump(), **own.model_dump(exclude_unset=True)})


def _file_sd(source: schema.FileSdConfig, base: Path) -> FileSdSettings:
    here = Path(glob.escape(str(base)))  # whatever stands in the name of a directory, it is no pattern
    return FileSdSettings(tuple(str(here / pattern) for pattern in source.files), source.refresh_interval)


def _http_sd(source: schema.HttpSdConfig, base: Path) -> HttpSdSettings:
    credentials = base / source.authorization.credentials_file if source.authorization else None
    tls = _tls(source.tls_config, base) if source.tls_config else None
    return HttpSdSettings(source.url, source.refresh_interval, credentials, tls)


def _tls(tls: schema.TlsConfig, base: Path) -> TlsSettings:
    return TlsSettings(
        ca_file=_path(tls.ca_file, base),
        cert_file=_path(tls.cert_file, base),
        key_file=_path(tls.key_file, base),
        server_name=tls.server_name,
        insecure_skip_verify=tls.insecure_skip_verify,
    )


def _labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _path(text: str | None, base: Path) -> Path | None:
    return base / text if text is not None else None
