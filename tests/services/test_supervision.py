"""What supervisord is told, and what services inherit."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.options import UnhosedConfigParser

from seedgate.errors import ServiceError
from seedgate.services.layout import Layout
from seedgate.services.ports import Ports
from seedgate.services.processes import MARK
from seedgate.services.supervision import Supervisor, environment, quoted
from tests.services.conftest import fake

WORDS = st.lists(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1),
    min_size=1,
)


def as_supervisord_reads(line: str) -> list[str]:
    parser = UnhosedConfigParser()
    parser.read_string(f"[program:x]\ncommand = {line}\n")
    return shlex.split(parser.saneget("program:x", "command", expansions={}))


@given(WORDS)
def test_a_quoted_command_is_read_as_it_was(words: list[str]) -> None:
    assert as_supervisord_reads(quoted(words)) == words


@pytest.mark.parametrize("word", ["a ;b", "a #b", "%(here)s", "100%", "'", '"', "\\", " ", ";", "#", "$HOME"])
def test_what_supervisord_would_read_differently_survives(word: str) -> None:
    assert as_supervisord_reads(quoted(["/bin/x", word])) == ["/bin/x", word]


def test_services_inherit_the_environment_but_for_what_would_change_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ARGILLA_DATABASE_URL", "PYTHONPATH", "SEEDGATE_ARGILLA_API_KEY", "VLLM_API_KEY"):
        monkeypatch.setenv(name, "of the caller")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    found = environment(Layout.of(tmp_path), GREETING="hello")
    assert "of the caller" not in found.values()
    assert found["LD_LIBRARY_PATH"] == "/opt/lib"
    assert found["GREETING"] == "hello"
    assert found[MARK] == str(tmp_path)


def test_the_configuration_holds_no_environment(root: Path) -> None:
    layout = Layout.of(root)
    layout.make()
    service = fake(layout, Ports({}), "one", PASSWORD="hush")
    supervisor = Supervisor(layout, None, None)
    supervisor.bring_up([service])
    try:
        assert "hush" not in (layout.stack / "supervisord.conf").read_text()
        launch = layout.stack / "launch" / "one.json"
        assert json.loads(launch.read_text())["environment"]["PASSWORD"] == "hush"
        assert launch.stat().st_mode & 0o077 == 0
        assert "hush" not in repr(service)
    finally:
        supervisor.shut_down()
        supervisor.remove_socket()


def test_a_missing_supervisor_names_the_install_command(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedgate.services.supervision.find_spec", lambda name: None)
    layout = Layout.of(root)
    layout.make()
    with pytest.raises(ServiceError, match=r"supervisor is not installed: run `make setup`"):
        Supervisor(layout, None, None).bring_up([])
