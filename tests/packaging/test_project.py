"""What the project says of itself in several places is the same everywhere."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def test_the_changelog_opens_with_the_version_of_the_project() -> None:
    text = (PROJECT / "CHANGELOG.md").read_text()
    first = re.search(r"^## \[(.+?)\] - (Unreleased|\d{4}-\d{2}-\d{2})$", text, re.MULTILINE)
    assert first is not None
    assert first[1] == DECLARED["version"]


def test_the_licence_is_the_declared_one() -> None:
    assert DECLARED["license"] == "Apache-2.0"
    (name,) = DECLARED["license-files"]
    text = (PROJECT / name).read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_pythons_that_are_declared_are_those_that_are_looked_for() -> None:
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(DECLARED["classifiers"]))
    looked_for = re.findall(r"python(3\.\d+)", (PROJECT / "scripts/find-python").read_text())
    assert declared == list(reversed(looked_for))
    assert DECLARED["requires-python"] == f">={declared[0]}"
