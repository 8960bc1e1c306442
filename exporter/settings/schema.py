"""What the configuration file may say, key by key: the shape alone.

What must hold between keys is in ``checks``; what follows from it is in ``build``.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from exporter.settings.fields import (
    BaseUrl,
    Duration,
    Eta,
    File,
    Flag,
    LabelName,
    LabelValue,
    LedgerUrl,
    Moment,
    Name,
    Number,
    TaskId,
    Url,
    Variable,
    Whole,
    bearer,
    between,
)
from exporter.settings.model import Strategy


class Part(BaseModel):
    """A mapping with known keys; any other key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Poll(Part):
    """How often a task is polled."""

    strategy: Annotated[Eta, Field(description="eta: every max(min_interval, eta / polls_per_eta).")] = Strategy.ETA
    min_interval: Annotated[Duration, between("100ms", "1h"), Field(description="Never poll a task more often.")] = 2.0
    max_interval: Annotated[Duration, between("100ms", "1d"), Field(description="Poll at least this often.")] = 300.0
    polls_per_eta: Annotated[Number, Field(ge=1, le=1000, description="Polls within a task's ETA.")] = 6.0
    default_eta: Annotated[Duration, between("1s", "1d"), Field(description="ETA of a task that has none.")] = 30.0


class TaskSeries(Part):
    """Series of single tasks."""

    limit: Annotated[
        Whole, Field(ge=0, le=1_000_000, description="At most so many tasks get series of their own; 0: none.")
    ] = 1000


class LabelValues(Part):
    """Distinct label values."""

    limit: Annotated[
        Whole,
        Field(ge=1, le=100_000, description="Distinct values of model, error_code and each user label; then other."),
    ] = 200


class Global(Part):
    """What holds for every group."""

    poll: Annotated[Poll, Field(description="How often a task is polled; a group may say otherwise.")] = Poll()
    labels: Annotated[
        list[LabelName], Field(max_length=20, description="User label names that tasks may carry; no others.")
    ] = []
    overdue_factor: Annotated[
        Number, Field(gt=0, le=1000, description="Open and older than this many times its ETA is overdue.")
    ] = 3.0
    retention: Annotated[
        Duration,
        between("0", "365d"),
        Field(description="How long a finished task stays in gauges and per-task series."),
    ] = 86_400.0
    not_found_grace: Annotated[
        Duration, between("0", "1d"), Field(description="For so long a 404 is retried before it counts.")
    ] = 120.0
    task_series: Annotated[TaskSeries, Field(description="Limits the series of single tasks.")] = TaskSeries()
    label_values: Annotated[LabelValues, Field(description="Limits distinct label values.")] = LabelValues()


class Account(Part):
    """One API key and how hard it may be used."""

    name: Annotated[Name, Field(description="The account's name, its account label.")]
    base_url: Annotated[BaseUrl, Field(description="Where the API is.")] = "https://llm.bytespike.ai"
    api_key_env: Annotated[
        Variable | None, Field(description="Environment variable with the API key. Either this or api_key_file.")
    ] = None
    api_key_file: Annotated[
        File | None, Field(description="File with the API key, re-read when it changes. Either this or api_key_env.")
    ] = None
    max_in_flight: Annotated[Whole, Field(ge=1, le=1000, description="Requests at once, at most.")] = 2
    max_requests_per_second: Annotated[Number, Field(gt=0, le=1000, description="Requests per second, at most.")] = 10.0
    timeout: Annotated[Duration, between("100ms", "5m"), Field(description="How long one request may take in all.")] = (
        10.0
    )


Labels = dict[str, LabelValue]


class StaticConfig(Part):
    """Tasks named here that share a model and labels."""

    task_ids: Annotated[list[TaskId], Field(description="Ids that the API gave.")] = []
    out_task_ids: Annotated[list[TaskId], Field(description="Ids that the caller gave on submit.")] = []
    model: Annotated[LabelValue | None, Field(description="The model, in place of the group's.")] = None
    labels: Annotated[Labels, Field(description="User labels, over the group's.")] = {}
    submitted_at: Annotated[Moment | None, Field(description="When they were submitted (RFC 3339, with offset).")] = (
        None
    )


