"""The settings: each is declared once, here, by its key, type, default, bounds and description.

What the file may say, its JSON Schema, the effective configuration and the difference of a reload all follow from these
declarations, so a new setting is one new line. Field names are the file's keys. What must hold between keys is in
``checks``, what a group inherits in ``load``.

The values are frozen, cheap to compare, and free of YAML: durations are seconds, paths are absolute. Made by ``load``
they are validated, with inherited values filled in; made by hand, as tests do, they are taken as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from functools import cache
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo

from exporter.replicas.lease import LEASE
from exporter.settings.fields import (
    SORTED_SET,
    Address,
    BaseUrl,
    Confidential,
    Duration,
    File,
    Flag,
    Glob,
    LabelName,
    Labels,
    LabelValue,
    LedgerUrl,
    Members,
    Moment,
    Name,
    Number,
    PollStrategy,
    Rate,
    Scheme,
    Strategy,
    TaskId,
    Url,
    Variable,
    Whole,
    between,
)

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a part: as the file names it, the attribute that holds it, its annotated type."""

    name: str
    attribute: str
    hint: Any
    description: str


class Part:
    """A mapping of the file with known keys; any other key is a mistake."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @classmethod
    @cache
    def declared(cls) -> tuple[Key, ...]:
        """The keys, in the order of their declarations."""
        return tuple(_key(attribute, hint) for attribute, hint in _hints(cls).items())

    @classmethod
    @cache
    def confidential(cls) -> Mapping[str, Confidential]:
        """The attributes that say where a secret is, with what kind of secret that is."""
        marks = ((key.attribute, mark) for key in cls.declared() for mark in annotations(key.hint))
        return {attribute: mark for attribute, mark in marks if isinstance(mark, Confidential)}

    @classmethod
    @cache
    def holding_parts(cls) -> tuple[str, ...]:
        """The attributes that hold other parts: one, none, or a list of them."""
        return tuple(key.attribute for key in cls.declared() if any(parts_in(key.hint)))


def parts_in(hint: Any) -> Iterator[type[Part]]:
    """The kinds of parts that a key may hold, in a list or not."""
    if isinstance(hint, type) and issubclass(hint, Part):
        yield hint
    for argument in get_args(hint):
        yield from parts_in(argument)


def annotations(hint: Any) -> Iterator[Any]:
    """What a type is annotated with, the alternatives of a union included; the members of a tuple are not."""
    yield from getattr(hint, "__metadata__", ())
    if get_origin(hint) is not tuple:
        for inner in get_args(hint):
            yield from annotations(inner)


def _hints(part: type[Part]) -> dict[str, Any]:
    hints = get_type_hints(part, include_extras=True)
    return {field.name: hints[field.name] for field in fields(part)}  # type: ignore[arg-type] # each is a dataclass


def _key(attribute: str, hint: Any) -> Key:
    info = next(each for each in annotations(hint) if isinstance(each, FieldInfo))
    return Key(info.alias or attribute, attribute, hint, info.description or "")


@dataclass(frozen=True, slots=True)
class PollSettings(Part):
    """How often a task is polled."""

    strategy: Annotated[
        PollStrategy,
        Field(
            description="eta: every max(min_interval, eta / polls_per_eta). adaptive: as often, when tasks will "
            "probably end, as learned from those that ended."
        ),
    ] = Strategy.ADAPTIVE
    min_interval: Annotated[Duration, between("100ms", "1h"), Field(description="Never poll a task more often.")] = 2.0
    max_interval: Annotated[Duration, between("100ms", "1d"), Field(description="Poll at least this often.")] = 300.0
    polls_per_eta: Annotated[Number, Field(ge=1, le=1000, description="Polls within a task's ETA.")] = 6.0
    default_eta: Annotated[Duration, between("1s", "1d"), Field(description="ETA of a task that has none.")] = 30.0


@dataclass(frozen=True, slots=True)
class TaskSeriesSettings(Part):
    """Series of single tasks."""

    limit: Annotated[
        Whole, Field(ge=0, le=1_000_000, description="At most so many tasks get series of their own; 0: none.")
    ] = 1000


@dataclass(frozen=True, slots=True)
class LabelValuesSettings(Part):
    """Distinct label values."""

    limit: Annotated[
        Whole,
        Field(ge=1, le=100_000, description="Distinct values of model, error_code and each user label; then other."),
    ] = 200


@dataclass(frozen=True, slots=True)
class LabelSetsSettings(Part):
    """Distinct combinations of task labels."""

    limit: Annotated[
        Whole,
        Field(ge=1, le=1_000_000, description="Distinct combinations of task labels in a group; then other."),
    ] = 1000


@dataclass(frozen=True, slots=True)
class GlobalSettings(Part):
    """What holds for every group."""

    poll: Annotated[PollSettings, Field(description="How often a task is polled; a group may say otherwise.")] = (
        PollSettings()
    )
    labels: Annotated[
        tuple[LabelName, ...],
        Field(max_length=20, description="User label names that tasks may carry; no others."),
        SORTED_SET,
    ] = ()
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
    task_series: Annotated[TaskSeriesSettings, Field(description="Limits the series of single tasks.")] = (
        TaskSeriesSettings()
    )
    label_values: Annotated[LabelValuesSettings, Field(description="Limits distinct label values.")] = (
        LabelValuesSettings()
    )
    label_sets: Annotated[LabelSetsSettings, Field(description="Limits distinct combinations of task labels.")] = (
        LabelSetsSettings()
    )


@dataclass(frozen=True, slots=True)
class AccountSettings(Part):
    """One API key and how hard it may be used."""

    name: Annotated[Name, Field(description="The account's name, its account label.")]
    base_url: Annotated[BaseUrl, Field(description="Where the API is.")] = "https://llm.bytespike.ai"
    api_key_env: Annotated[
        Variable | None,
        Field(description="Environment variable with the API key. Either this or api_key_file."),
        Confidential.GIVEN,
    ] = None
    api_key_file: Annotated[
        File | None,
        Field(description="File with the API key, re-read when it changes. Either this or api_key_env."),
        Confidential.GIVEN,
    ] = None
    max_in_flight: Annotated[Whole, Field(ge=1, le=1000, description="Requests at once, at most.")] = 2
    max_requests_per_second: Annotated[
        Rate, Field(description="Requests per second, at most; unlimited: as many as max_in_flight lets through.")
    ] = 10.0
    timeout: Annotated[Duration, between("100ms", "5m"), Field(description="How long one request may take in all.")] = (
        10.0
    )


@dataclass(frozen=True, slots=True)
class TargetSettings(Part):
    """Tasks named here that share a model and labels."""

    task_ids: Annotated[tuple[TaskId, ...], Field(description="Ids that the API gave.")] = ()
    out_task_ids: Annotated[tuple[TaskId, ...], Field(description="Ids that the caller gave on submit.")] = ()
    model: Annotated[LabelValue, Field(description="The model, in place of the group's.")] = ""
    labels: Annotated[Labels, Field(description="User labels, over the group's.")] = ()
    submitted_at: Annotated[Moment | None, Field(description="When they were submitted (RFC 3339, with offset).")] = (
        None
    )


@dataclass(frozen=True, slots=True)
class FileSdSettings(Part):
    """Files that list items as static_configs does."""

    files: Annotated[tuple[Glob, ...], Members(1, 100), Field(description="Paths or globs, relative to this file.")]
    refresh_interval: Annotated[
        Duration, between("1s", "1d"), Field(description="Read again this often, besides on change.")
    ] = 300.0
    max_tasks: Annotated[
        Whole, Field(ge=1, le=10_000_000, description="The files name at most so many tasks; more are refused.")
    ] = 100_000
    max_bytes: Annotated[
        Whole | None,
        Field(ge=MIB, le=2000 * MIB, description="A file has so many bytes at most, 16 MiB or 128 a task unless said."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationSettings(Part):
    """How a request authorizes itself."""

    type: Annotated[Scheme, Field(description="The scheme.")] = "Bearer"
    credentials_file: Annotated[File, Field(description="File with the token."), Confidential.GIVEN]


@dataclass(frozen=True, slots=True)
class TlsSettings(Part):
    """How an https server is known, and how it knows us. The files hold PEM."""

    ca_file: Annotated[File | None, Field(description="Authorities to trust, in place of the usual ones.")] = None
    cert_file: Annotated[File | None, Field(description="Our certificate; key_file is needed with it.")] = None
    key_file: Annotated[File | None, Field(description="The key of cert_file."), Confidential.PRIVATE_KEY] = None
    server_name: Annotated[Name | None, Field(description="The name to expect, in place of the URL's host.")] = None
    insecure_skip_verify: Annotated[Flag, Field(description="Trust any server.")] = False


@dataclass(frozen=True, slots=True)
class HttpSdSettings(Part):
    """A URL that answers with a JSON list of items as in static_configs."""

    url: Annotated[Url, Field(description="Where to ask.")] = dataclass_field(repr=False)  # its query may be secret
    refresh_interval: Annotated[Duration, between("1s", "1d"), Field(description="Ask this often.")] = 60.0
    authorization: Annotated[AuthorizationSettings | None, Field(description="Sent with each request.")] = None
    tls_config: Annotated[TlsSettings | None, Field(description="For https.")] = None
    max_tasks: Annotated[
        Whole, Field(ge=1, le=10_000_000, description="A list names at most so many tasks; more are refused.")
    ] = 100_000
    max_bytes: Annotated[
        Whole | None,
        Field(ge=MIB, le=2000 * MIB, description="A list has so many bytes at most, 16 MiB or 128 a task unless said."),
    ] = None


@dataclass(frozen=True, slots=True)
class ApiConfigSettings(Part):
    """Tasks may be registered over HTTP into this group."""

    max_tasks: Annotated[
        Whole, Field(ge=1, le=10_000_000, description="At most so many registered tasks at once; more are refused.")
    ] = 100_000


@dataclass(frozen=True, slots=True)
class ProxyConfigSettings(Part):
    """What applications submit through the sidecar is followed in this group."""

    max_tasks: Annotated[
        Whole, Field(ge=1, le=10_000_000, description="At most so many learnt tasks at once; more are not followed.")
    ] = 100_000


@dataclass(frozen=True, slots=True)
class CallbackSettings(Part):
    """Callbacks of the API are taken as hints to query a task."""

    secret_file: Annotated[
        File, Field(description="File with the secret part of the callback's path."), Confidential.CHOSEN
    ]
    register_unknown: Annotated[Flag, Field(description="Follow tasks that only a callback named.")] = False


@dataclass(frozen=True, slots=True)
class GroupSettings(Part):
    """Tasks that are followed under one account."""

    name: Annotated[Name, Field(description="The group's name, its group label.")]
    account: Annotated[Name, Field(description="May be left out where there is one account.")] = ""
    model: Annotated[LabelValue, Field(description="The model: the API does not tell it.")] = ""
    labels: Annotated[Labels, Field(description="User labels; their names are declared in global.labels.")] = ()
    poll: Annotated[PollSettings, Field(description="Keys that differ from global.poll.")] = PollSettings()
    static_configs: Annotated[tuple[TargetSettings, ...], Field(description="Tasks named here.")] = ()
    file_sd_configs: Annotated[
        tuple[FileSdSettings, ...], Field(max_length=100, description="Tasks named in files.")
    ] = ()
    http_sd_configs: Annotated[
        tuple[HttpSdSettings, ...], Field(max_length=100, description="Tasks named by a URL.")
    ] = ()
    api_config: Annotated[ApiConfigSettings | None, Field(description="{}: tasks may be registered over HTTP.")] = None
    callback_config: Annotated[CallbackSettings | None, Field(description="Take callbacks as hints.")] = None
    proxy_config: Annotated[
        ProxyConfigSettings | None, Field(description="{}: follow what is submitted through the sidecar.")
    ] = None
    stream: Annotated[Flag, Field(description="Follow over SSE where it works, polling as the backstop.")] = False


@dataclass(frozen=True, slots=True)
class ApiSettings(Part):
    """The exporter's own API."""

    token_file: Annotated[
        File | None,
        Field(description="File with the bearer token of administrators; without it, they are on this machine only."),
        Confidential.CHOSEN,
    ] = None


