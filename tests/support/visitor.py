"""A person at a browser who remembers everything that must not happen: errors, policy reports, requests to other hosts."""

from __future__ import annotations

import re
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request

from tests.support.server import LiveServer

Theme = Literal["light", "dark"]


class Visitor:
    """Opens pages of one server and remembers everything that must not happen."""

    def __init__(self, browser: Browser, server: LiveServer) -> None:
        self._browser, self._server = browser, server
        self._contexts: list[BrowserContext] = []
        self._allowed: list[re.Pattern[str]] = []
        self.problems: list[str] = []

    def page(self, path: str = "/", *, width: int = 1280, theme: Theme = "light", javascript: bool = True) -> Page:
        context = self._browser.new_context(
            base_url=self._server.url,
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            java_script_enabled=javascript,
        )
        context.set_default_timeout(30_000)
        self._contexts.append(context)
        context.on("request", self._see_request)
        page = context.new_page()
        self.watch(page)
        page.goto(path)
        return page

    def watch(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        page.on("dialog", self._answer)

    def allow(self, pattern: str) -> None:
        """What this test provokes on purpose."""
        self._allowed.append(re.compile(pattern))

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def unexpected(self) -> list[str]:
        return [problem for problem in self.problems if not any(pattern.search(problem) for pattern in self._allowed)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _answer(self, dialog: Dialog) -> None:
        """Leaving a page that uploads asks first; nothing else may open a dialog."""
        if dialog.type == "beforeunload":
            dialog.accept()
        else:
            self._note(f"dialog: {dialog.message}")
            dialog.dismiss()

    def _see_request(self, request: Request) -> None:
        if not request.url.startswith((self._server.url, "data:", "blob:")):
            self._note(f"request to another host: {request.url}")

    def _note(self, problem: str) -> None:
        self.problems.append(problem)
