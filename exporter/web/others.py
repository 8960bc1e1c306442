"""What the pages say of accounts that other exporters follow, where several share a ledger. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from exporter.service.elsewhere import Owner


@dataclass(frozen=True, slots=True)
class OtherAccount:
    """An account that is not followed here; ``owner`` is empty where none is known, ``link`` where it has no address.
    ``link`` leads to the owner's page of what is shown here."""

    name: str
    owner: str
    link: str


def other_accounts(
    accounts: Mapping[str, Owner | None], path: Callable[[str], str] = lambda _account: ""
) -> Sequence[OtherAccount]:
    """All of them; ``path`` says which of its owner's pages an account leads to, which is the first one else."""
    return [
        OtherAccount(name, owner.id if owner else "", link_at(owner, path(name))) for name, owner in accounts.items()
    ]


def link_at(owner: Owner | None, path: str) -> str:
    """Where a path of an exporter's pages is; empty where that is not known.

    Its URL comes out of a table that others write: only one of the web is led to.
    """
    is_web = owner is not None and owner.url.startswith(("http://", "https://"))
    return f"{owner.url}/{path}" if owner and is_web else ""
