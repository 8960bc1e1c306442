"""The lock files: exact, hashed, of no particular index, and in step with pyproject.toml and with each other."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[2]
LOCKS = ["runtime", "build", "dev"]


def lock_text(name: str) -> str:
    return (PROJECT / "requirements" / f"{name}.lock").read_text()


def entries(name: str) -> list[str]:
    """Each requirement with its options, as the one logical line that pip reads."""
    lines = lock_text(name).replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def pins(name: str) -> dict[str, Requirement]:
    requirements = [Requirement(entry.partition(" --hash=")[0]) for entry in entries(name)]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def pyproject() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def wanted(name: str) -> list[Requirement]:
    """What pyproject.toml asks of a lock file."""
    declared = pyproject()
    runtime: list[str] = declared["project"]["dependencies"]
    build: list[str] = declared["build-system"]["requires"]
    dev: list[str] = [line for line in declared["dependency-groups"]["dev"] if isinstance(line, str)]
    return [Requirement(line) for line in {"runtime": runtime, "build": build, "dev": runtime + build + dev}[name]]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_exact_and_hashed(name: str) -> None:
    for entry in entries(name):
        assert re.fullmatch(
            r"[a-z0-9.-]+(\[[a-z0-9,-]+\])?==[^\s;*]+( ; .+?)?( +--hash=sha256:[0-9a-f]{64})+", entry
        ), entry


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_of_the_project_is_there_within_its_range(name: str) -> None:
    locked = pins(name)
    for requirement in wanted(name):
        (pin,) = locked[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), f"{requirement} is locked at {pin.version}: run make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index_no_host_and_no_folder(name: str) -> None:
    text = lock_text(name)
    assert not re.search(r"://|index-url|find-links|trusted-host", text)
    assert not re.search(r"(^|\s)/\w", text)
    assert not re.search(r"^-", text, re.MULTILINE), "an option of pip"


@pytest.mark.parametrize("name", LOCKS)
def test_an_extra_that_a_package_asks_for_is_named(name: str) -> None:
    # pip takes name[extra] for another requirement than name: without it, the newest version wins, and has no hash
    locked = pins(name)
    for package in locked:
        for asked in asked_by(package):
            pin = locked.get(canonicalize_name(asked.name))
            assert pin is None or asked.extras <= pin.extras, f"{package} asks for {asked}: run make lock"


def asked_by(package: str) -> list[Requirement]:
    """What a package asks for on this machine; nothing where it is not installed here."""
    try:
        asked = [Requirement(line) for line in requires(package) or []]
    except PackageNotFoundError:
        return []
    return [
        requirement for requirement in asked if not requirement.marker or requirement.marker.evaluate({"extra": ""})
    ]


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_what_is_shipped_is_what_was_tested(name: str) -> None:
    assert set(map(files, entries(name))) <= set(map(files, entries("dev")))


def files(entry: str) -> str:
    """Version and hashes. A condition is left out: what is tested everywhere may be shipped for one system alone."""
    return " ".join(re.sub(r" ; .+?(?= +--hash)", "", entry).split())


def test_the_build_group_is_what_the_build_system_asks_for() -> None:
    declared = pyproject()
    assert declared["dependency-groups"]["build"] == declared["build-system"]["requires"]
