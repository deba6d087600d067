"""A page as a program reads it: well-formed or not, its tables as texts, its headings, pictures and ids."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr"}
CLOSED = {"rect", "line", "circle"}


class ReadPage(HTMLParser):
    """Reads a page at once.

    Attributes:
        tables: Caption to rows, each a list of the cells' texts; a picture's text is its title.
        headings: Levels and texts, in order.
        pictures: The titles of all pictures.
        tags: Every tag that was opened, with its attributes.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[tuple[int, str]] = []
        self.pictures: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._texts: list[str] = []
        self._caption = ""
        self.feed(page)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("caption", "th", "td", "h1", "h2", "h3"):
            self._texts = []
        if tag == "table":
            self._rows, self._caption = [], ""
        if tag == "tr":
            self._rows.append([])
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in CLOSED | VOID, tag
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1] == tag, f"</{tag}> closes <{self._open[-1]}>"
        self._open.pop()
        text = " ".join("".join(self._texts).split())
        if tag == "caption":
            self._caption = text
        elif tag in ("th", "td"):
            self._rows[-1].append(text)
        elif tag == "table":
            assert self._caption, "a table without a caption"
            self.tables[self._caption] = self._rows
        elif tag in ("h1", "h2", "h3"):
            self.headings.append((int(tag[1]), text))

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "title" and "svg" in self._open:
            self.pictures.append(data)
        self._texts.append(data)

    def table(self, start: str) -> list[list[str]]:
        """The rows of the one table whose caption starts so."""
        (found,) = [rows for caption, rows in self.tables.items() if caption.startswith(start)]
        return found
