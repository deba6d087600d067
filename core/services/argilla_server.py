"""Argilla's own command line, on a search engine that has no scripted updates.

Run by the Python of Argilla's environment: `python -I argilla_server.py start ...`; importing it does nothing.
Argilla 2.8 writes a submitted response into its search index with a painless script (its
search_engine/commons.py). The embedded search answers "update with script is not supported": the response
is in the database, yet the page shows an error and keeps the record in the reviewer's queue for ever.
Here the same updates read the document, change it and write that back.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


async def _read(engine: Any, record: Any) -> tuple[str, str, dict[str, Any]]:
    """Index, id and content of a record's document."""
    from argilla_server.search_engine.commons import es_index_name_for_dataset

    index, record_id = es_index_name_for_dataset(record.dataset), str(record.id)
    document = await engine.client.get(index=index, id=record_id)
    return index, record_id, document["_source"]


def _others(source: dict[str, Any], response: Any) -> list[Any]:
    return [one for one in source.get("responses") or [] if one["id"] != str(response.id)]


async def update_record_response(self: Any, response: Any) -> None:
    """Puts the response in the place of its earlier self."""
    from fastapi.encoders import jsonable_encoder

    index, record_id, source = await _read(self, response.record)
    responses = [*_others(source, response), jsonable_encoder(self._map_record_response_to_es(response))]
    await self._update_document_request(index, id=record_id, body={"doc": {"responses": responses}})


async def delete_record_response(self: Any, response: Any) -> None:
    """Takes the response out."""
    index, record_id, source = await _read(self, response.record)
    responses = _others(source, response)
    await self._update_document_request(index, id=record_id, body={"doc": {"responses": responses}})


async def delete_record_suggestion(self: Any, suggestion: Any) -> None:
    """Takes the suggestion out; a document is merged with what is written, so its place is set to null."""
    index, record_id, _ = await _read(self, suggestion.record)
    body = {"doc": {"suggestions": {suggestion.question.name: None}}}
    await self._update_document_request(index, id=record_id, body=body)


def main() -> None:
    """Argilla's command line, with these updates."""
    here = str(Path(__file__).parent)
    if sys.path[0] == here:  # without -I, this file would stand for the package of its name
        sys.path.pop(0)
    from argilla_server.cli import app
    from argilla_server.search_engine.commons import BaseElasticAndOpenSearchEngine as Engine

    for update in (update_record_response, delete_record_response, delete_record_suggestion):
        setattr(Engine, update.__name__, update)
    app()


if __name__ == "__main__":
    main()
