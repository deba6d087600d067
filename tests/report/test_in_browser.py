"""The page in Chromium, offline: light, dark, on a phone and on paper. No server is needed, so these are unit tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from seedgate.report import report_facts, write_page
from seedgate.workspace import Workspace

SIZES = {"desk": (1280, 900), "tablet": (768, 1024), "phone": (400, 800)}
LEAST_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3."""

CONTRASTS = """() => {
  const light = c => { const v = c.map(x => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4 });
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
  const colour = s => s.match(/[\\d.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) { const c = colour(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3) } return [255, 255, 255] };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.checkVisibility() || e.closest('title')) continue;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const a = light(colour(svg ? style.fill : style.color).slice(0, 3)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < %f) found.push([e.tagName, e.getAttribute('class'), ratio, e.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        # A newcomer's machine may have no browser, and can test the rest; CI installs one, and may not do without.
        (pytest.fail if os.environ.get("SEEDGATE_TEST_ALL") else pytest.skip)(
            "neither chromium nor google-chrome in PATH: install one to test the report's page"
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


@pytest.fixture
def written(told: Workspace) -> Path:
    path = told.root / "report.html"
    write_page(report_facts(told), path)
    return path


def opened(browser: Browser, path: Path, scheme: str, size: tuple[int, int]) -> tuple[Page, list[str]]:
    """The page in a new context without a network, and what went wrong."""
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": size[0], "height": size[1]},
        offline=True,
    )
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda asked: wrong.append(asked.url) if asked.url != path.as_uri() else None)
    page.goto(path.as_uri())
    return page, wrong


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_offline_and_fits(browser: Browser, written: Path, scheme: str, size: str) -> None:
    page, wrong = opened(browser, written, scheme, SIZES[size])
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    for summary in page.locator("summary").all():
        summary.click()
    assert page.locator("details[open]").count() == 6
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert page.evaluate(CONTRASTS % LEAST_CONTRAST) == []
    assert wrong == []
    page.context.close()


def test_everything_has_a_name(browser: Browser, written: Path) -> None:
    page, _ = opened(browser, written, "light", SIZES["desk"])
    assert page.locator("svg:not([role=img])").count() == 0
    names = page.locator("svg > title").all_text_contents()
    assert len(names) == page.locator("svg").count() > 10
    assert all(names)
    assert page.locator("table").count() == page.locator("table > caption").count()
    assert page.evaluate(
        "[...document.querySelectorAll('table')].every(t => t.tHead.querySelector('th[scope=col]'))"
    )
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.get_by_role("main").count() == 1
    for link in page.get_by_role("navigation").get_by_role("link").all():
        link.click()
        assert page.locator(f"section{link.get_attribute('href')} > h2").is_visible()
    page.context.close()


def test_a_wide_matrix_scrolls_in_its_own_box_and_keeps_its_labels_in_sight(
    browser: Browser, told: Workspace
) -> None:
    facts, path = report_facts(told), told.root / "report.html"
    labels = [f"a_label_with_a_long_name_{n}" for n in range(25)]
    counts = [[(to * at) % 7 for to in range(26)] for at in range(25)]
    facts["confusion"] |= {"labels": labels, "counts": counts}
    write_page(facts, path)
    for scheme in ("light", "dark"):
        page, wrong = opened(browser, path, scheme, SIZES["phone"])
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]
        assert page.evaluate(CONTRASTS % LEAST_CONTRAST) == []
        box = page.get_by_role("region", name="Confusion matrix")
        box.evaluate("e => e.scrollTo(9999, 0)")
        assert box.evaluate("e => e.scrollLeft") > 100
        name = box.get_by_role("rowheader", name="a_label_with_a_long_name_24").bounding_box()
        assert name is not None
        assert 0 <= name["x"] < name["x"] + name["width"] < SIZES["phone"][0]
        assert wrong == []
        page.context.close()


def test_on_paper_it_is_dark_on_white_whatever_the_screen(browser: Browser, written: Path) -> None:
    page, _ = opened(browser, written, "dark", SIZES["desk"])
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)" != dark
    assert page.evaluate(CONTRASTS % LEAST_CONTRAST) == []
    assert not page.get_by_role("navigation").is_visible()
    assert len(page.pdf(format="A4")) > 10_000
    page.context.close()
