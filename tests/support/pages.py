"""What every page must be, checked on its HTML: one heading, labels, unique ids, closed elements, nothing inline."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
VOID |= {"circle", "line", "path", "rect", "use"}
CLOSES_PARAGRAPH = {"form", "div", "section", "ul", "ol", "table", "details", "aside", "figure", "p"}


class Page(HTMLParser):
    """The parts of a page that tests ask about. Mistakes of the markup are in `problems`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.ids: list[str] = []
        self.labelled_ids: set[str] = set()
        self.controls: list[dict[str, str]] = []
        self.forms: list[dict[str, str]] = []
        self.links: list[str] = []
        self.headings = 0
        self.title = ""
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self._check()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in CLOSES_PARAGRAPH and "p" in self._open:
            self.problems.append(f"<{tag}> inside <p>")
        if tag == "form" and "form" in self._open:
            self.problems.append("a form inside a form")
        if tag not in VOID:
            self._open.append(tag)
        if "style" in values or any(name.startswith("on") for name in values):
            self.problems.append(f"inline code or style on <{tag}>")
        if "id" in values:
            self.ids.append(values["id"])
        self._note(tag, values)

    def _note(self, tag: str, values: dict[str, str]) -> None:
        if tag == "h1":
            self.headings += 1
        elif tag == "label" and "for" in values:
            self.labelled_ids.add(values["for"])
        elif tag in ("input", "select", "textarea") and values.get("type") != "hidden":
            self.controls.append({**values, "in_label": "yes" if "label" in self._open[:-1] or "label" in self._open else ""})
        elif tag == "form":
            self.forms.append(values)
        elif tag == "a" and "href" in values:
            self.links.append(values["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> closes <{self._open[-1] if self._open else 'nothing'}>")
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "title" in self._open:
            self.title += data
        if not {"script", "style", "title"} & set(self._open):
            self.text += data

    def _check(self) -> None:
        self.problems += [f"<{tag}> is not closed" for tag in self._open]
        self.problems += [f"id {name} twice" for name in {name for name in self.ids if self.ids.count(name) > 1}]
        for control in self.controls:
            named = control.get("id") in self.labelled_ids or control.get("aria-label") or control["in_label"]
            if not named:
                self.problems.append(f"no label: {control}")
        self.problems += [f"label for {name}, which is not there" for name in self.labelled_ids - set(self.ids)]


def whole_page(html: str) -> Page:
    """A page with everything every page must have."""
    page = Page(html)
    assert page.problems == []
    assert page.headings == 1
    assert page.title.strip()
    return page


def fragment(html: str) -> Page:
    """A part of a page: well formed, and not a whole page."""
    page = Page(html)
    assert page.problems == []
    assert page.headings == 0
    assert "<html" not in html
    return page


def squeezed(text: str) -> str:
    return " ".join(text.split())
