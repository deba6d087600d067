"""What the stack shall run, and what is written down about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from seedgate.errors import InputError, ServiceError
from seedgate.services.layout import Layout, require_memory, require_space
from seedgate.services.state import StackSpec, StackState

ARGILLA = StackSpec(services=("argilla",))
VLLM = StackSpec(services=("vllm",), served_model="tiny", kv_cache_gib=1)


class TestStackSpec:
    def test_what_runs_besides_is_kept_as_it_was(self) -> None:
        both = ARGILLA.beside(VLLM, running=["vllm", "redis"])
        assert set(both.services) == {"argilla", "vllm"}
        assert (both.served_model, both.kv_cache_gib) == ("tiny", 1)

    def test_what_does_not_run_any_more_is_not_brought_back(self) -> None:
        assert ARGILLA.beside(VLLM, running=["redis"]) == ARGILLA

    def test_new_settings_of_a_wanted_service_win(self) -> None:
        wanted = StackSpec(served_model="bigger")
        assert wanted.beside(VLLM, running=["vllm"]) == wanted
        assert VLLM.beside(ARGILLA, running=["argilla"]).served_model == "tiny"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"services": ("redis",)},
            {"served_model": "a b"},
            {"max_model_len": 0},
            {"vllm_port": 70000},
            {"max_lora_rank": 7},
            {"unknown": 1},
        ],
    )
    def test_nonsense_is_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            StackSpec.model_validate(wrong)


class TestStackState:
    def test_is_read_as_it_was_written(self, root: Path) -> None:
        layout = Layout.of(root)
        layout.make()
        state = StackState(
            root=str(root), spec=VLLM, ports={"vllm": 8000}, vllm_url="http://127.0.0.1:8000/v1"
        )
        state.save(layout)
        assert StackState.load(layout) == state

    def test_of_another_folder_keeps_ports_but_no_addresses(self, root: Path) -> None:
        layout = Layout.of(root)
        layout.make()
        StackState(root="/elsewhere", spec=VLLM, ports={"vllm": 8000}, vllm_url="http://x/v1").save(layout)
        state = StackState.load(layout)
        assert state is not None
        assert (state.root, state.ports, state.vllm_url) == (str(root), {"vllm": 8000}, None)


class TestLayout:
    def test_a_link_to_a_workspace_is_the_workspace(self, root: Path) -> None:
        link = root.with_name("link")
        link.symlink_to(root)
        assert Layout.of(link) == Layout.of(root)

    def test_a_line_break_in_the_name_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "two\nlines"
        folder.mkdir()
        with pytest.raises(InputError, match="control characters"):
            Layout.of(folder)

    def test_a_full_disk_is_said_even_of_a_folder_to_be_made(self, tmp_path: Path) -> None:
        require_space(tmp_path / "not" / "yet", 1, "nothing much")
        with pytest.raises(ServiceError, match=r"MB free, the moon needs 1000000000 MB"):
            require_space(tmp_path / "not" / "yet", 10**9, "the moon")

    def test_too_little_memory_is_said(self) -> None:
        require_memory(0.01, "nothing much")
        with pytest.raises(ServiceError, match=r"GiB of memory available, the moon needs"):
            require_memory(10**6, "the moon")
