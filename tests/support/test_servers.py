import re
from pathlib import Path

import pytest

from tests.support.processes import PROJECT
from tests.support.servers import INSTALLED, NEWEST, VARIABLE, Servers, chosen


def test_one_set_is_chosen_and_the_installed_one_without_a_choice() -> None:
    assert chosen({}) is chosen({VARIABLE: ""}) is INSTALLED
    assert chosen({VARIABLE: "newest"}) is NEWEST
    with pytest.raises(ValueError, match="installed or newest"):
        chosen({VARIABLE: "oldest"})


def test_a_program_of_a_directory_is_found_there_alone(tmp_path: Path) -> None:
    servers = Servers("made up", directory=str(tmp_path))
    program = tmp_path / "sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert servers.need("sh") == str(program)
    with pytest.raises(pytest.skip.Exception, match="scripts/newest-servers"):
        servers.need("cat")


def test_a_program_on_the_path_may_have_another_name() -> None:
    assert Servers("made up", aliases={"alertmanager": "sh"}).need("alertmanager").endswith("/sh")


def test_compose_ships_what_is_built_and_tested() -> None:
    built = dict(re.findall(r"^([A-Z]+)=([\d.]+)$", (PROJECT / "scripts" / "newest-servers").read_text(), re.MULTILINE))
    shipped = dict(re.findall(r"image: prom/(\w+):v([\d.]+)$", (PROJECT / "compose.yaml").read_text(), re.MULTILINE))
    assert shipped == {name.lower(): version for name, version in built.items()}
