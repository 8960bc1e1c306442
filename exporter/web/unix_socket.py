"""A listening socket that is a file: who may connect is who may write to it, as the umask says."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BACKLOG = 512
"""So many connections may wait to be accepted."""


@contextmanager
def unix_listener(path: Path) -> Iterator[socket.socket]:
    """Listen meanwhile, and remove the file at the end. Raises OSError.

    A file that a killed process has left, on which nobody listens, gives way; any other file stays where it is.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with _alone(path.parent):
            _make_room(path)
            listener.bind(os.fspath(path))
            listener.listen(BACKLOG)
            own = _identity(path)
        try:
            yield listener
        finally:
            listener.close()
            with suppress(OSError):  # whoever has put a file of his own there, or has removed ours, is left alone
                if _identity(path) == own:
                    path.unlink()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else makes room here meanwhile: he could take for left over what listens in a moment."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from None
        except OSError:  # some file systems lock no directories
            pass
        yield
    finally:
        os.close(descriptor)


def _make_room(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(0)  # a listener whose queue is full would make it wait
        try:
            caller.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from None
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
