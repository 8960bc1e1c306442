"""``watch`` on a screen: one task asks, one draws, and keys change what is looked at in between."""

import asyncio
import os
import signal
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

from rich.console import Console, ConsoleDimensions
from rich.live import Live

from exporter.clock import Clock
from exporter.terminal.keyboard import Keys, keyboard, read_keys
from exporter.threads import in_thread
from exporter.watch.client import NoAnswerError
from exporter.watch.overview import Filters, Overview
from exporter.watch.page import Scene, list_lines, page
from exporter.watch.rounds import Answering, rounds, until_stopped
from exporter.watch.view import View

TICK = 1.0
"""Seconds after which ages are drawn anew."""

QUIT = ("q", "Q")


class Screen:
    """Paints until ``stop`` is set, which q does, too. ``keys`` is the descriptor that they come from, if any do."""

    def __init__(
        self,
        exporter: Answering,
        filters: Filters,
        console: Console,
        *,
        address: str,
        interval: float,
        clock: Clock,
        stop: asyncio.Event,
        keys: int | None,
    ) -> None:
        self._exporter = exporter
        self._filters = filters
        self._console = console
        self._interval = interval
        self._clock = clock
        self._stop = stop
        self._descriptor = keys
        self._keys = Keys()
        self._scene = Scene(address, None, View())
        self._answered_at = clock.monotonic()
        self._changed = asyncio.Event()
        self._live = self._new_live()
        self._opened = ExitStack()

    async def run(self) -> None:
        """Raises OutputError where the terminal takes nothing more."""
        loop = asyncio.get_running_loop()
        try:
            self._enter()
            loop.add_signal_handler(signal.SIGWINCH, self._changed.set)
            if self._descriptor is not None:
                loop.add_reader(self._descriptor, self._read, self._descriptor)
                loop.add_signal_handler(signal.SIGTSTP, self._suspend)
            await until_stopped(asyncio.create_task(self._work()), self._stop)
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)
            if self._descriptor is not None:
                loop.remove_reader(self._descriptor)
                loop.remove_signal_handler(signal.SIGTSTP)
            self._opened.close()

    async def _work(self) -> None:
        """Neither goes on without the other: a screen that nothing new comes to would look well."""
        await asyncio.gather(self._ask(), self._draw())

    # ---- what is known ---------------------------------------------------------------------------------------------

    async def _ask(self) -> None:
        async for found in rounds(self._exporter, self._filters, interval=self._interval, clock=self._clock):
            self._take(found)
            self._changed.set()

    def _take(self, found: Overview | NoAnswerError) -> None:
        if isinstance(found, NoAnswerError):
            self._scene = replace(self._scene, fault=str(found))
            return
        self._answered_at = self._clock.monotonic()
        shown = self._scene.overview if self._scene.view.is_paused else None
        self._scene = replace(self._scene, overview=shown or found, fault=None)

    # ---- what is shown ---------------------------------------------------------------------------------------------

    async def _draw(self) -> None:
        while True:
            self._changed.clear()
            width, height = self._measured()
            scene = replace(self._scene, fault_seconds=self._clock.monotonic() - self._answered_at)
            # in a thread: a terminal that takes nothing for a while holds up neither keys nor signals
            drawn = page(scene, width=width, height=height)
            await in_thread(partial(self._live.update, drawn, refresh=True))
            await self._clock.wait(self._changed, TICK)

    def _measured(self) -> ConsoleDimensions:
        """The size as it is now. COLUMNS and LINES may be of another time, and rich would believe them."""
        with suppress(OSError):
            columns, lines = os.get_terminal_size(self._console.file.fileno())
            if columns and lines:
                self._console.size = ConsoleDimensions(columns, lines)
        return self._console.size

    def _new_live(self) -> Live:
        return Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    # ---- the terminal ----------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        """The keyboard is given back first, should the screen be stuck."""
        self._live = self._opened.enter_context(self._new_live())
        if self._descriptor is not None:
            self._opened.enter_context(keyboard(self._descriptor))

    def _suspend(self) -> None:
        """Ctrl-Z: the shell gets the terminal as it was, until this goes on."""
        loop = asyncio.get_running_loop()
        self._opened.close()
        loop.remove_signal_handler(signal.SIGTSTP)
        os.kill(os.getpid(), signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._enter()
        self._changed.set()

    def _read(self, descriptor: int) -> None:
        pressed = read_keys(descriptor, self._keys)
        if pressed is None:
            self._stop.set()
            return
        for key in pressed:
            self._press(key)
        self._changed.set()

    def _press(self, key: str) -> None:
        view, overview = self._scene.view, self._scene.overview
        if key in QUIT and not view.is_typing:
            self._stop.set()
            return
        room = list_lines(self._scene, height=self._console.size.height)
        view = view.pressed(key, lines=room)
        if overview is not None:
            view = view.within(len(view.shown(overview)), lines=room)
        self._scene = replace(self._scene, view=view)
