import gzip
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.accounting.series import Series, labels_of
from exporter.metrics.catalogue import FAMILIES
from exporter.metrics.exposition import Renderer, Wanted, render, standard_collectors
from exporter.metrics.snapshot import Snapshot
from tests.metrics.golden_files import GOLDEN, golden
from tests.metrics.snapshots import after_overflow, busy, empty_start
from tests.support.tools import need_tool

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
    "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

SNAPSHOTS = [
    ("empty_start.txt", empty_start),
    ("busy.txt", busy),
    ("after_overflow.txt", after_overflow),
]


def parse_openmetrics(page: str) -> list[Metric]:
    return list(openmetrics.text_string_to_metric_families(page))  # type: ignore[no-untyped-call] # the library's


# ---- the text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "snapshot"), SNAPSHOTS)
def test_page(name: str, snapshot: Callable[[], Snapshot]) -> None:
    page = render(snapshot())
    assert page.body.decode() == golden(name, page.body)
    assert page.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert page.content_encoding is None


def test_openmetrics_page() -> None:
    page = render(busy(), accept=OPENMETRICS)
    assert page.body.decode() == golden("busy.openmetrics.txt", page.body)
    assert page.content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")


@pytest.mark.parametrize("name", [name for name, _ in SNAPSHOTS])
def test_promtool_finds_nothing(name: str) -> None:
    promtool = need_tool("promtool")
    page = (GOLDEN / name).read_bytes()
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_text_reads_back() -> None:
    families = {family.name: family.type for family in parse_text(render(busy()).body.decode())}
    assert len(families) == len(FAMILIES)
    assert families["bytespike_tasks_duration_seconds"] == "histogram"
    assert families["bytespike_task_status"] == "gauge"


def test_openmetrics_reads_back_with_exemplars() -> None:
    page = render(busy(), accept=OPENMETRICS).body.decode()
    families = {family.name: family for family in parse_openmetrics(page)}
    assert families["bytespike_exporter_build"].type == "info"
    assert families["bytespike_tasks_duration_seconds"].unit == "seconds"
    exemplars = {s.exemplar.labels["task_id"] for f in families.values() for s in f.samples if s.exemplar}
    assert exemplars == {"task_A", "task_B", "task_C", "task_D"}


def test_both_formats_show_the_same_numbers() -> None:
    def numbers(families: Iterable[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}

    text = numbers(parse_text(render(busy()).body.decode()))
    assert text == numbers(parse_openmetrics(render(busy(), accept=OPENMETRICS).body.decode()))


def test_openmetrics_ends_once() -> None:
    assert render(busy(), accept=OPENMETRICS).body.count(b"# EOF\n") == 1
    assert render(busy(), accept=OPENMETRICS).body.endswith(b"# EOF\n")
    assert b"# EOF" not in render(busy()).body


@pytest.mark.slow
@given(st.text(max_size=20))
@settings(max_examples=50)
def test_any_text_can_be_a_label_value(value: str) -> None:
    odd = structs.replace(busy().known[0], model=value)
    page = render(replace(empty_start(), known=(odd,))).body.decode()
    (family,) = [family for family in parse_text(page) if family.name == "bytespike_tasks_overdue"]
    assert family.samples[0].labels["model"] == value


def test_what_utf8_cannot_carry_does_not_cost_the_page() -> None:
    odd = structs.replace(busy().known[0], model="cut\ud83d")
    totals = {Series("bytespike_tasks_finished_total", labels_of(account="default", group="stills", model="\ud83d"))}
    snapshot = replace(empty_start(), known=(odd,), totals=dict.fromkeys(totals, 1.0))
    assert b'model="cut?"' in render(snapshot).body
    assert b'model="?"' in render(snapshot, accept=OPENMETRICS).body


# ---- what is announced -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "announced"),
    [([], 1), (["bytespike_tasks_failed_total"], 1), (["bytespike_tasks_finished_total"], 0)],
)
def test_only_a_page_with_the_family_announces_a_new_code(names: list[str], announced: int) -> None:
    hot = Series("bytespike_tasks_failed_total", labels_of(account="default", group="renders", error_code="hot"))
    for accept_encoding in ("gzip", "identity"):
        page = render(replace(busy(), totals={hot: 8.0}), names=names, accept_encoding=accept_encoding)
        assert page.announced == (hot,) * announced


