"""The records: an example's id is its content, always."""

import pytest
from pydantic import ValidationError

from seedgate.canonical import content_hash
from seedgate.records import Example, dump


def test_an_examples_id_is_the_hash_of_its_fields_alone() -> None:
    example = Example(fields={"text": "Hi", "label": "bug"}, tags=("core",), source="seeds.jsonl:1")
    assert example.id == content_hash({"label": "bug", "text": "Hi"})
    assert example.id == Example(fields={"label": "bug", "text": "Hi"}).id


def test_a_changed_copy_has_the_id_of_its_own_content() -> None:
    example = Example(fields={"text": "Hi"})
    before = example.id
    assert example.model_copy(update={"fields": {"text": "Ho"}}).id == content_hash({"text": "Ho"})
    assert example.model_copy(update={"tags": ("edge",)}).id == before == example.id


def test_records_are_frozen_and_know_their_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example(fields={}).source = "x"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        Example(fields={}, colour="red")  # type: ignore[call-arg]


def test_a_dumped_record_leaves_out_what_says_nothing() -> None:
    assert dump(Example(fields={"text": "Hi"})) == {"fields": {"text": "Hi"}}
