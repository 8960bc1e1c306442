"""What this machine gives: a place for the ledger, ports, descriptors. It looks at files: it blocks."""

import os
import resource
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import make_url

from exporter.doctor.finding import Finding, fault, ok, warning
from exporter.doctor.server import ANOTHER_VERSION, server
from exporter.ledger.ledger import LedgerError
from exporter.ledger.opening import beside, totals_beside
from exporter.ledger.tables import Fitness, fitness_of
from exporter.settings.postgres import is_postgres

LEDGER = "ledger"
DESCRIPTORS = "descriptors"

MIB = 1 << 20
LITTLE_ROOM = 200 * MIB

MOUNTS = Path("/proc/self/mountinfo")

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "virtiofs")
PASSING = ("tmpfs", "ramfs")
LAYER = ("overlay", "aufs")


def ledger(url: str) -> Sequence[Finding]:
    """Whether the ledger can be written, or read where there is one, and whether it will last where it is."""
    if is_postgres(url):
        return server(url, LEDGER)
    path = Path(os.fsdecode((make_url(url).database or "").encode())).absolute()
    directory = next(above for above in path.parents if above.is_dir())
    return [_file(url, path, directory), *_file_system(directory)]


def _file(url: str, path: Path, directory: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=directory):  # it has no name that could be left behind
            pass
    except OSError as error:
        advice = "let the exporter's user write there, or set ledger.url to another place (docs/operations.md)"
        return fault(LEDGER, f"{directory} cannot be written to: {error.strerror}", advice)
    if not path.exists():
        return ok(LEDGER, f"{path} will be made")
    if not os.access(path, os.R_OK | os.W_OK):
        return fault(LEDGER, f"{path} cannot be written to", "let the exporter's user own it: chown, chmod u+rw")
    try:
        totals_beside(url)
        with beside(url) as (tx, _):
            fitness = fitness_of(tx)
    except LedgerError as error:
        return fault(LEDGER, str(error), "restore a copy, or move it away to begin again from 0 (docs/operations.md)")
    if fitness is Fitness.NEWER:
        return fault(LEDGER, f"{path} was written by a newer version of this exporter", ANOTHER_VERSION)
    return ok(LEDGER, f"{path} can be read")


def _file_system(directory: Path) -> Sequence[Finding]:
    found = []
    if (free := shutil.disk_usage(directory).free) < LITTLE_ROOM:
        found.append(warning(LEDGER, f"{free // MIB} MiB are free at {directory}", "make room: docs/sizing.md"))
    kind = file_system_of(directory.resolve(), _mounts())
    if kind in NETWORK:
        said = f"{directory} is on a network file system ({kind}), whose locks may not hold"
        found.append(warning(LEDGER, said, "SQLite wants a local disk: set ledger.url to a place on one"))
    elif kind in PASSING:
        said = f"{directory} is in memory ({kind}): a restart of the machine begins all counters again"
        found.append(warning(LEDGER, said, "set ledger.url to a place on a disk"))
    elif kind in LAYER:
        said = f"{directory} is in a container's own layer ({kind}): what it holds goes with the container"
        found.append(warning(LEDGER, said, "mount a volume there"))
    return found


def file_system_of(path: Path, mounts: str) -> str:
    """The kind of file system that a path is on, by the text of ``mountinfo``; empty where it does not say."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        mounted = fields[4].replace("\\040", " ")
        if path.is_relative_to(mounted) and len(mounted) >= best:  # the last one mounted there hides the others
            best, kind = len(mounted), after.split(" ")[0]
    return kind


def _mounts() -> str:
    try:
        return MOUNTS.read_text(errors="replace")
    except OSError:  # not Linux
        return ""


def descriptors(*, wanted: int, least: int) -> Sequence[Finding]:
    """Whether as many files may be open as there may be connections. A soft limit, the one that counts."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return [ok(DESCRIPTORS, "any number" if soft == resource.RLIM_INFINITY else f"{soft}, of {wanted} wanted")]
    advice = f"raise it: ulimit -n {wanted}, LimitNOFILE={wanted} in systemd, --ulimit nofile in Docker"
    said = f"{soft} files may be open; {wanted} are wanted"
    if soft < least:
        return [fault(DESCRIPTORS, f"{said}, and {least} needed", advice)]
    return [warning(DESCRIPTORS, f"{said}: fewer connections are taken", advice)]