@dataclass(frozen=True, slots=True)
class ProxySettings(Part):
    """The sidecar: requests of applications pass through it to the API, and tasks are learnt from them."""

    listen_address: Annotated[
        Address, Field(description="Where applications reach it. It asks nobody who they are.")
    ] = "127.0.0.1:9878"
    upstream_timeout: Annotated[
        Duration, between("1s", "1h"), Field(description="So long the API may take to begin its answer.")
    ] = 60.0


@dataclass(frozen=True, slots=True)
class LedgerSettings(Part):
    """The durable record."""

    url: Annotated[
        LedgerUrl,
        Field(description="sqlite:/// and a path, relative to the working directory; or postgresql://user@host/name."),
    ] = "sqlite:///data/ledger.db"
    retention: Annotated[
        Duration, between("1h", "3650d"), Field(description="How long the rows of finished tasks are kept.")
    ] = 30 * 86_400.0
    lease: Annotated[
        Duration,
        between("3s", "5m"),
        Field(description="So long an account stays with a replica on PostgreSQL that is not heard of."),
    ] = LEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Part):
    """The configuration of bytespike-exporter."""

    globals: Annotated[GlobalSettings, Field(alias="global", description="What holds for every group.")] = (
        GlobalSettings()
    )
    accounts: Annotated[
        tuple[AccountSettings, ...],
        Members(1, 1000),
        Field(description="API keys and how hard they may be used."),
    ]
    task_groups: Annotated[
        tuple[GroupSettings, ...], Field(max_length=10_000, description="Which tasks to follow.")
    ] = ()
    api: Annotated[ApiSettings, Field(description="The exporter's own API.")] = ApiSettings()
    ledger: Annotated[LedgerSettings, Field(description="The durable record.")] = LedgerSettings()
    proxy: Annotated[ProxySettings | None, Field(description="The sidecar; without it there is none.")] = None
