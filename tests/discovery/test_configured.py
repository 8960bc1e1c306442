"""Which sources a group's settings ask for, what each is called, and when one is the same as before."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.discovery import configured_sources
from exporter.discovery.source import MAX_ADDRESS, Mechanism, Source, source_name
from exporter.settings.model import (
    AuthorizationSettings,
    FileSdSettings,
    GroupSettings,
    HttpSdSettings,
    PollSettings,
    TargetSettings,
    TlsSettings,
)

FILES = (FileSdSettings(("/tasks/*.yml",)), FileSdSettings(("/more/*.json", "/more/*.yml")))
GROUP = GroupSettings(
    name="renders",
    account="default",
    model="sora-2",
    labels=(("team", "video"),),
    file_sd_configs=FILES,
    http_sd_configs=(HttpSdSettings("http://app/tasks"),),
)
DECLARED = ("team",)
DIGEST = "[0-9a-f]{8}"


def sources(group: GroupSettings, declared: tuple[str, ...] = DECLARED) -> dict[str, Source]:
    return {source.name: source for source in configured_sources(group, declared)}


def file_names(*entries: FileSdSettings) -> list[str]:
    return [
        source.name for source in configured_sources(replace(GROUP, file_sd_configs=entries, http_sd_configs=()), ())
    ]


def http_names(*entries: HttpSdSettings) -> list[str]:
    return [
        source.name for source in configured_sources(replace(GROUP, file_sd_configs=(), http_sd_configs=entries), ())
    ]


def test_a_source_is_called_by_what_it_is() -> None:
    found = [(source.group, str(source.mechanism), source.name) for source in configured_sources(GROUP, DECLARED)]

    assert found == [
        ("renders", "file_sd", "renders/file_sd//tasks/*.yml"),
        ("renders", "file_sd", "renders/file_sd//more/*.json,/more/*.yml"),
        ("renders", "http_sd", "renders/http_sd/http://app/tasks"),
    ]
    assert sources(replace(GROUP, file_sd_configs=(), http_sd_configs=())) == {}
    assert source_name("renders", Mechanism.STATIC) == "renders/static"
    assert source_name("renders", Mechanism.API) == "renders/api"


def test_its_place_does_not_matter() -> None:
    assert sources(replace(GROUP, file_sd_configs=FILES[::-1])) == sources(GROUP)
    assert sources(replace(GROUP, file_sd_configs=FILES[1:])).items() < sources(GROUP).items()
    assert file_names(FileSdSettings(("/b", "/a", "/b"))) == file_names(FileSdSettings(("/a", "/b")))


def test_what_is_named_twice_is_one() -> None:
    file, url = FileSdSettings(("/a",)), HttpSdSettings("http://app/tasks")

    assert len(file_names(file, replace(file, refresh_interval=1.0), file)) == 1
    assert len(http_names(url, replace(url, refresh_interval=1.0), replace(url, url="http://app/tasks#top"))) == 1


def test_the_refresh_interval_is_no_part_of_the_name() -> None:
    often = replace(GROUP, file_sd_configs=(FileSdSettings(("/tasks/*.yml",), 1.0), FILES[1]))

    assert sources(often).keys() == sources(GROUP).keys()
    assert [name for name, source in sources(GROUP).items() if sources(often)[name] != source] == [
        "renders/file_sd//tasks/*.yml"
    ]


def test_other_globs_are_never_called_the_same() -> None:
    names = file_names(FileSdSettings(("/a,/b",)), FileSdSettings(("/a", "/b")), FileSdSettings(("/a[,]/b",)))

    assert names == ["renders/file_sd//a[,]/b", "renders/file_sd//a,/b", "renders/file_sd//a[[,]]/b"]


def test_a_query_tells_sources_apart_but_is_not_shown() -> None:
    urls = ("http://app/tasks", "http://app/tasks?token=hunter2", "http://app/tasks?token=hunter3")
    plain, *secret = http_names(*map(HttpSdSettings, urls))

    assert plain == "renders/http_sd/http://app/tasks"
    assert len({*secret}) == 2
    assert all(re.fullmatch(f"{re.escape(plain)}#{DIGEST}", name) for name in secret)
    assert [*reversed(secret)] == http_names(*map(HttpSdSettings, urls[:0:-1])), "nor does the place matter"


def test_one_url_with_the_tokens_of_two_is_two_sources() -> None:
    url = "http://app/tasks"
    tokens = (AuthorizationSettings(credentials_file=Path(f"/run/{name}")) for name in ("first", "second"))
    first, second = (HttpSdSettings(url, authorization=token) for token in tokens)
    certified = HttpSdSettings(url, tls_config=TlsSettings(cert_file=Path("/c"), key_file=Path("/k")))

    assert len({*http_names(first, second, certified)}) == 3
    assert all(re.fullmatch(f"renders/http_sd/{url}#{DIGEST}", name) for name in http_names(first, second, certified))
    assert http_names(first) == [f"renders/http_sd/{url}"]


def test_a_name_is_never_long() -> None:
    names = [
        *file_names(FileSdSettings((f"/{'a' * 4000}/1",)), FileSdSettings((f"/{'a' * 4000}/2",))),
        *file_names(FileSdSettings((f"/{'a' * 2000}/1/{'a' * 2000}",)), FileSdSettings((f"/{'a' * 4002}",))),
        *http_names(HttpSdSettings(f"http://app/{'a' * 4000}?b"), HttpSdSettings(f"http://app/{'a' * 4000}?c")),
    ]

    assert len({*names}) == len(names)
    assert {len(name.split("/", 2)[2]) for name in names} == {MAX_ADDRESS}


@pytest.mark.parametrize(
    "group",
    [
        replace(GROUP, poll=PollSettings(min_interval=1.0)),
        replace(GROUP, static_configs=(TargetSettings(task_ids=("a",)),)),
        replace(GROUP, stream=True),
    ],
    ids=["poll", "static_configs", "stream"],
)
def test_what_its_items_are_not_made_of_leaves_a_source_alone(group: GroupSettings) -> None:
    assert sources(group) == sources(GROUP)


@pytest.mark.parametrize(
    ("group", "declared"),
    [
        (replace(GROUP, account="other"), DECLARED),
        (replace(GROUP, model="other"), DECLARED),
        (replace(GROUP, labels=()), DECLARED),
        (GROUP, ("team", "tier")),
    ],
    ids=["account", "model", "labels", "declared"],
)
def test_what_its_items_are_made_of_makes_it_another(group: GroupSettings, declared: tuple[str, ...]) -> None:
    others = sources(group, declared)

    assert others.keys() == sources(GROUP).keys()
    assert all(others[name] != source for name, source in sources(GROUP).items())


def test_a_change_of_one_leaves_the_others_alone() -> None:
    rotated = HttpSdSettings("http://app/tasks", authorization=AuthorizationSettings(credentials_file=Path("/t")))
    changed = sources(replace(GROUP, http_sd_configs=(rotated,)))

    assert [name for name, source in sources(GROUP).items() if changed[name] != source] == [
        "renders/http_sd/http://app/tasks"
    ]


def test_it_is_a_value() -> None:
    assert {*configured_sources(GROUP, DECLARED)} == {*configured_sources(replace(GROUP), DECLARED)}
