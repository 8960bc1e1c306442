"""The versions of Prometheus and Alertmanager that tests run with: those that are installed, and the newest ones."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.support.processes import PROJECT
from tests.support.tools import need_tool

VARIABLE = "BYTESPIKE_TEST_SERVERS"
"""The environment variable that names the set which the long stories are played with."""


@dataclass(frozen=True, slots=True)
class Servers:
    """One set of programs. ``directory`` is where they are, or empty for those on the path."""

    name: str
    directory: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)

    def need(self, program: str) -> str:
        """The path of one of them. Without it the test is skipped; in CI only a set that had to be built may lack."""
        if not self.directory:
            return need_tool(self.aliases.get(program, program))
        path = shutil.which(program, path=self.directory)
        if path is None:
            pytest.skip(f"{program} is not in {self.directory}: scripts/newest-servers builds it, where there is Go")
        return path

    def __str__(self) -> str:
        return self.name


INSTALLED = Servers("installed", aliases={"alertmanager": "prometheus-alertmanager"})
"""As the distribution has them: Debian's Alertmanager has a name of its own."""

NEWEST = Servers("newest", directory=str(PROJECT / ".venv-go" / "newest"))
"""What scripts/newest-servers builds, and compose.yaml ships."""

EACH = (INSTALLED, NEWEST)

PARAMETERS = (INSTALLED, pytest.param(NEWEST, marks=pytest.mark.long))
"""The installed one in every run, the newest in the long one: so a test is not all told twice."""


def chosen(environ: Mapping[str, str] = os.environ) -> Servers:
    """The set that the environment asks for, the installed one where it asks for none."""
    name = environ.get(VARIABLE) or INSTALLED.name
    named = {servers.name: servers for servers in EACH}
    if name not in named:
        raise ValueError(f"{VARIABLE} is {name!r}: it may be {' or '.join(named)}")
    return named[name]
