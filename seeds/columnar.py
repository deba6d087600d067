"""Raw rows out of Parquet files and whatever the `datasets` library opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seedgate.errors import InputError
from seedgate.seeds.rows import Problem, RawRow

__all__ = ["dataset_rows", "parquet_rows"]


def parquet_rows(path: Path) -> Iterator[RawRow | Problem]:
    """The rows of a Parquet file, counted from 1 and read a batch at a time.

    Raises:
        InputError: It is no Parquet file, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1000, use_threads=False):
                for values in batch.to_pylist():
                    number += 1
                    yield RawRow(f"{path.name}:{number}", values)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: no readable Parquet after row {number}: {reason[:200]}") from None


def dataset_rows(source: str, path: Path, split: str) -> Iterator[RawRow | Problem]:
    """The rows of a folder saved by `datasets`, or of a dataset of the hub.

    Raises:
        InputError: The library is missing or cannot open it.
    """
    data = _open_dataset(source, path, split)
    return _numbered(path.resolve().name if path.is_dir() else source, data)


def _numbered(name: str, data: Any) -> Iterator[RawRow | Problem]:
    """Rows counted from 1; numbers of class labels become their names."""
    features = data.features or {}
    for number, row in enumerate(data, 1):
        yield RawRow(
            f"{name}:{number}", {key: _named(features.get(key), value) for key, value in row.items()}
        )


def _named(feature: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_named(getattr(feature, "feature", None), item) for item in value]
    if not hasattr(feature, "int2str") or not isinstance(value, int):
        return value
    return feature.int2str(value) if value >= 0 else None  # -1 is the library's word for "no label"


def _open_dataset(source: str, path: Path, split: str) -> Any:
    try:
        import datasets
    except ModuleNotFoundError:
        raise InputError(
            f"{source}: reading datasets needs the `datasets` library", hint="pip install 'seedgate[train]'"
        ) from None
    saved = path.is_dir() and any((path / mark).is_file() for mark in ("state.json", "dataset_dict.json"))
    try:
        data = datasets.load_from_disk(source) if saved else datasets.load_dataset(source, split=split)
    except Exception as error:
        # The library lets any of its parts' errors through: HTTP, hub, Arrow, file system.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        hint = "check the folder" if path.exists() else "check the name and the network, or give a local file"
        raise InputError(f"{source}: datasets cannot open it: {reason[:200]}", hint=hint) from None
    if isinstance(data, datasets.DatasetDict):
        if split not in data:
            raise InputError(f"{source}: no split {split!r}", hint=f"choose one of {', '.join(data)}")
        return data[split]
    return data
