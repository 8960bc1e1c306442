"""What a configuration may say, but a user should hear about."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from exporter.settings.model import AccountSettings, GroupSettings, Settings


def warnings(settings: Settings, env: Mapping[str, str]) -> list[str]:
    """Everything worth a warning. It looks at files, so it blocks."""
    return [*check_secrets(settings, env), *not_streamed(settings)]


def check_secrets(settings: Settings, env: Mapping[str, str]) -> list[str]:
    """The secrets that are not there: which, where it is asked for, and what to do."""
    found = [_account(account, env) for account in settings.accounts]
    if settings.api_token_file:
        found.append(_file("api.token_file", settings.api_token_file))
    for group in settings.task_groups:
        found += _group(group)
    return [warning for warning in found if warning]


def not_streamed(settings: Settings) -> list[str]:
    """The groups that ask for streams on an account that has no room for one."""
    narrow = {account.name for account in settings.accounts if account.max_in_flight == 1}
    return [
        f"task group {group.name}: stream: account {group.account} has max_in_flight 1, which is left to polling, so"
        " nothing is streamed; let it have 2 or more"
        for group in settings.task_groups
        if group.stream and group.account in narrow
    ]


def _account(account: AccountSettings, env: Mapping[str, str]) -> str | None:
    where = f"account {account.name}"
    if account.api_key_file:
        return _file(f"{where}: api_key_file", account.api_key_file)
    if env.get(account.api_key_env or "", "").strip():
        return None
    return f"{where}: api_key_env: the environment variable {account.api_key_env} is not set; set it to the API key"


def _group(group: GroupSettings) -> Iterator[str | None]:
    for source in group.http_sd_configs:
        if source.credentials_file:
            yield _file(f"task group {group.name}: credentials_file", source.credentials_file)
        if source.tls and source.tls.key_file:
            yield _file(f"task group {group.name}: key_file", source.tls.key_file)
    if group.callback_config:
        yield _file(f"task group {group.name}: secret_file", group.callback_config.secret_file)


def _file(where: str, path: Path) -> str | None:
    if not path.is_file():
        return f"{where}: there is no file {path}; write the secret into it"
    if not os.access(path, os.R_OK):
        return f"{where}: {path} cannot be read; let the exporter's user read it"
    if not path.stat().st_size:
        return f"{where}: {path} is empty; write the secret into it"
    return None
