"""What is running: the version that is installed and the revision it was built from."""

import os
from functools import cache
from importlib import metadata

UNKNOWN = "unknown"


@cache  # to read it takes milliseconds, and the first request of each account names it
def version() -> str:
    """Return the installed version, ``unknown`` in a source tree that is not installed."""
    try:
        return metadata.version("bytespike-exporter")
    except metadata.PackageNotFoundError:
        return UNKNOWN


def revision() -> str:
    """Return the commit that the container image was built from, ``unknown`` outside of one."""
    return os.environ.get("BYTESPIKE_EXPORTER_REVISION", "").strip() or UNKNOWN
