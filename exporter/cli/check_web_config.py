"""``check-web-config FILE``: every mistake of a web configuration, with what keeps a server from starting with it."""

from pathlib import Path

import click

from exporter.web.toolkit.settings import WebFile
from exporter.web.toolkit.web_config import check


@click.command("check-web-config")
@click.argument("file", type=click.Path(path_type=Path))
def command(*, file: Path) -> None:
    """Check a FILE for --web.config.file and name every mistake in it, each with its line.

    The certificates and keys that it names are read, too. Exit codes: 0 no mistake, 1 mistakes.
    """
    click.echo(f"{file}: {_summary(check(file))}: ok")


def _summary(file: WebFile) -> str:
    settings = file.settings
    users = len(settings.basic_auth_users)
    tls = "TLS" if settings.tls_server_config.is_enabled else "no TLS"
    return f"{tls}, {users or 'no'} user{'' if users == 1 else 's'}"
