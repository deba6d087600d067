"""A person's way through the page: sign in, read, approve, edit, reject, save a draft, leave one alone."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Response, expect, sync_playwright

from seedgate.finetune import release
from seedgate.records import Decision
from seedgate.review import decisions, pull, push, review_status
from seedgate.workspace import Workspace
from tests.e2e.conftest import Argilla

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

TEXT, LABEL = 0, 1  # places of the fields on the page

HOSTILE = "List<int> x = new List<string>(); &lt;b&gt; <!-- c --> <script>alert(1)</script> fails at checkout"
INVISIBLE = "My login code\u200b never arrives \u202ereversed"
APPROVED, EDITED, REJECTED = (
    "Where on earth is my bicycle pump?",
    "You charged my neighbour's card",
    "Pump me up",
)
DRAFTED, UNTOUCHED = "Can I sign in with two mail addresses?", "The box was left in the rain again"
ROWS = {
    HOSTILE: "billing",
    INVISIBLE: "account",
    APPROVED: "delivery",
    EDITED: "account",
    REJECTED: "billing",
    DRAFTED: "account",
    UNTOUCHED: "delivery",
}
CORRECTED = "You charged my neighbour's card for my order."


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[BrowserContext]:
    """Chromium with a new profile."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        (pytest.fail if os.environ.get("SEEDGATE_TEST_ALL") else pytest.skip)(
            "neither chromium nor google-chrome in PATH: install one to test the review page"
        )
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=program,
            headless=True,
            args=FLAGS,
            viewport={"width": 1440, "height": 900},
        )
        context.set_default_timeout(30_000)
        yield context
        context.close()


class ReviewPage:
    """The page of one dataset, as its reviewer uses it."""

    def __init__(self, page: Page, url: str, name: str, password: str, dataset: str) -> None:
        self.page = page
        page.goto(f"{url}/sign-in")
        page.locator("input[type=text]").first.fill(name)
        page.locator("input[type=password]").fill(password)
        page.keyboard.press("Enter")
        page.get_by_text(dataset, exact=True).click()
        page.wait_for_url("**/annotation-mode*")
        self.address = page.url.partition("?")[0]

    def field(self, place: int) -> Locator:
        return self.page.locator("[id^=fields-content]").nth(place)

    def question(self, name: str) -> Locator:
        return self.page.get_by_label(f"Question: {name}", exact=True)

    def open(self, text: str) -> None:
        """Looks through the records that are left until this one is there."""
        for number in range(1, len(ROWS) + 1):
            self.page.goto(f"{self.address}?page={number}&status=pending")
            expect(self.page.get_by_role("main")).to_contain_text(re.compile(rf"{number}\s+of\s+\d"))
            if self.field(TEXT).inner_text().strip() == text:
                return
        raise AssertionError(f"no record shows {text!r}")

    def choose(self, question: str, value: str) -> None:
        self.page.locator(f'label[for="{question}_{value}"]').click()

    def finish(self, button: str) -> None:
        """Presses a button below the questions and waits for the server's word."""

        def answers(response: Response) -> bool:
            return "/responses" in response.url and response.request.method in ("POST", "PUT")

        with self.page.expect_response(answers) as done:
            self.page.get_by_role("button", name=button).click()
        assert done.value.ok, done.value.text()


def outcome_of(found: dict[str, Decision], ws: Workspace) -> dict[str, Decision]:
    """Text of a candidate to its decision."""
    bodies = ws.ledger.bodies(found)
    return {bodies[id_]["text"]: decision for id_, decision in found.items()}


def test_pull_and_release_yield_exactly_what_a_person_did_in_the_page(
    argilla: Argilla,
    browser: BrowserContext,
    make_workspace: Callable[..., Workspace],
    add_candidates: Callable[..., Any],
    reviewer_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    argilla.use(monkeypatch)
    ws = make_workspace(reviewers=(reviewer_name,))
    add_candidates(ws, ROWS)
    pushed = push(ws, cycle=1)
    password = ws.secrets.get(f"reviewer_{reviewer_name}_password")
    assert password is not None
    dataset = pushed.places[reviewer_name][1]

    review = ReviewPage(browser.new_page(), argilla.url, reviewer_name, password, dataset)

    # Every character of what a model wrote is on the page.
    review.open(HOSTILE)
    assert review.field(LABEL).inner_text().strip() == "billing"
    assert review.question("corrected_text").locator("[contenteditable]").inner_text().strip() == HOSTILE
    screenshot(review.page, "review-page")
    review.open("My login code⟦U+200B⟧ never arrives ⟦U+202E⟧reversed")
    review.choose("decision", "approve")
    review.finish("Submit")

    review.open(APPROVED)
    review.choose("decision", "approve")
    review.finish("Submit")

    review.open(EDITED)
    review.choose("decision", "edit")
    review.choose("corrected_label", "billing")
    box = review.question("corrected_text").locator("[contenteditable]")
    box.click()
    box.press("Control+End")
    box.press_sequentially(" for my order.")
    review.finish("Submit")

    review.open(REJECTED)
    review.choose("decision", "reject")
    review.choose("reasons", "off_topic")
    review.finish("Submit")

    review.open(DRAFTED)
    review.choose("decision", "approve")
    review.finish("Save as draft")

    report = pull(ws)
    assert report.decisions == {"approve": 2, "edit": 1, "reject": 1}
    assert (report.drafts, report.corrected, report.anomalies) == (1, 1, ())

    found = outcome_of(decisions(ws), ws)
    assert {text: decision.outcome for text, decision in found.items()} == {
        HOSTILE: "pending",
        INVISIBLE: "approved",
        APPROVED: "approved",
        EDITED: "rejected",
        CORRECTED: "approved",
        REJECTED: "rejected",
        DRAFTED: "pending",
        UNTOUCHED: "pending",
    }
    corrected = found[CORRECTED]
    assert ws.ledger.body(corrected.candidate_id) == {"text": CORRECTED, "label": "billing"}
    assert corrected.approvers == (reviewer_name,)
    assert "off_topic" in found[REJECTED].reason
    assert review_status(ws).open == 3
    assert pull(ws).recorded == 0

    rows = pq.read_table(release(ws).path / "train.parquet").to_pylist()
    assert len(rows) == 12 + 3
    assert {(row["text"], row["label"]) for row in rows if row["origin"] != "seed"} == {
        (INVISIBLE, "account"),
        (APPROVED, "delivery"),
        (CORRECTED, "billing"),
    }


def screenshot(page: Page, name: str) -> None:
    """Keeps what the page looks like for whoever reads the results of CI."""
    folder = Path(os.environ.get("SEEDGATE_ARTIFACTS") or REPOSITORY / "artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")
