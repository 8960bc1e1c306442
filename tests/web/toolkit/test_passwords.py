"""Passwords: what is remembered, what is shared, and how long somebody unknown takes."""

import asyncio
import threading
from random import Random

import bcrypt
import pytest

from exporter.web.toolkit import passwords
from exporter.web.toolkit.passwords import BusyError, Passwords, matches

USERS = {"dave": "$2y$12$" + "a" * 53, "carol": "$2y$12$" + "b" * 53, "bob": "$2y$10$" + "c" * 53}


class Checks:
    """Stands for bcrypt: says which passwords were looked at against which hash, in which thread."""

    def __init__(self, right: bytes = b"right") -> None:
        self.asked: list[tuple[bytes, str]] = []
        self.threads: set[str] = set()
        self.go_on = threading.Event()
        self.go_on.set()
        self._right = right

    def __call__(self, password: bytes, hashed: str) -> bool:
        self.asked.append((password, hashed))
        self.threads.add(threading.current_thread().name)
        assert self.go_on.wait(20)
        return password == self._right


def of(checks: Checks) -> Passwords:
    return Passwords(random=Random(1), check=checks)


async def test_an_answer_is_remembered_right_or_wrong() -> None:
    checks = Checks()
    known = of(checks)

    for _ in range(3):
        assert await known.is_right(USERS, "dave", b"right")
        assert not await known.is_right(USERS, "dave", b"wrong")

    assert checks.asked == [(b"right", USERS["dave"]), (b"wrong", USERS["dave"])]
    assert threading.current_thread().name not in checks.threads


async def test_a_new_hash_is_a_new_question() -> None:
    checks = Checks()
    known = of(checks)

    assert await known.is_right(USERS, "dave", b"right")
    assert await known.is_right({"dave": USERS["bob"]}, "dave", b"right")
    assert len(checks.asked) == 2


async def test_users_and_passwords_do_not_run_into_each_other() -> None:
    """CVE-2022-46146: one answer must not be found under another user's name."""
    checks = Checks()
    known = of(checks)
    assert await known.is_right({"a": "h"}, "a", b"right")

    assert not await known.is_right({}, "a" + "h", b"right")
    assert not await known.is_right({}, "a", b"right")
    assert not await known.is_right({"a": "hr"}, "a", b"ight")


async def test_somebody_unknown_takes_as_long_as_most_of_those_who_are_known() -> None:
    checks = Checks()

    assert not await of(checks).is_right(USERS, "nobody", b"right")

    [(_, hashed)] = checks.asked
    assert hashed.startswith("$2b$12$")
    assert not matches(b"right", hashed.replace("$12$", "$04$"))


async def test_many_who_ask_the_same_wait_for_one_look() -> None:
    checks = Checks()
    known = of(checks)
    checks.go_on.clear()

    waiting = [asyncio.create_task(known.is_right(USERS, "dave", b"right")) for _ in range(150)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    checks.go_on.set()

    assert all(await asyncio.gather(*waiting[1:]))
    assert len(checks.asked) == 1


async def test_one_password_at_a_time_and_few_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 3)
    checks = Checks()
    known = of(checks)
    assert await known.is_right(USERS, "dave", b"right")
    checks.go_on.clear()

    waiting = [asyncio.create_task(known.is_right(USERS, "dave", str(guess).encode())) for guess in range(3)]
    await asyncio.sleep(0.05)
    waiting.append(asyncio.create_task(known.is_right(USERS, "dave", b"one more: the first is looked at now")))
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await known.is_right(USERS, "dave", b"and one too many")
    assert len(checks.asked) == 2  # the right one, and the first that waits
    assert await known.is_right(USERS, "dave", b"right")  # who is known does not wait

    checks.go_on.set()
    assert not any(await asyncio.gather(*waiting))


async def test_who_guesses_with_all_his_might_keeps_nobody_elsewhere_from_being_looked_at() -> None:
    """After a start nobody is remembered yet, not even the kubelet: turned away, it would have us started once more."""
    checks = Checks()
    known = of(checks)
    checks.go_on.clear()
    guesses = [
        asyncio.create_task(known.is_right(USERS, "dave", str(guess).encode(), address="stranger"))
        for guess in range(3 * passwords.WAITING)
    ]
    await asyncio.sleep(0.05)

    right = asyncio.create_task(known.is_right(USERS, "dave", b"right", address="prometheus"))
    await asyncio.sleep(0)
    checks.go_on.set()

    assert await right
    asked = [password for password, _ in checks.asked]
    assert asked.index(b"right") <= 2  # behind the one that was looked at already, and one more guess
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(answer, BusyError) for answer in answers) == len(guesses) - passwords.WAITING


async def test_guesses_do_not_push_out_who_is_known() -> None:
    checks = Checks()
    known = of(checks)
    assert await known.is_right(USERS, "dave", b"right")

    for guess in range(3 * passwords.REMEMBERED):
        await known.is_right(USERS, "dave", str(guess).encode())
    before = len(checks.asked)

    assert await known.is_right(USERS, "dave", b"right")
    assert len(checks.asked) == before
    assert len(known._wrong) <= passwords.REMEMBERED


async def test_a_look_that_fails_is_no_answer() -> None:
    def fails(_password: bytes, _hashed: str) -> bool:
        raise MemoryError

    known = Passwords(random=Random(1), check=fails)
    for _ in range(2):
        with pytest.raises(MemoryError):
            await known.is_right(USERS, "dave", b"right")


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_hashes_of_each_minor_version(prefix: str) -> None:
    hashed = prefix + bcrypt.hashpw(b"a password", bcrypt.gensalt(4)).decode()[4:]

    assert matches(b"a password", hashed)
    assert not matches(b"another", hashed)


@pytest.mark.parametrize("hashed", ["", "x", "$2b$04$", "$2b$04$!" + "a" * 52, "$2b$04$" + "a" * 60])
def test_what_no_password_has(hashed: str) -> None:
    assert not matches(b"a password", hashed)


async def test_nothing_shows_a_password() -> None:
    known = of(Checks())
    await known.is_right(USERS, "dave", b"right")

    assert repr(known) == "Passwords()"
    assert b"right" not in b"".join([*known._right, *known._wrong])
