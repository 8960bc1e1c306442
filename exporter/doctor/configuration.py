"""What the configuration, its secrets and the environment say, before anybody is asked. Looking at files, it blocks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.doctor.finding import Finding, fault, ok, warning
from exporter.outbound import Outbound, parsed
from exporter.secrets import SecretSource
from exporter.settings.checks import not_as_meant, not_streamed
from exporter.settings.confidential import missing, weak
from exporter.settings.errors import ConfigError
from exporter.settings.model import AccountSettings, Settings

CONFIGURATION = "configuration"
KEY = "key"
SECRETS = "secrets"
PROXY = "proxy"


def faults(error: ConfigError) -> list[Finding]:
    """A finding for each mistake of a configuration that cannot be."""
    advice = "correct that line; check-config names every mistake, docs/ and config/exporter.yml show what is allowed"
    return [fault(CONFIGURATION, str(each), advice) for each in error.faults]


def configuration(settings: Settings, file: Path) -> Sequence[Finding]:
    """A configuration that can be, and what in it is seldom meant."""
    counts = f"{len(settings.accounts)} account(s), {len(settings.task_groups)} task group(s)"
    odd = [warning(CONFIGURATION, said) for said in (*not_as_meant(settings), *not_streamed(settings))]
    if not settings.task_groups:
        odd.append(warning(CONFIGURATION, "no task group: nothing is followed", "add one under task_groups"))
    return [ok(CONFIGURATION, f"{file}: {counts}"), *odd]


def key(account: AccountSettings, environ: Mapping[str, str]) -> Sequence[Finding]:
    """Whether there is a key, not whether it is a good one: the query tells."""
    source = SecretSource(env=account.api_key_env, file=account.api_key_file, environ=environ)
    where = f"in the file {account.api_key_file}" if account.api_key_file else f"in ${account.api_key_env}"
    if source.fault is None:
        return [ok(KEY, f"there is one, {where}", subject=account.name)]
    if account.api_key_file:
        advice = "write the key into it, and let the user that the exporter runs as read it"
    else:
        advice = f"set it where the exporter is started: export {account.api_key_env}=..., or use api_key_file"
    return [fault(KEY, source.fault, advice, subject=account.name)]


def secrets(settings: Settings, environ: Mapping[str, str]) -> Sequence[Finding]:
    """Every secret that the configuration names, the API's token and callbacks included. They are not repeated."""
    keys = {f"account {account.name}: " for account in settings.accounts}
    others = [said for said in missing(settings, environ) if not any(said.startswith(name) for name in keys)]
    found = [warning(SECRETS, said) for said in (*others, *weak(settings, environ))]
    return found or [ok(SECRETS, "none is weak, missing or open to everybody")]


def proxy(settings: Settings, outbound: Outbound) -> Sequence[Finding]:
    """Which way requests take: variables that were set for something else are a usual surprise."""
    found = [warning(PROXY, said, "correct the variable, or unset it") for said in outbound.warnings]
    for account in settings.accounts:
        way = outbound.proxy_for(account.base_url)
        said = f"through {way.url.scheme}://{way.url.host}:{way.url.port}" if way else "straight, through no proxy"
        found.append(ok(PROXY, f"{host_of(account)} is asked {said}", subject=account.name))
    return found


def host_of(account: AccountSettings) -> str:
    """The host that an account is asked at."""
    url = parsed(account.base_url)
    return url.host if url else ""
