"""Files of other programs' formats: empty ones, and keys without a value, as Go programs take them."""

import pytest

from exporter.settings.errors import ConfigError
from exporter.settings.reader import Mapping, read_lenient


def root(text: str) -> Mapping:
    return read_lenient(text, file="x.yml", keys="a, b").root


@pytest.mark.parametrize("text", ["", "\n", "# a comment", "---", "~", "null", "{}"])
def test_nothing_is_an_empty_mapping(text: str) -> None:
    assert root(text) == {}


def test_a_key_without_a_value_is_there_and_has_none() -> None:
    assert root("a:\nb: {c: ~}") == {"a": None, "b": {"c": None}}


@pytest.mark.parametrize("text", ["text", "''", "[]", "[1]"])
def test_anything_else_is_refused_with_the_keys_that_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^x.yml:1: a configuration is a mapping, with the keys a, b$"):
        root(text)


def test_its_faults_have_lines() -> None:
    document = read_lenient("a: 1\nb: 2\na: 3", file="x.yml", keys="a, b")

    assert [str(fault) for fault in document.faults] == ["x.yml:3: a: stands twice, first on line 1; keep one"]
    assert document.line(("b",)) == 2
