"""``http_sd_configs``: tasks named by a URL that is asked again and again."""

import asyncio
from dataclasses import dataclass

from exporter.discovery.fetch import fetch, prepare
from exporter.discovery.parse import Defaults, parse_list
from exporter.discovery.rounds import Found, Rounds
from exporter.discovery.source import Listener, Surroundings
from exporter.discovery.written import Format
from exporter.settings.model import HttpSdSettings

START_SPREAD = 1.0
"""Seconds over which the first requests of many sources are spread."""


@dataclass(frozen=True, slots=True)
class HttpSource:
    """One entry of ``http_sd_configs``."""

    settings: HttpSdSettings
    defaults: Defaults

    async def run(self, listener: Listener, surroundings: Surroundings) -> None:
        """Report what the URL answers, for ever."""
        rounds = Rounds(listener)
        await surroundings.clock.sleep(surroundings.random.uniform(0, START_SPREAD))
        while True:
            await rounds.take(self._read(surroundings))
            await surroundings.clock.sleep(self.settings.refresh_interval)

    async def _read(self, surroundings: Surroundings) -> Found:
        request = await asyncio.to_thread(prepare, self.settings)
        content = await fetch(request, transport=surroundings.transport)
        targets = await asyncio.to_thread(parse_list, content, Format.JSON, name=request.name, defaults=self.defaults)
        return Found(targets)
