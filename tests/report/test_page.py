"""The page: what a model wrote never becomes markup, its figures are the facts', and it says what it lacks."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest

from seedgate.errors import InputError, SeedgateError
from seedgate.records import Example
from seedgate.report import page_of, report_facts, write_page
from seedgate.seeds import verify
from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing, example
from tests.report.reading import ReadPage

HOSTILE = [
    "My order </style></title></svg><script>alert(1)</script> never came",
    "<img src=x onerror=alert(2)> on the bill, \"quoted' &lt;b&gt;",
    "Log me in \u202ereversed\u200b now {{ f.workspace }} {% raw %}",
]


@pytest.fixture
def facts(told: Workspace) -> dict[str, Any]:
    return report_facts(told)


def test_what_a_model_wrote_is_text_and_never_markup(reviewing: Reviewing) -> None:
    ids = [reviewing.candidate(example(text, "billing")) for text in HOSTILE]
    reviewing.approve(ids[0], reviewer="<b>anna</b>")
    reviewing.edit(ids[1], example(HOSTILE[1] + " </ins><u>", "billing"))
    reviewing.verdicts({ids[2]: "reject"}, reasons=("unnatural",))
    page = page_of(report_facts(reviewing.ws))
    read = ReadPage(page)
    names = {tag for tag, _ in read.tags}
    assert not names & {"script", "img", "u", "b", "iframe", "object", "link", "base", "form"}
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&amp;lt;b&amp;gt;" in page
    assert "\u202e" not in page
    assert "\u200b" not in page
    assert "⟦U+202E⟧reversed⟦U+200B⟧ now {{ f.workspace }} {% raw %}" in page


def test_names_and_labels_are_text_as_well(facts: dict[str, Any]) -> None:
    evil = "</table><script>x</script>\u202e"
    facts["workspace"] = facts["task"]["name"] = facts["current_model"] = evil
    facts["approvals"]["label"] = {evil: {"approved": 1, "edited": 0, "rejected": 0, "open": 0}}
    facts["coverage"]["labels"][0]["name"] = facts["reviewers"][0]["name"] = facts["releases"][-1]["name"] = (
        evil
    )
    facts["evaluations"][0]["model"] = facts["evaluations"][0]["metric"] = facts["why_kinds"][0]["reason"] = (
        evil
    )
    arms = [{"title": evil, "score": effect(0.5)}, {"title": evil, "left_out": evil}]
    facts["ablation"] = {
        "arms": arms,
        "conclusion": evil,
        "metric": evil,
        "student": evil,
        "at": evil,
        "release": evil,
    }
    page = page_of(facts)
    assert "script" not in {tag for tag, _ in ReadPage(page).tags}
    assert "\u202e" not in page


def test_it_can_load_nothing_and_has_no_script(facts: dict[str, Any]) -> None:
    read = ReadPage(page_of(facts))
    policy = [a["content"] for tag, a in read.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "object", "embed"}
    assert not [a for _, a in read.tags if "src" in a]
    assert all((a.get("href") or "#").startswith("#") for tag, a in read.tags if tag == "a")


def test_its_figures_are_those_of_the_facts(facts: dict[str, Any]) -> None:
    read = ReadPage(page_of(facts))
    by_label = {row[0]: [int(cell) for cell in row[2:6]] for row in read.table("By label")[1:]}
    assert by_label == {name: list(each.values()) for name, each in facts["approvals"]["label"].items()}
    covered = {row[0]: (int(row[2]), int(row[3])) for row in read.table("Rows by label")[1:]}
    assert covered == {row["name"]: (row["seeds"], row["approved"]) for row in facts["coverage"]["labels"]}
    measured = [row[-4:] for row in read.table("Accuracy by cycle")[1:-1]]
    assert measured == [
        [
            *(
                f"{each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})"
                for each in (e, e["macro_f1"], e["unconstrained"])
            ),
            str(e["unconstrained"]["outside"]),
        ]
        for e in facts["evaluations"]
    ]
    for each in facts["evaluations"]:
        each["unconstrained"] = each["macro_f1"] = facts["confusion"] = None
    older = ReadPage(page_of(facts)).table("Accuracy by cycle")
    assert [row[-1] for row in older[1:-1]] == [row[0] for row in measured]
    reasons = {row[0]: int(row[1]) for row in read.table("What reviewers found wrong")[1:]}
    assert reasons == {name.replace("_", " "): n for name, n in facts["rejections"].items()}
    funnel = [int(row[2]) for row in read.table("Funnel")[1:]]
    assert funnel == [9, 8, 6, facts["headline"]["approved"]]
    assert facts["time"]["said"] in page_of(facts)


def test_pictures_have_names_and_headings_are_in_order(facts: dict[str, Any]) -> None:
    read = ReadPage(page_of(facts))
    pictures = [a for tag, a in read.tags if tag == "svg"]
    assert len(pictures) > 10
    assert all(a["role"] == "img" for a in pictures)
    assert len(read.pictures) >= len(pictures)
    assert all(read.pictures)
    levels = [level for level, _ in read.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for tag, a in read.tags if tag == "a"} == {f"#{id_}" for id_ in ids}


def test_each_part_of_an_empty_workspace_says_what_would_fill_it(tiny_workspace: Workspace) -> None:
    page = page_of(report_facts(tiny_workspace))
    ReadPage(page)
    for command in ("eval", "release", "push", "generate", "cycle"):
        assert f"`seedgate {command}" in page
    assert page.count('class="none"') >= 8
    assert "Simulated." not in page


def test_an_unverified_workspace_has_a_page(make_workspace: Any) -> None:
    ReadPage(page_of(report_facts(make_workspace(verified=False, locked=False))))


def test_a_task_without_labels_is_counted_by_tags(make_workspace: Any) -> None:
    rows = [
        Example(fields={"instruction": f"Say {word}.", "output": word}, tags=("core",))
        for word in ("yes", "no")
    ]
    ws = make_workspace(
        task={"preset": "instruction", "name": "tiny"},
        seeds=rows,
        evaluation=(),
        verified=False,
        locked=False,
    )
    verify(ws, by="An Expert", statement="I have read every row.")
    read = ReadPage(page_of(report_facts(ws)))
    assert read.table("Rows by tag")[1][0::2] == ["core", "2", "2"]
    assert not any(caption.startswith("By label") for caption in read.tables)


def test_what_a_program_answered_is_marked(make_workspace: Any) -> None:
    ws = make_workspace(simulated_reviewer="simulated-reviewer", reviewers=("simulated-reviewer",))
    assert "So far nothing rests on it." in page_of(report_facts(ws))
    reviewing = Reviewing(ws)
    reviewing.approve(*reviewing.candidates(3), reviewer="simulated-reviewer", simulated=True)
    page = page_of(report_facts(ws))
    assert "3 of\n3 approved rows rest on it" in page
    read = ReadPage(page)
    for start in ("Funnel", "By cycle", "By strategy", "By label", "Rows by label"):
        assert any(caption.startswith(f"{start} simulated") for caption in read.tables), start
    assert read.table("Reviewers")[1][0] == "simulated-reviewer simulated"


def test_what_is_confused_is_a_table_of_numbers(facts: dict[str, Any]) -> None:
    read = ReadPage(page_of(facts))
    assert read.table("What m-r001 takes for what") == [
        ["label", "delivery", "billing", "account", "outside", "rows"],
        ["delivery", "2", "0", "0", "0", "2"],
        ["billing", "0", "2", "0", "0", "2"],
        ["account", "0", "0", "1", "1", "2"],
    ]
    tints = {a["class"] for tag, a in read.tags if tag == "td" and "right" in (a.get("class") or "")}
    assert tints == {"n right3", "n right2"}
    facts["confusion"] = None
    assert not any(caption.startswith("What m-r001") for caption in ReadPage(page_of(facts)).tables)


def test_labels_and_tags_have_their_own_figures_weakest_first(facts: dict[str, Any]) -> None:
    facts["evaluations"][-1]["tags"] = {
        "core": {"n": 4, "value": 0.75, "low": 0.3, "high": 0.95},
        "<b>edge</b>": {"n": 2, "value": 0.5, "low": 0.1, "high": 0.9},
    }
    read = ReadPage(page_of(facts))
    rows = read.table("m-r001 by label")
    assert rows[0] == ["label", "F1", "value (interval)", "precision (interval)", "recall (interval)", "rows"]
    assert [row[0] for row in rows[1:-1]] == ["account", "delivery", "billing"]
    figures = facts["confusion"]["by_label"]["account"]
    assert [row[2:] for row in rows[1:2]] == [
        [
            *(
                f"{each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})"
                for each in (figures["f1"], figures["precision"], figures["recall"])
            ),
            "2",
        ]
    ]
    assert [row[0::2] for row in read.table("m-r001 by tag")[1:-1]] == [
        ["<b>edge</b>", "0.500 (0.100 to 0.900)"],
        ["core", "0.750 (0.300 to 0.950)"],
    ]
    facts["confusion"] = None
    older = ReadPage(page_of(facts)).table("m-r001 by label")
    assert older[0] == ["label", "accuracy", "value (interval)", "rows"]
    facts["evaluations"][-1] |= {"labels": {}, "tags": {}}
    assert not any(caption.startswith("m-r001 by") for caption in ReadPage(page_of(facts)).tables)


def test_of_many_labels_those_that_are_confused_are_shown_and_the_rest_named(facts: dict[str, Any]) -> None:
    size, evil = 77, "</table><script>x</script>"
    counts = [[4 * (to == at) for to in range(size + 1)] for at in range(size)]
    counts[7][3], counts[3][60], counts[60][-1] = 5, 1, 2
    labels = [*(f"label_{n}" for n in range(size - 1)), evil]
    facts["confusion"] |= {"labels": labels, "counts": counts, "model": evil}
    page = page_of(facts)
    read = ReadPage(page)
    assert "script" not in {tag for tag, _ in read.tags}
    assert read.table("What </table>") == [
        ["label", "label_3", "label_7", "label_60", "other labels", "outside", "rows"],
        ["label_3", "4", "0", "1", "0", "0", "5"],
        ["label_7", "5", "4", "0", "0", "0", "9"],
        ["label_60", "0", "0", "4", "0", "2", "6"],
    ]
    assert "as they are confused less or never: label_0, label_1, label_2, label_4" in page
    for at in range(size):
        counts[at][(at + 1) % size] = 1 + at % 2
    rows = ReadPage(page_of(facts)).table("What </table>")
    assert len(rows) == 1 + 25
    assert all(sum(map(int, row[1:-1])) == int(row[-1]) for row in rows[1:])
    for at, line in enumerate(counts):
        line[:] = [4 * (to == at) for to in range(size + 1)]
    assert not any(caption.startswith("What </table>") for caption in ReadPage(page_of(facts)).tables)


def test_long_tables_end_with_how_many_more_there_are(facts: dict[str, Any]) -> None:
    counts = {"approved": 1, "edited": 0, "rejected": 0, "open": 0}
    facts["approvals"]["label"] = {f"label_{n}": counts for n in range(500)}
    facts["coverage"]["labels"] = [{"name": f"label_{n}", "seeds": 1, "approved": 0} for n in range(500)]
    facts["evaluations"] *= 50
    facts["recalled"] = [{"said": f"row {n}"} for n in range(1000)]
    page = page_of(facts)
    assert len(page) < 200_000
    read = ReadPage(page)
    assert read.table("By label")[-1] == ["and 480 more labels"]
    assert read.table("Accuracy by cycle")[-1][0] == "and 80 more earlier models"
    assert "and 995 more" in page


def effect(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def test_an_ablation_is_a_table_and_a_picture(facts: dict[str, Any]) -> None:
    assert "`seedgate ablate` does it" in page_of(facts)
    arms = [
        {
            "arm": "gated",
            "title": "with the gate",
            "rows": 16,
            "steps": 40,
            "score": effect(0.8),
            "gain": None,
        },
        {"arm": "seeds", "title": "the seeds", "score": effect(0.6), "gain": effect(0.2), "unknown": {}},
        {"arm": "written", "title": "by hand", "score": None, "left_out": "nobody wrote any"},
    ]
    facts["ablation"] = {
        "arms": arms,
        "release": "r001",
        "at": "2026-01-02T00:00:00",
        "conclusion": "It paid.",
    }
    page = page_of(facts)
    rows = ReadPage(page).table("Did the gate pay?")
    assert [row[0] for row in rows[1:3]] == ["with the gate", "the seeds"]
    assert rows[1][2] == "0.800 (0.700 to 0.900)"
    assert rows[2][3] == "+0.200 (+0.100 to +0.300)"
    assert "It paid." in page
    assert "Left out: by hand: nobody wrote any" in page
    facts["ablation"] = {"release": "r001", "at": "2026-01-02T00:00:00"}
    ReadPage(page_of(facts))


def test_a_measured_curve_is_a_picture_a_table_and_a_sentence(facts: dict[str, Any]) -> None:
    points = [{"rows": 0, "score": effect(0.5)}, {"rows": 100, "score": effect(0.7)}, {"rows": 200}]
    facts["learning_curve"] = {
        "points": points, "gain_next": effect(0.1), "next_rows": 100, "metric": "accuracy", "simulated": 3,
        "release": "r001", "at": "2026-01-02T00:00:00",
    }  # fmt: skip
    page = page_of(facts)
    read = ReadPage(page)
    assert [row[1] for row in read.table("The points of this curve")[1:]] == [
        "0.500 (0.400 to 0.600)",
        "0.700 (0.600 to 0.800)",
    ]
    assert any("over approved rows: 0 approved rows: 0.500" in name for name in read.pictures)
    assert "The next 100 approved rows would change accuracy by +0.100" in page
    facts["learning_curve"]["points"] = points[:1]
    assert "The points of this curve" not in page_of(facts)


def test_the_page_does_not_change_the_facts(facts: dict[str, Any]) -> None:
    before = copy.deepcopy(facts)
    assert page_of(facts) == page_of(facts)
    assert facts == before


def test_a_page_that_cannot_be_written_leaves_the_old_one(facts: dict[str, Any], tmp_path: Any) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        write_page(facts, tmp_path / "nowhere" / "report.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SeedgateError, match="folder: writing failed"):
        write_page(facts, tmp_path / "folder")
    assert list(tmp_path.glob(".*")) == []
