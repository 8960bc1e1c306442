"""The real programs that some tests need beside Python."""

import os
import shutil

import pytest


def need_tool(name: str) -> str:
    """The path of a program. Without it the test is skipped on a user's machine and fails in CI."""
    path = shutil.which(name)
    if path is not None:
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI must not skip what it is for")
    pytest.skip(f"{name} is not installed")
