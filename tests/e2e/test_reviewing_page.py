"""The page as an expert uses it for hours: by keys alone, and with texts that would like to be more than text."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pytest
from fakes.reviewing import Reviewer
from playwright.sync_api import BrowserContext, Page, expect

from seedgate.review import decisions, pull, push, push_cases, push_seeds
from seedgate.review.state import read_state
from seedgate.review.visible import reveal
from seedgate.seeds import verified_seeds
from seedgate.workspace import Workspace
from tests.conftest import TINY_SEEDS, TINY_TASK
from tests.e2e.conftest import Argilla
from tests.e2e.test_browser import LABEL, TEXT, ReviewPage, browser, outcome_of, screenshot

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.e2e

ROWS = {
    "Where is the parcel I ordered on Monday?": "delivery",
    "You took 30 euros twice for one order.": "billing",
    "Somebody in Spain ordered in my name.": "account",
    "Tracking says Leeds since Tuesday. Lost?": "delivery",
}
KEYS = {
    "approve": ["1", "Enter"],
    "reject": ["3", "4", "Enter"],
    "relabel": ["2", "ArrowDown", "1", "Enter"],
}
CLASHING = TINY_SEEDS["delivery"][0]
DISPUTED = {
    "You charged my neighbour's card instead of mine, and now we are both locked out of the shop.": "account",
    "Where is the kettle I ordered from you two weeks ago?": "delivery",
    CLASHING: "billing",
}
MENDED = "You charged my neighbour's card instead of mine, and now we are both angry."
COMMENTS = (
    "It is about money: <billing> fits,\nsigning in is only what follows.",
    "Nobody writes 'from you'. And two weeks ago there was no shop.",
)
FONTS = ("https://fonts.googleapis.com/", "https://fonts.gstatic.com/")
"""What Argilla's own page asks for, whatever it shows."""

LONG = " ".join(f"line{n} of a very long complaint" for n in range(110))
HOSTILE = {
    "script": "<script>window.ran=1</script> and </script><img src=http://127.0.0.1:9/x onerror=window.ran=1> fails",
    "svg": "<svg onload=window.ran=1><a href=javascript:window.ran=1>x</a></svg> <object data=http://127.0.0.1:9/o>",
    "template": "{{constructor.constructor('window.ran=1')()}} ${window.ran=1} <%= 7*7 %> [[7*7]] at checkout",
    "markdown": "# Title **bold** ![x](http://127.0.0.1:9/m.png) [a](javascript:window.ran=1) `code` | a | b |",
    "entities": "&lt;b&gt; &amp;amp; &#60;script&#62; &nbsp; <!-- hidden --> <b>bold</b> List<int> x",
    "invisible": "pay\u202egnp\u202c now\u200b and \u2066then\u2069 \u00adsoft \U000e0041tag \ufeffmark",
    "long": f"{LONG} <b>the end</b>",
}


def begin(
    ws: Workspace, argilla: Argilla, browser: BrowserContext, name: str, watch: Callable[[Page], None]
) -> ReviewPage:
    """Pushes everything and opens the reviewer's page."""
    pushed = push(ws, cycle=1)
    page = browser.new_page()
    watch(page)
    return signed_in(ws, argilla, page, name, pushed.places[name][1])


def signed_in(ws: Workspace, argilla: Argilla, page: Page, name: str, dataset: str) -> ReviewPage:
    """The page of this dataset, with the password that push made."""
    password = ws.secrets.get(f"reviewer_{name}_password")
    assert password is not None
    return ReviewPage(page, argilla.url, name, password, dataset)


def press(review: ReviewPage, text: str, keys: list[str]) -> None:
    """Opens a record and decides it by keys alone, waiting for nothing but the server at the end."""
    review.open(text)
    expect(review.page.locator("#decision_approve")).to_be_focused()
    with review.page.expect_response(lambda r: "/responses" in r.url and r.request.method == "POST") as done:
        for key in keys:
            review.page.keyboard.press(key)
    assert done.value.ok