class FileSdConfig(Part):
    """Files that list items as static_configs does."""

    files: Annotated[
        list[File], Field(min_length=1, max_length=100, description="Paths or globs, relative to this file.")
    ]
    refresh_interval: Annotated[
        Duration, between("1s", "1d"), Field(description="Read again this often, besides on change.")
    ] = 300.0


class Authorization(Part):
    """How a request authorizes itself."""

    type: Annotated[Literal["Bearer"], BeforeValidator(bearer), Field(description="The scheme.")] = "Bearer"
    credentials_file: Annotated[File, Field(description="File with the token.")]


class TlsConfig(Part):
    """How an https server is known, and how it knows us. The files hold PEM."""

    ca_file: Annotated[File | None, Field(description="Authorities to trust, in place of the usual ones.")] = None
    cert_file: Annotated[File | None, Field(description="Our certificate; key_file is needed with it.")] = None
    key_file: Annotated[File | None, Field(description="The key of cert_file.")] = None
    server_name: Annotated[Name | None, Field(description="The name to expect, in place of the URL's host.")] = None
    insecure_skip_verify: Annotated[Flag, Field(description="Trust any server.")] = False


class HttpSdConfig(Part):
    """A URL that answers with a JSON list of items as in static_configs."""

    url: Annotated[Url, Field(description="Where to ask.")]
    refresh_interval: Annotated[Duration, between("1s", "1d"), Field(description="Ask this often.")] = 60.0
    authorization: Annotated[Authorization | None, Field(description="Sent with each request.")] = None
    tls_config: Annotated[TlsConfig | None, Field(description="For https.")] = None


class ApiConfig(Part):
    """Tasks may be registered over HTTP into this group."""

    max_tasks: Annotated[
        Whole, Field(ge=1, le=1_000_000, description="At most so many registered tasks at once; more are refused.")
    ] = 100_000


class CallbackConfig(Part):
    """Callbacks of the API are taken as hints to query a task."""

    secret_file: Annotated[File, Field(description="File with the secret part of the callback's path.")]
    register_unknown: Annotated[Flag, Field(description="Follow tasks that only a callback named.")] = False


class TaskGroup(Part):
    """Tasks that are followed under one account."""

    name: Annotated[Name, Field(description="The group's name, its group label.")]
    account: Annotated[Name | None, Field(description="May be left out where there is one account.")] = None
    model: Annotated[LabelValue | None, Field(description="The model: the API does not tell it.")] = None
    labels: Annotated[Labels, Field(description="User labels; their names are declared in global.labels.")] = {}
    poll: Annotated[Poll, Field(description="Keys that differ from global.poll.")] = Poll()
    static_configs: Annotated[list[StaticConfig], Field(description="Tasks named here.")] = []
    file_sd_configs: Annotated[list[FileSdConfig], Field(max_length=100, description="Tasks named in files.")] = []
    http_sd_configs: Annotated[list[HttpSdConfig], Field(max_length=100, description="Tasks named by a URL.")] = []
    api_config: Annotated[ApiConfig | None, Field(description="{}: tasks may be registered over HTTP.")] = None
    callback_config: Annotated[CallbackConfig | None, Field(description="Take callbacks as hints.")] = None
    stream: Annotated[Flag, Field(description="Follow over SSE where it works, polling as the backstop.")] = False


class Api(Part):
    """The exporter's own API."""

    token_file: Annotated[
        File | None, Field(description="File with the bearer token; without it, answered on loopback only.")
    ] = None


class Ledger(Part):
    """The durable record."""

    url: Annotated[LedgerUrl, Field(description="sqlite:/// and a path, relative to the working directory.")] = (
        "sqlite:///data/ledger.db"
    )
    retention: Annotated[
        Duration, between("1h", "3650d"), Field(description="How long the rows of finished tasks are kept.")
    ] = 30 * 86_400.0


class ConfigFile(Part):
    """The configuration of bytespike-exporter."""

    globals: Annotated[Global, Field(alias="global", description="What holds for every group.")] = Global()
    accounts: Annotated[
        list[Account], Field(min_length=1, max_length=1000, description="API keys and how hard they may be used.")
    ]
    task_groups: Annotated[list[TaskGroup], Field(max_length=10_000, description="Which tasks to follow.")] = []
    api: Annotated[Api, Field(description="The exporter's own API.")] = Api()
    ledger: Annotated[Ledger, Field(description="The durable record.")] = Ledger()
