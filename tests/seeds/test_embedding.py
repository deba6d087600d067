"""The ways to have vectors: the small model in this process, a package's, a server's; each says what it lacks."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import stamina
from fakes.embedding_server import FakeEmbeddings, cosine

from seedgate.config import EmbeddingsConfig
from seedgate.errors import ServiceError
from seedgate.seeds.embedding import open_embedder
from seedgate.seeds.embedding_server import ServedModel
from seedgate.seeds.minilm import MiniLM

TEXTS = ["Where is my parcel?", "My package has not arrived yet.", "The invoice is wrong.", "", "tea " * 400]


class TestMiniLM:
    def test_vectors_have_length_one_and_say_what_means_the_same(self) -> None:
        vectors = MiniLM().embed(TEXTS)
        assert vectors.shape == (5, 384)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert vectors[0] @ vectors[1] > 0.4 > vectors[0] @ vectors[2]

    def test_a_text_gets_the_same_vector_whatever_stands_beside_it(
        self, remembered_vectors: Callable[..., Any]
    ) -> None:
        embed, model = remembered_vectors, MiniLM()
        together = embed(model, TEXTS)
        alone = np.concatenate([embed(model, [text]) for text in TEXTS])
        assert np.abs(together - alone).max() < 1e-5
        assert np.abs(embed(model, TEXTS[::-1])[::-1] - together).max() < 1e-5

    def test_it_is_the_model_that_transformers_runs(self) -> None:
        torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
        from transformers.utils import logging

        logging.disable_progress_bar()
        model = MiniLM()
        assert len(model._tokenizer.encode(TEXTS[4]).ids) == 256
        config = transformers.BertConfig(
            hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
        )
        theirs = transformers.BertModel.from_pretrained(str(model._files), config=config).eval()
        for text in (TEXTS[0], "Tea? " * 20):
            ids = model._tokenizer.encode(text).ids
            with torch.inference_mode():
                mean = theirs(input_ids=torch.tensor([ids])).last_hidden_state.mean(1)
            wanted = torch.nn.functional.normalize(mean, dim=1).numpy()[0]
            assert np.abs(model.embed([text])[0] - wanted).max() < 1e-5

    def test_nothing_in_nothing_out(self) -> None:
        assert MiniLM().embed([]).shape[0] == 0


class TestServedModel:
    @pytest.fixture
    def fake(self) -> Iterator[FakeEmbeddings]:
        stamina.set_testing(True, attempts=3, cap=True)
        with FakeEmbeddings(key="sesame").serve() as served:
            yield served
        stamina.set_testing(False)

    def test_vectors_come_in_the_order_of_the_texts_with_length_one(self, fake: FakeEmbeddings) -> None:
        texts = [f"word{n} " * (n % 7 + 1) for n in range(600)]
        vectors = ServedModel(fake.url, "tiny", "sesame").embed(texts)
        assert [len(body["input"]) for body in fake.bodies] == [256, 256, 88]
        assert {body["model"] for body in fake.bodies} == {"tiny"}
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert vectors[3] @ vectors[10] == pytest.approx(cosine(texts[3], texts[10]), abs=1e-5)

    def test_numbers_come_as_bytes_or_as_a_server_knows_to_write_them(self, fake: FakeEmbeddings) -> None:
        model = ServedModel(fake.url, "tiny", "sesame")
        as_bytes = model.embed(["a b", "c"])
        fake.ignores_format = True
        assert np.allclose(model.embed(["a b", "c"]), as_bytes, atol=1e-6)
        fake.ignores_format, fake.formats = False, ("float",)
        assert np.allclose(model.embed(["a b", "c"]), as_bytes, atol=1e-6)
        assert [body["encoding_format"] for body in fake.bodies] == ["base64", "base64", "base64", "float"]

    def test_a_busy_server_is_asked_again(self, fake: FakeEmbeddings) -> None:
        fake.statuses = [429, 503]
        assert ServedModel(fake.url, "tiny", "sesame").embed(["a"]).shape == (1, 64)
        assert len(fake.bodies) == 3

    def test_a_wrong_key_is_said_at_once_and_never_shown(self, fake: FakeEmbeddings) -> None:
        model = ServedModel(fake.url, "tiny", "secret-key")
        with pytest.raises(ServiceError, match=r"HTTP 401.*SEEDGATE_EMBEDDINGS_API_KEY") as failed:
            model.embed(["a"])
        assert len(fake.bodies) == 1
        assert "secret-key" not in str(failed.value) + repr(model)

    def test_no_server_is_one_line(self) -> None:
        stamina.set_testing(True, attempts=1)
        try:
            with pytest.raises(ServiceError, match=r"no answer .* start the server"):
                ServedModel("http://127.0.0.1:9/v1", "tiny").embed(["a"])
        finally:
            stamina.set_testing(False)

    @pytest.mark.parametrize(
        ("spoil", "what"),
        [
            (lambda answer: answer | {"data": answer["data"][1:]}, "1 vectors for 2 texts"),
            (lambda answer: {"choices": []}, "no list of vectors"),
            (lambda answer: answer | {"data": [d | {"index": 0} for d in answer["data"]]}, "2 vectors for 2"),
            (
                lambda answer: answer | {"data": [d | {"embedding": [0.0] * 4} for d in answer["data"]]},
                "a vector without direction",
            ),
            (
                lambda answer: (
                    answer | {"data": [d | {"embedding": [0.1] * (3 + d["index"])} for d in answer["data"]]}
                ),
                "no list of vectors",
            ),
        ],
    )
    def test_a_wrong_answer_is_refused(self, fake: FakeEmbeddings, spoil: object, what: str) -> None:
        fake.spoil = spoil
        with pytest.raises(ServiceError, match=what):
            ServedModel(fake.url, "tiny", "sesame").embed(["a", "b"])


class TestConfig:
    def test_the_small_model_is_the_default_and_is_opened_once(self) -> None:
        assert isinstance(open_embedder(), MiniLM)
        assert open_embedder() is open_embedder()
        assert open_embedder().identity == "all-MiniLM-L6-v2@53aa51172d14"

    @pytest.mark.parametrize("model", ["", "none", "bge-small", "sentence-transformers:"])
    def test_a_model_that_nobody_has_is_refused(self, model: str) -> None:
        with pytest.raises(ValueError, match="is no model: write 'all-MiniLM-L6-v2'"):
            EmbeddingsConfig(model=model)
        if model:
            assert EmbeddingsConfig(model=model, url="http://host:8000/v1").model == model

    def test_a_missing_package_names_its_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
        embedder = open_embedder("sentence-transformers:some/model")
        assert embedder.identity == "sentence-transformers:some/model"
        with pytest.raises(ServiceError, match=r"pip install 'seedgate\[sentence-transformers\]'"):
            embedder.embed(["a"])