# ---- what is asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html,application/xhtml+xml", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
        ("application/openmetrics-text;q=0", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=one", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0\\evil", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_format_is_negotiated(accept: str | None, content_type: str) -> None:
    assert render(empty_start(), accept=accept).content_type == content_type


kinds = st.sampled_from(["application/openmetrics-text", "text/plain", ";", ",", "version=", "version", "q=0", "1.0.0"])


@given(st.lists(kinds | st.text(max_size=5), max_size=8).map("".join))
def test_no_header_breaks_the_page(header: str) -> None:
    page = render(Snapshot(empty_start().census, empty_start().build), accept=header, accept_encoding=header)
    body = gzip.decompress(page.body) if page.content_encoding else page.body
    assert body.startswith(b"# HELP")
    assert page.content_type.isascii()


@pytest.mark.parametrize(
    ("accept_encoding", "encoding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("deflate, GZIP;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000, *", None),
        ("gzip;q=0.001", "gzip"),
        ("*", "gzip"),
        ("*;q=0", None),
        ("identity, br", None),
        ("xgzip", None),
    ],
)
def test_gzip_is_used_where_it_is_taken(accept_encoding: str | None, encoding: str | None) -> None:
    plain = render(busy())
    page = render(busy(), accept_encoding=accept_encoding)
    assert page.content_encoding == encoding
    assert (gzip.decompress(page.body) if encoding else page.body) == plain.body


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["bytespike_up"], {"bytespike_up"}),
        (["bytespike_tasks_finished_total", "bytespike_up"], {"bytespike_tasks_finished_total", "bytespike_up"}),
        (["bytespike_tasks_eta_ratio"], {f"bytespike_tasks_eta_ratio_{part}" for part in ("bucket", "sum", "count")}),
        (["bytespike_tasks_eta_ratio_sum"], {"bytespike_tasks_eta_ratio_sum"}),
        (["bytespike_task_error_info"], {"bytespike_task_error_info"}),
        (["process_open_fds"], {"process_open_fds"}),
        (["no_such_metric"], set()),
        (["no_such_metric", "bytespike_up"], {"bytespike_up"}),
    ],
)
def test_only_the_samples_that_are_named(names: list[str], shown: set[str]) -> None:
    page = render(busy(), names=names, collectors=standard_collectors()).body.decode()
    assert {sample.name for family in parse_text(page) for sample in family.samples} == shown


def test_a_page_of_nothing_is_still_valid() -> None:
    assert render(busy(), names=["no_such_metric"]).body == b""
    assert render(busy(), names=["no_such_metric"], accept=OPENMETRICS).body == b"# EOF\n"


def test_standard_collectors_follow_the_snapshot() -> None:
    page = render(empty_start(), collectors=standard_collectors()).body.decode()
    families = [family.name for family in parse_text(page)]
    assert families[0] == "bytespike_tasks"
    assert {"process_cpu_seconds", "python_info", "python_gc_collections"} <= set(families)


def test_the_same_snapshot_renders_the_same() -> None:
    assert render(busy(), accept_encoding="gzip") == render(busy(), accept_encoding="gzip")


@pytest.mark.parametrize(
    "escaping", ["", *(f"; escaping={name}" for name in ("allow-utf-8", "underscores", "dots", "values"))]
)
@pytest.mark.parametrize("version", ["", "; version=0.0.4", "; version=1.0.0", "; version=9.9.9"])
@pytest.mark.parametrize("kind", ["", "*/*", "text/plain", "application/openmetrics-text", "image/png"])
def test_who_gets_the_same_page_can_be_told_before_it_is_written(kind: str, version: str, escaping: str) -> None:
    asked = Wanted(f"{kind}{version}{escaping}", "br, gzip;q=0.5", ("bytespike_up", "python_info", "bytespike_up"))
    rendered = Renderer().render(busy(), asked)
    content_type, is_packed, names = asked.page
    assert (rendered.content_type, rendered.content_encoding) == (content_type, "gzip" if is_packed else None)
    assert names == {"bytespike_up", "python_info"}
