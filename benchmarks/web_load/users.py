"""People who click: pages at random, with pauses, over one connection each."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

THINK_S = (0.5, 1.5)
TIMEOUT_S = 30.0
FOLLOWED = re.compile(r'hx-sse:connect="([^"]+)"')
LIVE_PART = re.compile(r'hx-get="([^"]+)" hx-trigger="changed from:#follow"')
FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}


@dataclass
class Clicks:
    """Milliseconds by page, and what went wrong."""

    pages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    parts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)


async def click(url: str, pages: Mapping[str, Sequence[str]], users: int, seconds: float) -> Clicks:
    """
    Args:
        pages: Name of a kind of page -> the paths to choose from.
    """
    clicks = Clicks()
    end = time.perf_counter() + seconds
    await asyncio.gather(*(_User(url, pages, clicks, seed).click_until(end) for seed in range(users)))
    return clicks


class _User:
    def __init__(self, url: str, pages: Mapping[str, Sequence[str]], clicks: Clicks, seed: int) -> None:
        self._url, self._pages, self._clicks = url, pages, clicks
        self._choice = random.Random(seed)  # the same clicks in every measurement

    async def click_until(self, end: float) -> None:
        async with httpx2.AsyncClient(base_url=self._url, timeout=TIMEOUT_S) as browser:
            await asyncio.sleep(self._choice.uniform(0, THINK_S[1]))
            while time.perf_counter() < end:
                kind = self._choice.choice(list(self._pages))
                html = await self._get(browser, kind, self._choice.choice(self._pages[kind]), self._clicks.pages)
                await self._get(browser, "queue in the header", "/fragments/queue", self._clicks.parts)
                async with self._following(browser, html):
                    await asyncio.sleep(self._choice.uniform(*THINK_S))

    async def _get(self, browser: httpx2.AsyncClient, kind: str, path: str, times: dict[str, list[float]]) -> str:
        started = time.perf_counter()
        try:
            answer = await browser.get(path, headers=FRAGMENT if times is self._clicks.parts else {})
        except httpx2.HTTPError as error:
            self._clicks.errors.append(f"{path}: {error!r}")
            return ""
        times[kind].append(1000 * (time.perf_counter() - started))
        if answer.status_code != 200:
            self._clicks.errors.append(f"{path}: {answer.status_code}")
        return answer.text

    @asynccontextmanager
    async def _following(self, browser: httpx2.AsyncClient, html: str) -> AsyncIterator[None]:
        """What a page does by itself while someone looks at it."""
        events, part = FOLLOWED.search(html), LIVE_PART.search(html)
        if events is None or part is None:
            yield
            return
        task = asyncio.create_task(self._follow(browser, events[1].replace("&amp;", "&"), part[1]))
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _follow(self, browser: httpx2.AsyncClient, events: str, part: str) -> None:
        async with browser.stream("GET", events) as stream:
            async for line in stream.aiter_lines():
                if line == "event: changed":
                    await self._get(browser, "live part of a run", part, self._clicks.parts)
