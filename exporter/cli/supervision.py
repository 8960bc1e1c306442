"""What systemd is told of this process: that it serves, reloads, stops, and that it is alive (sd_notify(3)).

The protocol is one datagram a message, to a socket that the environment names. Where it names none, nothing is told.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from structlog.typing import FilteringBoundLogger

from exporter.clock import Clock
from exporter.web.interfaces import RunningExporter

FEEDS = 3
"""How often within the time that systemd allows a sign of life is given: one or two of them may be late."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Whoever started this process and wants to hear of it.

    ``address`` is of its socket, empty where there is none. ``patience`` is how many seconds it waits for a sign of
    life before it ends the process; None where it waits for none.
    """

    log: FilteringBoundLogger
    address: str = ""
    patience: float | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str], log: FilteringBoundLogger) -> Self:
        """As systemd says in the environment: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and whom these are meant for."""
        address = environ.get("NOTIFY_SOCKET", "")
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        wanted = environ.get("WATCHDOG_USEC", "") if address and is_ours else ""
        return cls(log, address, int(wanted) / 1e6 if wanted.isdecimal() and int(wanted) else None)

    def serving(self, status: str) -> None:
        """It is up, or has reloaded; ``status`` is a line for ``systemctl status``."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self, clock: Clock) -> None:
        """A reload begins; ``serving`` ends it. systemd takes the time from the same clock, to tell reloads apart."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(clock.monotonic() * 1e6)}", "STATUS=reloading")

    def stopping(self) -> None:
        self._tell("STOPPING=1", "STATUS=stopping")

    async def watch(self, exporter: RunningExporter) -> None:
        """Give signs of life for as long as the exporter lives as it should, and only from its own event loop.

        A loop that has died or an event loop that stands still ends them, and systemd starts the exporter anew.
        """
        if self.patience is None:
            return
        while True:
            if not exporter.faults:
                self._tell("WATCHDOG=1")
            await exporter.clock.sleep(self.patience / FEEDS)

    def _tell(self, *lines: str) -> None:
        if not self.address:
            return
        # "@" stands for the zero byte with which the name of an abstract socket begins
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
                own.settimeout(0)  # the event loop must not wait for whoever does not read
                own.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            self.log.warning("supervisor_not_told", address=self.address, error=str(error))
