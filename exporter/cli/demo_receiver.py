"""``bytespike-exporter demo-receiver``: what Alertmanager sends, as lines."""

import asyncio
import os
import signal
import socket

import click

from exporter.cli.addresses import ListenAddress
from exporter.cli.exits import CannotStart
from exporter.cli.options import Parsed
from exporter.demo.receiver import RECEIVER_PORT, receiving
from exporter.web.listening import address_of, listen

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command("demo-receiver")
@click.option(
    "--listen",
    "address",
    type=Parsed("host:port", ListenAddress.parse),
    default=f"127.0.0.1:{RECEIVER_PORT}",
    show_default=True,
    help="HOST:PORT; port 0 takes any free one.",
)
def command(*, address: ListenAddress) -> None:
    """Print each notification of an Alertmanager as a line, to see what would be sent to whom.

    It takes whatever is posted to it, and is no pager: its address is that of the receivers in the shipped
    alertmanager.yml. An alert is printed when it changes, not each time it is repeated.

    Exit codes: 0 it was ended by SIGTERM or SIGINT, 2 the command line is wrong, 3 it cannot start.
    """
    try:
        listener = listen(address.host, address.port)
    except OSError as error:
        raise CannotStart(f"cannot listen on {address}: {os.strerror(error.errno or 0)}") from None
    with listener:
        asyncio.run(_run(listener))


async def _run(listener: socket.socket) -> None:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopped.set)
    async with receiving(listener, click.echo):
        click.echo(f"Notifications go to http://{address_of(listener)}/")
        await stopped.wait()
