"""`train.parquet`: the task's fields as columns, and where each row came from in columns a person can read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seedgate.errors import RefusedError
from seedgate.records import Candidate, Decision, Example
from seedgate.task import Task

__all__ = ["COLUMNS", "column_names", "dataset_info", "fields_of", "read_table", "row_values", "table_bytes"]

COLUMNS = {
    "id": "content hash of the task's fields",
    "origin": "`seed`: verified by an expert; `approved`: generated, then approved in review",
    "tags": "what kind of row it is, such as `core` or `edge`",
    "simulated": "true if a program, not a person, gave an approval that the row rests on",
    "guideline_hash": "SHA-256 of the guidelines that the row was approved under",
    "strategy": "how it was generated; `edit` if a reviewer corrected it",
    "cycle": "the cycle it was generated in",
    "generated_by": "the model that wrote it",
    "approved_by": "who approved it, or vouched for it",
    "edited_from": "id of the candidate that a reviewer corrected into it",
}
"""Column to meaning, after the task's own fields; a column that a field has taken gets `_` at its end."""

_LISTS = ("tags", "approved_by")


def column_names(task: Task) -> dict[str, str]:
    """Our name of each provenance column to its name beside the fields of this task."""
    taken = {field.name for field in task.fields}
    names: dict[str, str] = {}
    for column in COLUMNS:
        name = column
        while name in taken:
            name += "_"
        taken.add(name)
        names[column] = name
    return names


def row_values(
    task: Task,
    example: Example,
    candidate: Candidate | None,
    decision: Decision | None,
    vouched_by: str | None,
) -> dict[str, Any]:
    """One row, column to plain JSON value."""
    origin = candidate.provenance if candidate else None
    ours = {
        "id": example.id,
        "origin": "approved" if candidate else "seed",
        "tags": list(example.tags),
        "simulated": bool(decision and decision.simulated),
        "guideline_hash": decision.guideline_hash if decision else None,
        "strategy": origin.strategy if origin else None,
        "cycle": origin.cycle if origin else None,
        "generated_by": origin.model or None if origin else None,
        "approved_by": list(decision.approvers) if decision else ([vouched_by] if vouched_by else []),
        "edited_from": origin.edited_from if origin else None,
    }
    names = column_names(task)
    return {**fields_of(task, example.fields), **{names[key]: value for key, value in ours.items()}}


def fields_of(task: Task, row: Mapping[str, Any]) -> dict[str, Any]:
    """The task's fields of a row, and nothing else."""
    return {field.name: row[field.name] for field in task.fields if field.name in row}


def table_bytes(task: Task, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as a Parquet file; equal rows give equal bytes under one version of pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(_schema(task))
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def read_table(data: bytes, *, where: str) -> list[dict[str, Any]]:
    """The rows of a Parquet file.

    Raises:
        RefusedError: It is none.
    """
    import pyarrow as pa

    try:
        rows: list[dict[str, Any]] = _table(data).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise RefusedError(f"{where}: cannot be read as Parquet: {error}") from None
    return rows


def dataset_info(task: Task, data: bytes) -> dict[str, Any]:
    """What a card's front matter says of the table, as `datasets` writes and checks it.

    `num_bytes` and `dataset_size` are those of the rows in memory, `download_size` that of the file.

    Args:
        task: What the rows are of.
        data: The file.
    """
    table = _table(data)
    split = {"name": "train", "num_bytes": table.nbytes, "num_examples": table.num_rows}
    return {
        "features": [_feature(name, kind) for name, kind in _schema(task)],
        "splits": [split],
        "download_size": len(data),
        "dataset_size": table.nbytes,
    }


def _feature(name: str, kind: Any) -> dict[str, Any]:
    import pyarrow as pa

    if pa.types.is_list(kind):
        return {"name": name, "list": str(kind.value_type)}
    return {"name": name, "dtype": str(kind)}


def _table(data: bytes) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # No thread of Arrow's may hold a Python object: one that lets go of it while the interpreter ends
    # aborts the process (5 of 100 short commands did).
    return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)


def _schema(task: Task) -> Iterable[tuple[str, Any]]:
    import pyarrow as pa

    for field in task.fields:
        yield field.name, pa.list_(pa.string()) if field.type == "multilabel" else pa.string()
    kinds = {"simulated": pa.bool_(), "cycle": pa.int64()}
    for column, name in column_names(task).items():
        kind = pa.list_(pa.string()) if column in _LISTS else kinds.get(column, pa.string())
        yield name, kind
