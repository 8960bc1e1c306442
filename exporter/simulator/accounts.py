"""Who may call: accounts, their API keys, and which of the keys are revoked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from exporter.simulator.errors import ApiError, SimulatorError
from exporter.simulator.files import checked, parse_yaml, read_text

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False, le=1e12)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


@dataclass(frozen=True, slots=True)
class Key:
    """One API key. Caps are USD, 0 is unlimited; ``models`` are the slugs it may use, none named means all."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: Name
    key: Annotated[str, Field(min_length=8, max_length=200, pattern=r"^[\x21-\x7e]+$")] = field(repr=False)
    quota: Usd = 0.0
    rate_limit_5h: Usd = 0.0
    rate_limit_1d: Usd = 0.0
    rate_limit_7d: Usd = 0.0
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """One account: ``concurrency`` is the plan's cap of HTTP requests in flight, ``balance`` is USD topped up.

    The keys of an ``org`` account also show the organisation's wallet in a header.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: Name
    keys: Annotated[tuple[Key, ...], Field(min_length=1)]
    concurrency: Annotated[int, Field(ge=1, le=100_000)] = 25
    balance: Usd = 1_000_000.0
    org: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """A key together with the account it belongs to."""

    account: Account
    key: Key


class Keyring:
    """Every key there is. A revoked key is still known, so that its requests can be booked."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self.callers = tuple(Caller(account, key) for account in accounts for key in account.keys)
        self._by_secret = {caller.key.key: caller for caller in self.callers}
        self._by_name = {caller.key.name: caller for caller in self.callers}
        self._revoked: set[str] = set()
        self._check(accounts)

    def find(self, secret: str | None) -> Caller | None:
        """Whose key that is, revoked or not."""
        return self._by_secret.get(secret) if secret else None

    def named(self, name: str) -> Caller:
        """The key of that name; raises SimulatorError."""
        if name not in self._by_name:
            raise SimulatorError(f"no key is named {name!r}; there are: {', '.join(sorted(self._by_name))}")
        return self._by_name[name]

    def first_of(self, account: str) -> Caller:
        """The first key of the account, of the first account where the name is empty; raises SimulatorError."""
        for caller in self.callers:
            if account in ("", caller.account.name):
                return caller
        names = sorted({caller.account.name for caller in self.callers})
        raise SimulatorError(f"no account is named {account!r}; there are: {', '.join(names)}")

    def require(self, caller: Caller | None) -> Caller:
        """The caller whose key is good; raises ApiError 401."""
        if caller is None or caller.key.name in self._revoked:
            raise ApiError.invalid_api_key()
        return caller

    def revoke(self, name: str) -> None:
        self._revoked.add(self.named(name).key.name)

    def restore(self, name: str) -> None:
        self._revoked.discard(self.named(name).key.name)

    def _check(self, accounts: Sequence[Account]) -> None:
        if not accounts:
            raise SimulatorError("accounts: at least one is needed")
        if len({account.name for account in accounts}) < len(accounts):
            raise SimulatorError("accounts: two have the same name")
        if len(self._by_name) < len(self.callers):
            raise SimulatorError("accounts: two keys have the same name")
        if len(self._by_secret) < len(self.callers):
            raise SimulatorError("accounts: two keys are the same")


def default_accounts() -> tuple[Account, ...]:
    """What there is without a file: two accounts with one unlimited key each."""
    return (
        Account("demo", (Key("demo", "sk-byts-demo"),)),
        Account("second", (Key("second", "sk-byts-second"),)),
    )


def load_accounts(path: Path | None = None) -> tuple[Account, ...]:
    """The accounts of a YAML file, the default ones without it; raises SimulatorError."""
    if path is None:
        return default_accounts()
    accounts = checked(tuple[Account, ...], parse_yaml(read_text(path), of=str(path)), of=str(path))
    Keyring(accounts)
    return accounts
