"""Each filter: what it lets pass, what it drops, and for what reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from seedgate.generator import FilterChain
from seedgate.generator.filters.base import Filter
from seedgate.generator.filters.boilerplate import BoilerplateFilter
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.generator.filters.exact import ExactFilter
from seedgate.generator.filters.format import FormatFilter, first_invisible
from seedgate.generator.filters.language import LanguageFilter
from seedgate.generator.filters.length import LengthFilter, runs_in_circles
from seedgate.generator.filters.near import NearFilter
from seedgate.generator.filters.personal import PersonalFilter
from seedgate.generator.filters.schema import SchemaFilter
from seedgate.generator.filters.semantic import SemanticFilter
from seedgate.ledger import NewEvent
from seedgate.records import Example
from seedgate.seeds import LeakCheck, Meanings, example_workspace, open_embedder
from seedgate.task import Task
from seedgate.workspace import Workspace

TASK = Task.from_config(
    {
        "preset": "classification",
        "name": "desk",
        "audience": "messages that customers sent to a shop",
        "labels": {"late_delivery": "a parcel is overdue", "billing": "a charge is wrong"},
        "max_chars": 200,
    }
)
INSTRUCTION = Task.from_config({"preset": "instruction", "name": "help"})


def message(text: str, label: str = "late_delivery") -> Example:
    return Example(fields={"text": text, "label": label})


def reason(each: Filter, example: Example) -> str | None:
    drop = each.check(example)
    assert drop is None or drop.filter == each.name
    return drop.reason if drop else None


class TestSchema:
    schema = SchemaFilter(TASK)

    def test_an_example_of_the_task_passes(self) -> None:
        assert reason(self.schema, message("Where is it?")) is None

    @pytest.mark.parametrize(
        "fields",
        [
            {"text": "Where is it?"},
            {"text": "Where is it?", "label": "unknown"},
            {"text": "Where is it?", "label": "billing", "more": 1},
            {"text": 7, "label": "billing"},
            {"text": "x" * 201, "label": "billing"},
        ],
    )
    def test_fields_that_are_not_the_tasks_are_dropped(self, fields: dict[str, str | int]) -> None:
        assert reason(self.schema, Example(fields=fields)) == "fields"

    def test_a_text_that_is_not_in_nfc_is_dropped(self) -> None:
        assert reason(self.schema, message("Cafe\u0301 closed?")) == "spelling"


class TestBoilerplate:
    boilerplate = BoilerplateFilter(TASK, [message("My parcel is late again.")])

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("As an AI language model, I have no parcels.", "self_reference"),
            ("I\u2019m sorry, but I can\u2019t assist with that request.", "refusal"),
            ("I am unable to provide such a message.", "refusal"),
            ("Sure! Here is another example of a late parcel.", "preamble"),
            ("Here are 3 new messages: my parcel is late.", "preamble"),
            ("Certainly, I can write that down for you.", "preamble"),
            ("Hello, I am [Your Name] and my parcel is late.", "placeholder"),
            ("Dear {{ customer_name }}, where is it?", "placeholder"),
            ("Where is <your parcel number>?", "placeholder"),
        ],
    )
    def test_what_a_model_says_of_itself_is_dropped(self, text: str, expected: str) -> None:
        assert reason(self.boilerplate, message(text)) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "I'm sorry, but I can't log in to see my parcel.",
            "I can't help but wonder where it is.",
            "Sure, I got a note, but no parcel. Can you help me with that?",
            "Here is the number on the box: 1234. Where is it?",
            "I am unable to provide a signature, I am abroad.",
            "Is this a human or an AI answering?",
            "I was charged [twice].",
        ],
    )
    def test_what_customers_write_passes(self, text: str) -> None:
        assert reason(self.boilerplate, message(text)) is None

    def test_a_habit_of_the_seeds_is_not_asked_of_candidates(self) -> None:
        refusals = [message("I am sorry, but I cannot assist with that.")]
        habit = BoilerplateFilter(TASK, refusals)
        assert reason(habit, message("Sorry, but I can't comply with your wish.")) is None
        assert reason(habit, message("As an AI model I have no parcels.")) == "self_reference"


class TestLanguage:
    english = LanguageFilter(TASK, [message("Where is my parcel?"), message("It should be here by now.")])

    @pytest.mark.parametrize(
        "text",
        [
            "Wo bleibt mein Paket? Es sollte gestern kommen.",
            "Mon colis devrait déjà être arrivé, où est-il ?",
            "Где моя посылка? Она опаздывает.",
        ],
    )
    def test_another_language_than_the_seeds_is_dropped(self, text: str) -> None:
        assert reason(self.english, message(text)) == "other_language"

    @pytest.mark.parametrize(
        "text",
        ["My parcel has not arrived yet.", "on the 28th September", "OK", "No. 12345 67890", "Café?"],
    )
    def test_their_own_and_what_is_too_short_to_tell_passes(self, text: str) -> None:
        assert reason(self.english, message(text)) is None

    def test_what_one_seed_is_in_any_candidate_may_be_in(self) -> None:
        both = LanguageFilter(
            TASK, [message("Where is my parcel?"), message("Wo ist denn mein Paket geblieben?")]
        )
        assert reason(both, message("Mein Paket ist noch immer nicht da.")) is None
        assert reason(both, message("Mon colis devrait déjà être arrivé.")) == "other_language"

    def test_what_is_in_words_of_the_seeds_needs_no_model_of_languages(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def loaded() -> None:
            raise AssertionError("the model was loaded")

        monkeypatch.setattr("seedgate.generator.filters.language._identifier", loaded)
        english = LanguageFilter(TASK, [message("Where is my parcel?"), message("It should be here by now.")])
        assert reason(english, message("My parcel should be here, where is it now?")) is None
        with pytest.raises(AssertionError, match="was loaded"):
            reason(english, message("Wo bleibt mein Paket? Es sollte gestern kommen."))

    def test_each_field_has_languages_of_its_own(self) -> None:
        def row(text: str, answer: str) -> Example:
            return Example(fields={"instruction": text, "input": "", "output": answer})

        german, english = (
            "Schreibe einen kurzen Satz über das Wetter.",
            "Write a short sentence about the weather.",
        )
        translated = LanguageFilter(INSTRUCTION, [row(german, english)])
        assert (
            reason(translated, row("Nenne drei Farben des Regenbogens.", "Red, green and blue are three."))
            is None
        )
        assert (
            reason(translated, row("Nenne drei Farben.", "Das sind Rot, Grün und Blau.")) == "other_language"
        )


class TestLength:
    length = LengthFilter(TASK, min_words=2)

    def test_a_short_message_of_two_words_passes(self) -> None:
        assert reason(self.length, message("Still nothing.")) is None

    def test_fewer_words_than_configured_are_dropped(self) -> None:
        assert reason(self.length, message("Nothing.")) == "short"

    def test_optional_inputs_and_outputs_may_be_short(self) -> None:
        example = Example(fields={"instruction": "Name a colour.", "input": "", "output": "Red"})
        assert reason(LengthFilter(INSTRUCTION, min_words=2), example) is None

    def test_too_long_a_text_is_dropped(self) -> None:
        assert reason(self.length, message(" ".join(f"word{n}" for n in range(60)))) == "long"

    @pytest.mark.parametrize(
        "text",
        [
            "I can't delete it. I can't delete it. I can't delete it.",
            "No, no, no, no",
            "Whaaaaaaaaaaaaaaat now?",
            "The one with a hole in the end is the one with a hole in the end, that is the one with a hole.",
        ],
    )
    def test_a_loop_is_dropped(self, text: str) -> None:
        assert reason(self.length, message(text)) == "loop"

    def test_ordinary_repetition_is_no_loop(self) -> None:
        assert not runs_in_circles("No, no, not the big one: the big one was fine, the small one was not.")


class TestFormat:
    format = FormatFilter(TASK)

    @pytest.mark.parametrize(
        "text",
        [
            "Where is it?",
            "Smashed to bits 😢❤️ 👩‍👧",
            "Soon, you said. 'Soon'.",
            "@support day 12 of #wheresmytea",
            "I paid £3.20 for 1.5 kg",
            "2 bags are missing.",
            '"Soon" is what you said',
            "Two lines\nare fine",
        ],
    )
    def test_what_a_customer_could_write_passes(self, text: str) -> None:
        assert reason(self.format, message(text)) is None

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("7. Where is it?", "numbering"),
            ("- Where is it?", "numbering"),
            ("Where is it?\n8. Gone.", "numbering"),
            ("## Where is it?", "numbering"),
            ('"Where is it?', "quotes"),
            ("“Where is it?", "quotes"),
            ("Where is it?<|im_end|>", "markup"),
            ("User: where is it?", "markup"),
            ("Some messages that customers sent to a shop", "prompt_echo"),
            ("Late delivery.", "label_leak"),
            ("late_delivery", "label_leak"),
            ("Billing: too much", "label_leak"),
            ("Where\u200b is it?", "invisible"),
            ("Where is \u202eit?", "invisible"),
            ("Where is it\u0007?", "invisible"),
            ("Where is it\ufffd?", "invisible"),
            ("Where\u00ad is it?", "invisible"),
            ("Wo\u3164 ist es?", "invisible"),
            ("a\u200db", "invisible"),
        ],
    )
    def test_traces_and_unseen_characters_are_dropped(self, text: str, why: str) -> None:
        assert reason(self.format, message(text)) == why

    def test_an_output_may_be_a_numbered_list(self) -> None:
        example = Example(fields={"instruction": "Name two.", "input": "", "output": "1. Red\n2. Blue"})
        assert reason(FormatFilter(INSTRUCTION), example) is None

    def test_the_character_is_named(self) -> None:
        assert first_invisible("a\u200bb") == "U+200B ZERO WIDTH SPACE"


class TestExact:
    def test_known_content_is_dropped_and_told_apart(self) -> None:
        exact = ExactFilter()
        seed, candidate = message("Where is it?"), message("Still nothing.")
        exact.add(seed.id, "seed")
        exact.accept(candidate)
        assert reason(exact, seed) == "seed"
        assert reason(exact, candidate) == "candidate"
        assert reason(exact, message("Where is it?", "billing")) is None

    def test_what_may_be_ignored_passes(self) -> None:
        exact = ExactFilter()
        exact.accept(message("Where is it?"))
        assert exact.check(message("Where is it?"), ignore={message("Where is it?").id}) is None


class TestNear:
    def filter(self) -> NearFilter:
        near = NearFilter(TASK, 0.7)
        near.accept(message("Where is the kettle that I ordered last week?"))
        return near

    def test_nearly_the_same_text_is_dropped_whatever_its_label(self) -> None:
        assert reason(self.filter(), message("Where is the kettle that I ordered last week", "billing"))

    def test_another_text_passes(self) -> None:
        assert reason(self.filter(), message("The invoice shows a fee that nobody mentioned.")) is None

    def test_the_original_of_an_edited_row_may_be_near_but_nothing_else(self) -> None:
        near, original = self.filter(), message("Where is the kettle that I ordered last week?")
        edited = message("Where is the kettle that I ordered last week, please?")
        assert near.check(edited, ignore={original.id}) is None
        near.accept(message("where is the kettle that I ordered last week, please"))
        assert near.check(edited, ignore={original.id}) is not None


class TestPersonal:
    personal = PersonalFilter(TASK)

    @pytest.mark.parametrize(
        "text",
        ["Write to lena.brandt83@kernkontor.de", "Ring +49 30 26403278", "My card is 4539 1488 0343 6467"],
    )
    def test_personal_data_is_dropped(self, text: str) -> None:
        assert reason(self.personal, message(text)) == "personal_data"

    def test_what_was_found_is_not_in_the_reason(self) -> None:
        drop = self.personal.check(message("Write to lena.brandt83@kernkontor.de"))
        assert drop is not None
        assert drop.detail == "text: e-mail"

    @pytest.mark.parametrize(
        "text",
        ["Where is it?", "Order 4539148803436468 cost £1,234.56", "Write to me@example.com", "Ring 555-0123"],
    )
    def test_stand_ins_and_other_numbers_pass(self, text: str) -> None:
        assert reason(self.personal, message(text)) is None

    def test_outputs_are_looked_at_too(self) -> None:
        example = Example(fields={"instruction": "Whom?", "input": "", "output": "Ring +49 30 26403278"})
        assert reason(PersonalFilter(INSTRUCTION), example) == "personal_data"

    def test_a_kind_that_the_seeds_hold_passes_and_no_other(self) -> None:
        habit = PersonalFilter(TASK, [message(f"Write to lena{n}@kernkontor.de") for n in range(3)])
        assert reason(habit, message("Write to otto.weber@kernkontor.de")) is None
        assert reason(habit, message("Ring +49 30 26403278")) == "personal_data"


class TestSemantic:
    def filter(self) -> SemanticFilter:
        semantic = SemanticFilter(Meanings(TASK, open_embedder()), 0.85)
        assert semantic.check(message("How do I change my e-mail address?")) is None
        semantic.accept(message("How do I change my e-mail address?"))
        return semantic

    def test_the_same_question_in_other_words_is_dropped_whatever_its_label(self) -> None:
        assert reason(self.filter(), message("How can I change my email address?", "billing"))

    def test_another_question_passes(self) -> None:
        assert reason(self.filter(), message("How do I change my password?")) is None

    def test_the_original_of_an_edited_row_may_mean_the_same(self) -> None:
        edited, original = message("How can I change my email address?"), "How do I change my e-mail address?"
        assert self.filter().check(edited, ignore={message(original).id}) is None


class TestEvaluation:
    evaluation = EvaluationFilter(
        LeakCheck(TASK, [message("My parcel was due on Friday and is not here.")], 0.7)
    )

    def test_a_locked_row_and_its_like_are_dropped_as_leaks(self) -> None:
        assert reason(self.evaluation, message("My parcel was due on Friday and is not here.")) == "exact"
        assert (
            reason(self.evaluation, message("My parcel was due on Friday and is not here", "billing"))
            == "near"
        )

    def test_nothing_can_be_ignored(self) -> None:
        row = message("My parcel was due on Friday and is not here.")
        assert self.evaluation.check(row, ignore={row.id}) is not None


class TestChain:
    def test_it_knows_the_seeds_and_the_evaluation_set_of_its_workspace(
        self, tiny_workspace: Workspace
    ) -> None:
        chain = FilterChain.for_workspace(tiny_workspace)

        def dropped_by(text: str) -> str | None:
            drop = chain.check(Example(fields={"text": text, "label": "delivery"}))
            return drop.filter if drop else None

        assert dropped_by("Still no kettle here!") == "exact"
        assert dropped_by("where is the parcel I ordered last week") == "near"
        assert dropped_by("When will the teapot get here?") == "evaluation"
        assert dropped_by("What time is the teapot arriving?") == "evaluation"
        assert dropped_by("Still there is no kettle at my place!!!") is None
        assert dropped_by("Nobody rang, yet the van was in our street.") is None

    def test_it_remembers_earlier_candidates_and_what_reviewers_rejected(
        self, tiny_workspace: Workspace
    ) -> None:
        earlier = Example(fields={"text": "The van drove past our house twice.", "label": "delivery"})
        provenance = {"cycle": 1}
        tiny_workspace.ledger.append(
            [
                NewEvent(
                    "candidate.created", earlier.id, {"provenance": provenance}, bodies=(earlier.fields,)
                ),
                NewEvent(
                    "verdict.recorded",
                    earlier.id,
                    {"decision": "reject", "response_id": "one", "reviewer": "anna"},
                ),
            ]
        )
        drop = FilterChain.for_workspace(tiny_workspace).check(earlier)
        assert drop is not None
        assert (drop.filter, drop.reason) == ("exact", "rejected")

    def test_what_is_computed_at_once_changes_no_answer(self, tiny_workspace: Workspace) -> None:
        texts = [
            "What time is the teapot arriving?",
            "Nobody rang, yet the van was in our street.",
            "Hm",
            "Nobody rang, yet our street had the van in it.",
            "Nobody rang, yet the van was in our street.",
            "The lid does not fit on the pot that you sent.",
            "The lid doesn't fit on the pot that you sent me.",
        ]
        examples = [Example(fields={"text": text, "label": "delivery"}) for text in texts]

        def answers(chain: FilterChain) -> Iterator[str]:
            for example in examples:
                drop = chain.check(example)
                if drop is None:
                    chain.accept(example)
                yield "" if drop is None else drop.reason

        one_by_one, together = (FilterChain.for_workspace(tiny_workspace) for _ in range(2))
        together.prepare(examples)
        found = list(answers(together))
        assert found == list(answers(one_by_one))
        assert {"", "short", "candidate", "semantic_duplicate"} <= set(found)

    def test_an_accepted_example_drops_its_like(self, tiny_workspace: Workspace) -> None:
        chain = FilterChain.for_workspace(tiny_workspace)
        example = Example(fields={"text": "The van drove past our house twice.", "label": "delivery"})
        assert chain.check(example) is None
        chain.accept(example)
        assert chain.check(example) is not None

    @pytest.mark.parametrize(("setting", "dropped"), [("drop", True), ("keep", False)])
    def test_personal_data_is_dropped_unless_the_configuration_keeps_it(
        self, make_workspace: Callable[..., Workspace], setting: str, dropped: bool
    ) -> None:
        ws = make_workspace(settings={"generation": {"personal_data": setting}})
        drop = FilterChain.for_workspace(ws).check(
            Example(fields={"text": "The van's driver is on +49 30 26403278 now", "label": "delivery"})
        )
        assert (drop is not None and (drop.filter, drop.reason) == ("personal", "personal_data")) is dropped

    def test_what_people_wrote_by_hand_passes_the_filters_of_form(self, tmp_path) -> None:  # type: ignore[no-untyped-def]
        with example_workspace(tmp_path / "example") as ws:
            filters = (
                SchemaFilter(ws.task),
                FormatFilter(ws.task),
                LengthFilter(ws.task, 2),
                PersonalFilter(ws.task),
            )
            bodies = ws.ledger.bodies(event.subject for event in ws.ledger.events("seed.added"))
            assert len(bodies) == 200
            drops = [each.check(Example(fields=fields)) for fields in bodies.values() for each in filters]
            assert [drop for drop in drops if drop] == []