def test_two_keys_approve_three_reject_with_a_reason_and_four_relabel(
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
    approved, relabelled, rejected, rewritten = ROWS
    review = begin(ws, argilla, browser, reviewer_name, lambda _: None)
    review.open(relabelled)
    screenshot(review.page, "review-record")

    press(review, approved, KEYS["approve"])
    press(review, rejected, KEYS["reject"])
    review.page.keyboard.press("3")
    screenshot(review.page, "review-keys")
    press(review, relabelled, KEYS["relabel"])
    # docs/reviewing.md has these for a correction of the text.
    keys = ["2", "ArrowDown", "ArrowDown", "Shift+Enter", "Control+End", *" Help", "Escape", "Enter"]
    press(review, rewritten, keys)

    assert pull(ws).decisions == {"approve": 1, "reject": 1, "edit": 2}
    found = outcome_of(decisions(ws), ws)
    assert found[approved].outcome == "approved"
    assert "unnatural" in found[rejected].reason
    assert found[f"{rewritten} Help"].outcome == "approved"
    made = {
        ws.ledger.body(id_)["label"]: d.outcome
        for id_, d in decisions(ws).items()
        if text_of(ws, id_) == relabelled
    }
    assert made == {"billing": "rejected", "delivery": "approved"}


def test_an_adjudicator_sees_who_said_what_and_settles_it_by_keys(
    argilla: Argilla,
    browser: BrowserContext,
    make_workspace: Callable[..., Workspace],
    add_candidates: Callable[..., Any],
    reviewer_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    argilla.use(monkeypatch)
    anna, ben, judge = (f"{who}-{reviewer_name}" for who in ("anna", "ben", "zoe"))
    ws = make_workspace(reviewers=(anna, ben), settings={"review": {"quorum": 2, "adjudicator": judge}})
    mislabelled, doubtful, clashing = DISPUTED
    add_candidates(ws, DISPUTED)
    push(ws, cycle=1)
    with Reviewer(ws, anna) as one, Reviewer(ws, ben) as other:
        for text in DISPUTED:
            one.answer(text, "approve")
        edit = {"corrected_text": MENDED, "corrected_label": "billing", "reasons": ["wrong_label"]}
        other.answer(mislabelled, "edit", **edit, comment=COMMENTS[0])
        other.answer(doubtful, "reject", reasons=["unnatural", "format"], comment=COMMENTS[1])
        other.answer(clashing, "approve")
    pull(ws)
    docket = push_cases(ws)
    assert (docket.cases, docket.by) == (3, judge)
    assert docket.place is not None

    review = signed_in(ws, argilla, browser.new_page(), judge, docket.place[1])
    review.open(mislabelled)
    # What reviewers ticked and wrote, in the words of the page; letters stand for their names.
    main = review.page.get_by_role("main")
    for words in (
        "Reviewer A approved",
        "Reviewer B corrected it (wrong label):",
        *COMMENTS[0].splitlines(),
        "Changes: Text, Label",
        f"Text: {MENDED}",
        "[locked out of the shop. → angry.]",
        "Label: billing  (instead of account)",
        "account: signing in",
        "billing: what was charged",
    ):
        expect(main).to_contain_text(words)
    assert review.field(TEXT).inner_text().strip() == mislabelled
    assert review.field(LABEL).inner_text().strip() == "account"
    for name in (anna, ben):
        expect(main).not_to_contain_text(name)
    screenshot(review.page, "docket-correction")
    press(review, mislabelled, ["3", "Enter"])

    review.open(doubtful)
    verdict = review.page.get_by_text(
        "Reviewer B rejected (nobody would write this, cut off or badly formed):"
    )
    expect(verdict).to_contain_text(COMMENTS[1])
    screenshot(review.page, "docket-rejection")
    press(review, doubtful, ["1", "Shift+Enter", *"People do.", "Escape", "Enter"])

    review.open(clashing)
    expect(main).to_contain_text("Is this one right nevertheless?")
    expect(review.page.get_by_text("Label: delivery  (here: billing)")).to_be_in_viewport()
    screenshot(review.page, "docket-clash")
    press(review, clashing, ["2", "Enter"])

    assert pull(ws).rulings == 3
    found = decisions(ws)
    outcome = {(ws.ledger.body(id_)["text"], ws.ledger.body(id_)["label"]): d for id_, d in found.items()}
    assert {row: d.outcome for row, d in outcome.items()} == {
        (mislabelled, "account"): "rejected",
        (MENDED, "billing"): "approved",
        (doubtful, "delivery"): "approved",
        (clashing, "billing"): "rejected",
    }
    assert outcome[doubtful, "delivery"].reason == f"settled by {judge}"
    said = [e.payload.get("comment_hash") for e in ws.ledger.events("adjudication.recorded")]
    assert [ws.ledger.body(hash_) for hash_ in said if hash_] == ["People do."]


def text_of(ws: Workspace, candidate_id: str) -> str:
    return str(ws.ledger.body(candidate_id)["text"])


def test_hostile_text_is_all_there_and_does_nothing(
    argilla: Argilla,
    browser: BrowserContext,
    make_workspace: Callable[..., Workspace],
    add_candidates: Callable[..., Any],
    reviewer_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    argilla.use(monkeypatch)
    ws = make_workspace(reviewers=(reviewer_name,), task=TINY_TASK | {"max_chars": 4000})
    add_candidates(ws, dict.fromkeys(HOSTILE.values(), "billing"))
    happened: list[str] = []

    def watch(page: Page) -> None:
        page.on("dialog", lambda dialog: (happened.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: happened.append(f"error {error}"))
        page.on(
            "request",
            lambda r: (
                None
                if r.url.startswith((argilla.url, "data:", "blob:", *FONTS))
                else happened.append(f"request {r.url}")
            ),
        )

    review = begin(ws, argilla, browser, reviewer_name, watch)
    happened.clear()  # the page's own start
    for name, text in HOSTILE.items():
        review.open(reveal(text))
        field = review.field(TEXT)
        assert field.inner_text().strip() == reveal(text), name
        assert field.locator("script, img, svg, object, iframe, embed, a, b").count() == 0, name
        assert review.field(LABEL).inner_text().strip() == "billing"
        assert html.unescape(field.inner_html()).count("window.ran") == text.count("window.ran")
        field.get_by_text(reveal(text)[-12:]).last.scroll_into_view_if_needed()
        screenshot(review.page, f"hostile-{name}")
        assert review.page.evaluate("window.ran === undefined"), name
    assert sorted(set(happened)) == []


def test_a_seed_is_verified_by_two_keys(
    argilla: Argilla,
    browser: BrowserContext,
    make_workspace: Callable[..., Workspace],
    reviewer_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    argilla.use(monkeypatch)
    ws = make_workspace(reviewers=(reviewer_name,), verified=False, locked=False)
    approved, rejected = TINY_SEEDS["delivery"][0], TINY_SEEDS["billing"][0]
    push_seeds(ws, limit=3)
    (opened,) = read_state(ws.ledger, purpose="seeds").opened.values()
    review = signed_in(ws, argilla, browser.new_page(), reviewer_name, opened.datasets[reviewer_name][1])

    review.open(approved)
    assert review.field(LABEL).inner_text().strip() == "delivery"
    expect(review.question("decision")).to_contain_text("Is this seed right?")
    screenshot(review.page, "seed-record")
    press(review, approved, KEYS["approve"])
    press(review, rejected, KEYS["reject"])

    report = pull(ws)
    assert (report.seeds_verified, report.anomalies) == (1, ())
    seeds, by = verified_seeds(ws)
    assert [seed.fields for seed in seeds.values()] == [{"text": approved, "label": "delivery"}]
    assert set(by.values()) == {reviewer_name}
