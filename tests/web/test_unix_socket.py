"""A listening socket that is a file: what a killed process left gives way, and nothing else does."""

import fcntl
import os
import socket
import stat
from pathlib import Path

import pytest

from exporter.web.listening import address_of
from exporter.web.unix_socket import unix_listener


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exporter.sock"


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))


def left_over(path: Path) -> None:
    """As a process leaves it that was killed."""
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()


def test_its_file_lives_as_long_as_it_does(path: Path) -> None:
    with unix_listener(path) as listener:
        assert address_of(listener) == f"unix:{path}"
        connect(path)
    assert not path.exists()


def test_who_may_connect_is_as_the_umask_says(path: Path) -> None:
    before = os.umask(0o077)
    try:
        with unix_listener(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_what_a_killed_process_left_gives_way(path: Path) -> None:
    left_over(path)
    with unix_listener(path):
        connect(path)


def test_one_on_which_another_listens_stays(path: Path) -> None:
    with unix_listener(path):
        with pytest.raises(OSError, match="Address already in use"), unix_listener(path):
            pass
        connect(path)


def test_one_whose_queue_is_full_is_listened_on(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(OSError, match="Address already in use"), unix_listener(path):
            pass
    assert path.exists()


def test_a_file_that_is_no_socket_stays(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="no socket"), unix_listener(path):
        pass
    assert path.read_text() == "precious"


def test_a_file_that_another_has_put_there_meanwhile_stays(path: Path) -> None:
    with unix_listener(path):
        path.unlink()
        left_over(path)
    assert path.exists()


def test_a_file_that_is_gone_at_the_end_is_no_fault(path: Path) -> None:
    with unix_listener(path):
        path.unlink()


def test_of_two_that_start_at_once_one_makes_room(path: Path) -> None:
    """The other would take for left over what the first is about to listen on."""
    left_over(path)
    directory = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    with pytest.raises(OSError, match="Address already in use"), unix_listener(path):
        pass
    os.close(directory)
    with unix_listener(path):
        connect(path)
