"""``file_sd_configs``: tasks named in files, which are watched, and read again now and then as the backstop."""

import asyncio
from dataclasses import dataclass

from exporter.discovery.files import Files
from exporter.discovery.globs import directories
from exporter.discovery.parse import Defaults
from exporter.discovery.rounds import Found, Rounds
from exporter.discovery.source import Listener, Surroundings
from exporter.discovery.watch import Watch
from exporter.settings.model import FileSdSettings


@dataclass(frozen=True, slots=True)
class FileSource:
    """One entry of ``file_sd_configs``."""

    settings: FileSdSettings
    defaults: Defaults

    async def run(self, listener: Listener, surroundings: Surroundings) -> None:
        """Report what the files name, for ever."""
        rounds, watch = Rounds(listener), Watch(surroundings.log)
        files = Files(self.settings.files, self.defaults)
        try:
            while True:
                watch.changed.clear()
                await rounds.take(asyncio.to_thread(self._read, files, watch))
                await surroundings.clock.wait(watch.changed, self.settings.refresh_interval)
        finally:
            watch.close()

    def _read(self, files: Files, watch: Watch) -> Found:
        # watched first, so that no change falls in between
        watch.renew(directories(self.settings.files))
        return files.read()
