"""Prompt forms: which one a model gets, and what is in it."""

from __future__ import annotations

from typing import Any

import pytest

from seedgate.config import GenerationConfig
from seedgate.errors import ConfigError
from seedgate.generator.prompts import ChatForm, ListForm, choose_form
from seedgate.records import Example
from seedgate.task import Task

TASK = Task.from_config(
    {
        "preset": "classification",
        "name": "desk",
        "audience": "messages to a shop",
        "labels": {"late_delivery": "a parcel is overdue", "billing": "a charge is wrong"},
    }
)
INSTRUCTION = Task.from_config({"preset": "instruction", "name": "help"})
LATE = {"label": "late_delivery"}


def seed(text: str, label: str = "late_delivery") -> Example:
    return Example(fields={"text": text, "label": label})


class TestChoice:
    @pytest.mark.parametrize(
        "model",
        [
            "smollm2-135m",
            "SmolLM2-360M-Instruct",
            "llama-3.2-1b-instruct",
            "qwen2.5-1.5B",
            "gemma-2-27b-base",
        ],
    )
    def test_small_and_base_models_get_lists(self, model: str) -> None:
        assert choose_form(TASK, GenerationConfig(), model).name == "list"

    @pytest.mark.parametrize(
        "model", ["llama-3.1-8b-instruct", "qwen3-30b-a3b", "mixtral-8x7b", "gpt-oss", "qwen2.5-3b", "m-4bit"]
    )
    def test_others_get_chat(self, model: str) -> None:
        assert choose_form(TASK, GenerationConfig(), model).name == "chat"

    def test_a_task_with_several_texts_gets_chat_whatever_the_model(self) -> None:
        assert choose_form(INSTRUCTION, GenerationConfig(), "smollm2-135m").name == "chat"

    def test_the_configuration_wins(self) -> None:
        assert choose_form(TASK, GenerationConfig(prompt_form="chat"), "smollm2-135m").name == "chat"
        assert choose_form(TASK, GenerationConfig(prompt_form="list"), "llama-3.1-70b").name == "list"

    def test_a_list_of_several_texts_is_refused_with_their_names(self) -> None:
        with pytest.raises(ConfigError, match=r"instruction \(input\), input \(input\), output \(output\)"):
            choose_form(INSTRUCTION, GenerationConfig(prompt_form="list"), "smollm2-135m")


class TestListForm:
    form = ListForm(TASK, max_tokens=160)

    def test_seeds_are_numbered_lines_under_their_label_and_the_next_is_open(self) -> None:
        prompt = self.form.render([seed("Where is it?"), seed("Still\nnothing.")], LATE).prompt
        assert prompt == (
            "Messages to a shop.\n\nLate delivery: a parcel is overdue\n\n"
            "1. Late delivery: Where is it?\n2. Late delivery: Still nothing.\n3. Late delivery:"
        )

    def test_a_completion_ends_after_three_items_or_with_the_list(self) -> None:
        assert self.form.render([seed("Where is it?")], LATE).stop == ("\n\n", "\n5.")

    def test_long_seeds_leave_room_for_fewer_items(self) -> None:
        assert self.form.render([seed("word " * 80)], LATE).stop == ("\n\n", "\n3.")

    def test_everything_but_the_text_is_fixed(self) -> None:
        assert self.form.fixed == ("label",)


class TestChatForm:
    def test_the_seeds_are_json_without_the_fixed_field_and_the_schema_asks_for_the_rest(self) -> None:
        rendered = ChatForm(TASK).render([seed('Where is "it"?')], LATE)
        system, user = (message["content"] for message in rendered.prompt)  # type: ignore[index, union-attr]
        assert '{"text": "Where is \\"it\\"?"}' in user
        assert "label 'late_delivery' (a parcel is overdue)" in user
        assert "billing = a charge is wrong" in system
        assert rendered.json_schema is not None
        assert list(rendered.json_schema["properties"]) == ["text"]

    def test_what_requests_share_comes_first(self) -> None:
        form = ChatForm(TASK)
        prompts: list[Any] = [
            form.render([seed("Where is it?")], LATE).prompt,
            form.render([seed("Wrong sum.", "billing")], {"label": "billing"}).prompt,
        ]
        assert prompts[0][0] == prompts[1][0]

    def test_a_task_without_labels_fixes_nothing(self) -> None:
        example = Example(fields={"instruction": "Say hi.", "input": "", "output": "Hi."})
        rendered = ChatForm(INSTRUCTION).render([example], {})
        assert ChatForm(INSTRUCTION).fixed == ()
        assert rendered.json_schema is not None
        assert list(rendered.json_schema["properties"]) == ["instruction", "input", "output"]
        assert "Write one new example." in rendered.prompt[1]["content"]  # type: ignore[index]
