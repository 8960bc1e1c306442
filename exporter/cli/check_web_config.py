"""``check-web-config FILE``: every mistake of a web configuration, with what keeps a server from starting with it."""

import time
from pathlib import Path

import click

from exporter.web.toolkit.settings import WebFile
from exporter.web.toolkit.web_config import check, warnings


@click.command("check-web-config")
@click.argument("file", type=click.Path(path_type=Path))
def command(*, file: Path) -> None:
    """Check a FILE for --web.config.file and name every mistake in it, each with its line.

    The certificates and keys that it names are read, too. A certificate that has ended, and passwords without TLS, are
    warnings. Exit codes: 0 no mistake, 1 mistakes.
    """
    checked = check(file)
    click.echo(f"{file}: {_summary(checked)}: ok")
    for warning in warnings(checked, now=time.time()):
        click.echo(f"{file}: warning: {warning}", err=True)


def _summary(file: WebFile) -> str:
    settings = file.settings
    users = len(settings.basic_auth_users)
    tls = "TLS" if settings.tls_server_config.is_enabled else "no TLS"
    return f"{tls}, {users or 'no'} user{'' if users == 1 else 's'}"
