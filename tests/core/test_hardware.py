"""Whether a processor has bfloat16 instructions is read from what Linux says of it."""

from pathlib import Path

import pytest

from seedgate.hardware import cpu_has_bfloat16


@pytest.mark.parametrize(
    ("lines", "has_it"),
    [
        ("flags\t\t: fpu avx512f avx512_vnni\n", False),
        ("flags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16 i8mm\n", True),
        ("flags\t: avx512_bf16\n\nflags\t: avx2\n", False),
        ("model name\t: one with avx512_bf16 in its name\n", False),
        ("", False),
    ],
)
def test_bfloat16_counts_only_where_every_core_has_it(tmp_path: Path, lines: str, has_it: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\n{lines}", encoding="ascii")
    assert cpu_has_bfloat16(path) is has_it


def test_a_system_that_says_nothing_gets_float32(tmp_path: Path) -> None:
    assert cpu_has_bfloat16(tmp_path / "missing") is False
