"""The event loops that the asynchronous face is tested on."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}
PATIENCE = 60  # seconds after which a test that hangs fails


def run(loop: str, main: Coroutine[Any, Any, Any]) -> Any:
    """Runs it on a new loop of that name to its end."""

    async def patiently() -> Any:
        async with asyncio.timeout(PATIENCE):
            return await main

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(patiently())
