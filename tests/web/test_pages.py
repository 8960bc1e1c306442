import base64
import hashlib
import re

import pytest
import yaml

from exporter.metrics.snapshot import AccountView
from exporter.settings.model import GroupSettings, Settings
from tests.support.browse import Browse
from tests.support.fake_exporter import SETTINGS, FakeExporter, snapshot


@pytest.mark.parametrize("path", ["/", "/config"])
async def test_a_page_loads_nothing_and_runs_nothing(browse: Browse, path: str) -> None:
    async with browse(FakeExporter()) as client:
        page = await client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    [style] = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<script|<link|<img|style=|https?://(?!api\.example)", page.text)


async def test_the_links_of_a_page_lead_somewhere_also_behind_a_prefix(browse: Browse) -> None:
    async with browse(FakeExporter()) as client:
        page = await client.get("/")
        links = re.findall(r'href="([^"]*)"', page.text)
        assert not [link for link in links if link.startswith("/")]
        assert {link: (await client.get(f"/{link}")).status_code for link in links} == dict.fromkeys(
            [".", "metrics", "config", "-/healthy", "-/ready"], 200
        )


async def test_the_overview_says_states_in_words(browse: Browse) -> None:
    accounts = (AccountView("good", up=True, last_success_at=1.0), AccountView("bad", suspended="invalid_api_key"))
    exporter = FakeExporter(shown=lambda: snapshot(accounts=accounts), unready=("account bad has not been polled yet",))
    async with browse(exporter) as client:
        page = (await client.get("/")).text
    for text in (
        '<span class="state bad">in trouble: 1 place below</span>',
        '<span class="state good">up</span>',
        '<span class="state bad">suspended: invalid_api_key</span>',
        "<li>account bad has not been polled yet</li>",
        "version 1.2.3, revision abc123, Python 3.13.1",
    ):
        assert text in page


async def test_names_are_text_and_never_markup(browse: Browse) -> None:
    settings = Settings(
        accounts=SETTINGS.accounts, task_groups=(GroupSettings("<script>alert(1)</script>", "default"),)
    )
    async with browse(FakeExporter(settings, unready=("<b>",))) as client:
        for path in ("/", "/config"):
            page = (await client.get(path, headers={"Accept": "text/html"})).text
            assert "<script>" not in page
            assert "&lt;script&gt;" in page


async def test_an_exporter_without_groups(browse: Browse) -> None:
    async with browse(FakeExporter(Settings(accounts=SETTINGS.accounts, task_groups=()))) as client:
        assert "None is configured" in (await client.get("/")).text


async def test_the_configuration_is_yaml_for_whoever_does_not_ask_for_a_page(browse: Browse) -> None:
    async with browse(FakeExporter()) as client:
        answer = await client.get("/config")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert yaml.safe_load(answer.text)["accounts"][0]["api_key_env"] == "KEY"
