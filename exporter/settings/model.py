"""The validated settings: frozen, resolved, free of YAML and of defaults still to be looked up.

Durations are seconds, paths are absolute, inherited values are filled in.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Strategy(StrEnum):
    """How the next poll of a task is timed."""

    ETA = "eta"


@dataclass(frozen=True, slots=True)
class PollSettings:
    """The cadence of one group's polls (seconds)."""

    strategy: Strategy = Strategy.ETA
    min_interval: float = 2.0
    max_interval: float = 300.0
    polls_per_eta: float = 6.0
    default_eta: float = 30.0


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One API key and how hard it may be used. Exactly one of ``api_key_env`` and ``api_key_file`` is set."""

    name: str
    base_url: str
    api_key_env: str | None = None
    api_key_file: Path | None = None
    max_in_flight: int = 2
    max_requests_per_second: float = 10.0
    timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One item of ``static_configs``: tasks that share a model and labels (the group's, narrowed)."""

    task_ids: tuple[str, ...] = ()
    out_task_ids: tuple[str, ...] = ()
    model: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    submitted_at: float | None = None


@dataclass(frozen=True, slots=True)
class FileSdSettings:
    """One ``file_sd_configs`` entry; globs are absolute."""

    files: tuple[str, ...]
    refresh_interval: float = 300.0


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How a server is known, and how it knows us: PEM files; ``cert_file`` and ``key_file`` come together."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class HttpSdSettings:
    """One ``http_sd_configs`` entry; ``credentials_file`` holds a bearer token."""

    url: str
    refresh_interval: float = 60.0
    credentials_file: Path | None = None
    tls: TlsSettings | None = None


@dataclass(frozen=True, slots=True)
class ApiConfigSettings:
    """``api_config``: tasks may be registered over HTTP into this group, so many at once."""

    max_tasks: int = 100_000


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """``callback_config``: callbacks of the dispatcher are taken as hints."""

    secret_file: Path
    register_unknown: bool = False


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """One task group; ``labels`` holds the group's own, sorted by name."""

    name: str
    account: str
    model: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    poll: PollSettings = PollSettings()
    static_configs: tuple[TargetSettings, ...] = ()
    file_sd_configs: tuple[FileSdSettings, ...] = ()
    http_sd_configs: tuple[HttpSdSettings, ...] = ()
    api_config: ApiConfigSettings | None = None
    callback_config: CallbackSettings | None = None
    stream: bool = False


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Where the durable record lives (an SQLAlchemy URL) and how long finished rows stay in it."""

    url: str = "sqlite:///data/ledger.db"
    retention: float = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a configuration file says."""

    accounts: tuple[AccountSettings, ...]
    task_groups: tuple[GroupSettings, ...]
    labels: tuple[str, ...] = ()
    overdue_factor: float = 3.0
    retention: float = 86400.0
    not_found_grace: float = 120.0
    task_series_limit: int = 1000
    label_values_limit: int = 200
    api_token_file: Path | None = None
    ledger: LedgerSettings = LedgerSettings()
