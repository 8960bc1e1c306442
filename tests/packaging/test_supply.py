"""What the project is made of, and how it is released: pinned, told of, and looked after."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import sbom

PROJECT = Path(__file__).parents[2]
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def workflow(name: str) -> dict[Any, Any]:
    return dict(yaml.safe_load((PROJECT / f".github/workflows/{name}.yml").read_text()))


def steps(name: str, job: str) -> list[dict[str, Any]]:
    return list(workflow(name)["jobs"][job]["steps"])


# ---- pins ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_commit_and_says_which_version_that_is(path: Path) -> None:
    uses = re.findall(r"uses: (.+)", path.read_text())
    assert all(PINNED.fullmatch(each) for each in uses), uses


def test_one_action_has_one_commit_everywhere() -> None:
    uses = {each for path in WORKFLOWS for each in re.findall(r"uses: (.+)", path.read_text())}
    assert len(uses) == len({each.partition("@")[0] for each in uses})


def test_the_base_image_is_pinned_by_its_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert bases
    assert all(re.fullmatch(r"python:3\.13\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base) for base in bases)


# ---- workflows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_what_writes_is_one_job_that_says_so(path: Path) -> None:
    told = workflow(path.stem)
    assert told["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 90 for job in told["jobs"].values())
    for job in told["jobs"].values():
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_that_a_stranger_may_name_is_put_into_a_shell(path: Path) -> None:
    """A tag, a branch or a title is text of whoever made it: it comes by the environment."""
    runs = [step["run"] for job in workflow(path.stem)["jobs"].values() for step in job["steps"] if "run" in step]
    assert not any("${{" in run for run in runs)


@pytest.mark.parametrize(
    ("job", "sbom_path"), [("wheel", "dist/bytespike-exporter.cdx.json"), ("image", "image.cdx.json")]
)
def test_what_is_released_says_where_it_comes_from_and_what_is_in_it(job: str, sbom_path: str) -> None:
    attested = [step["with"] for step in steps("release", job) if step.get("uses", "").startswith("actions/attest@")]
    assert [each.get("sbom-path") for each in attested] == [None, sbom_path]
    permissions = workflow("release")["jobs"][job]["permissions"]
    assert (permissions["id-token"], permissions["attestations"]) == ("write", "write")
    assert set(workflow("release")["jobs"]["publish"]["needs"]) == {"wheel", "image"}


def test_known_faults_are_looked_for_each_day_in_all_that_is_pinned() -> None:
    triggers = workflow("audit")[True]  # "on" is a yes in YAML 1.1
    [schedule] = triggers["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", schedule["cron"])
    assert steps("audit", "audit")[-1] == {"run": "make audit"}
    recipe = (PROJECT / "Makefile").read_text().partition("\naudit:")[2].partition("\n\n")[0]
    locks = {path.stem for path in (PROJECT / "requirements").glob("*.lock")}
    assert set(recipe.partition("for lock in ")[2].partition(";")[0].split()) == locks


def test_the_update_bot_renews_all_that_is_pinned() -> None:
    updates = yaml.safe_load((PROJECT / ".github/dependabot.yml").read_text())["updates"]
    assert {(update["package-ecosystem"], update["directory"]) for update in updates} >= {
        ("github-actions", "/"),
        ("docker", "/"),
        ("docker-compose", "/"),
        ("pip", "/"),
        ("gomod", "/requirements/pint"),
        ("gomod", "/requirements/helm"),
    }


# ---- the SBOM --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """That of a real wheel, built here."""
    # to import it takes three seconds of work, for which no process that only collects this file has to wait
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", folder, PROJECT], check=True, capture_output=True)
    sbom.main(folder / "bill.cdx.json")
    text = (folder / "bill.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return dict(json.loads(text))


@pytest.mark.slow
def test_the_sbom_is_of_this_version_and_of_that_very_wheel(bill: dict[str, Any]) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    own = bill["metadata"]["component"]
    assert (own["name"], own["version"]) == (project["name"], project["version"])
    assert [each["alg"] for each in own["hashes"]] == ["SHA-256"]
    assert own["licenses"] == [{"license": {"id": project["license"]}}]


def test_the_sbom_has_all_that_is_installed_with_it_and_who_wants_it(bill: dict[str, Any]) -> None:
    lock = (PROJECT / "requirements/runtime.lock").read_text()
    locked = dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==([^\s;\\]+)", lock, re.MULTILINE))
    assert {each["name"]: each["version"] for each in bill["components"]} == locked
    wanted = {name for each in bill["dependencies"] for name in each.get("dependsOn", ())}
    assert wanted == {each["bom-ref"] for each in bill["components"]}, "nothing is there that nobody wants"
    hashes = [each["value"] for part in bill["components"] for each in part["properties"] if each["name"] == "pip:hash"]
    assert sorted(hashes) == sorted(re.findall(r"sha256:[0-9a-f]{64}", lock))
