"""Argilla's own command line, on a search engine that has no scripted updates.

Run by the Python of Argilla's environment, never imported by seedgate: `python argilla_server.py start ...`.
Argilla 2.8 writes a submitted response into its search index with a painless script (its
search_engine/commons.py). The embedded search answers "update with script is not supported": the response
is in the database, yet the page shows an error and keeps the record in the reviewer's queue for ever.
Here the same two updates read the document, change its list of responses and write that back.
"""

from __future__ import annotations

import sys
from typing import Any

from fastapi.encoders import jsonable_encoder  # type: ignore[import-not-found,unused-ignore]

# This file's folder comes first on the path, and its name is that of the package.
sys.path.pop(0)

from argilla_server.cli import app
from argilla_server.search_engine.commons import (
    BaseElasticAndOpenSearchEngine,
    es_index_name_for_dataset,
)


async def _others(engine: Any, response: Any) -> tuple[str, str, list[Any]]:
    """Index, document and its responses but this one."""
    index, record_id = es_index_name_for_dataset(response.record.dataset), str(response.record_id)
    document = await engine.client.get(index=index, id=record_id)
    kept = [r for r in document["_source"].get("responses") or [] if r["id"] != str(response.id)]
    return index, record_id, kept


async def update_record_response(self: Any, response: Any) -> None:
    """Puts the response in the place of its earlier self."""
    index, record_id, kept = await _others(self, response)
    responses = [*kept, jsonable_encoder(self._map_record_response_to_es(response))]
    await self._update_document_request(index, id=record_id, body={"doc": {"responses": responses}})


async def delete_record_response(self: Any, response: Any) -> None:
    """Takes the response out."""
    index, record_id, kept = await _others(self, response)
    await self._update_document_request(index, id=record_id, body={"doc": {"responses": kept}})


BaseElasticAndOpenSearchEngine.update_record_response = update_record_response
BaseElasticAndOpenSearchEngine.delete_record_response = delete_record_response

if __name__ == "__main__":
    app()
