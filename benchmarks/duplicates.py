"""Finding duplicates among a million texts: seconds, memory, and how they grow. Exponent of growth at most 1.15.

Each size runs in a process of its own. Letters: short texts (random words, a tenth of them another text with one word
changed, a twentieth copies) go through what the filters use, exact by content hash and near by MinHash, each looked up
and then added, as in `generate`.

Meaning: given vectors of width 384, asked for and then added in lots of 256, all of them, through the index as it is
used and beside it compared with each (the same index that never makes cells: one matrix product a lot). Seconds are
processor time, on one thread. Recall: of those that have an earlier vector at a cosine of .85 or .95, the share for
which the index says so too. Vectors are real ones (banking77, the default model) grown to the size: each stands where a
real text does, moved by part of the way between two other texts that are near each other, so that all stay where texts
are, and as near to each other as as many real ones (printed). Random vectors, a tenth of them near another one, are the
hard case: all are equally far from all others, and no cells are there to be found.

Beside it Self-Instruct's rule (Wang et al. 2023, https://arxiv.org/abs/2212.10560): a text whose ROUGE-L with any text
of the pool is above .7 is dropped, which compares with each. Time per candidate and how often both decide alike, on
requests that people wrote (banking77). Last, how well meanings tell duplicates: rephrasings of GSM8K by an LLM, and
pairs of sentences that people scored from 0 to 5.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

import numpy as np

TARGET = 1.15
WIDTH, NEAR, SAME, ROUGE = 384, 0.7, 0.95, 0.7
SIZES, VECTOR_SIZES, POOLS = (10_000, 100_000, 1_000_000), (10_000, 30_000, 100_000), (200, 1000, 5000)
THRESHOLDS, QUANTILES = (0.85, 0.95), (0.01, 0.1, 0.5, 0.9, 0.99)
BESIDE, PART = 31, (0.1, 0.7)
"""Neighbours among which the other text is, and the part of the way: with these the quantiles are the real ones'."""
SEED = 20


def texts(count: int) -> Iterator[str]:
    """Short texts of words as frequent as words are, some of them repeated or nearly so."""
    rng = random.Random(SEED)
    words = [
        "".join(rng.choices("etaoinshrdlucmfwypvbgkjqxz", range(26, 0, -1), k=rng.randint(2, 9)))
        for _ in range(20_000)
    ]
    weights = [1 / (place + 10) for place in range(len(words))]
    cumulated = [sum(weights[:1])]
    for weight in weights[1:]:
        cumulated.append(cumulated[-1] + weight)
    recent: list[str] = []
    for _ in range(count):
        kind = rng.random()
        if recent and kind < 0.05:
            yield rng.choice(recent)
            continue
        if recent and kind < 0.15:
            told = rng.choice(recent).split()
            told[rng.randrange(len(told))] = rng.choice(words)
            yield " ".join(told)
            continue
        text = " ".join(rng.choices(words, cum_weights=cumulated, k=rng.randint(8, 16)))
        if len(recent) < 5000:
            recent.append(text)
        else:
            recent[rng.randrange(5000)] = text
        yield text


def letters(count: int) -> dict[str, float]:
    """Exact and near, one by one."""
    from seedgate.canonical import content_hash
    from seedgate.seeds.near import NearIndex

    exact: set[str] = set()
    index, near = NearIndex(NEAR), 0
    made = list(texts(count))
    before = memory()
    started = time.perf_counter()
    for text in made:
        id_ = content_hash({"text": text})
        if id_ in exact:
            continue
        exact.add(id_)
        if index.nearest(text) is None:
            index.add(id_, text)
        else:
            near += 1
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "mib": memory() - before, "exact": count - len(exact), "near": near}


def random_vectors(count: int) -> np.ndarray:
    """A tenth of them near an earlier one, at .99 or .9."""
    chance = np.random.default_rng(SEED)
    vectors = chance.normal(size=(count, WIDTH)).astype(np.float32)
    for place in chance.choice(np.arange(1, count), count // 10, replace=False).tolist():
        noise = chance.choice([0.15, 0.5]) * chance.normal(size=WIDTH)
        vectors[place] = vectors[chance.integers(place)] + noise
    return unit(vectors)


def embedded(folder: Path, count: int) -> np.ndarray:
    """Vectors of so many real texts at most."""
    from seedgate.seeds.embedding import open_embedder

    told = dict.fromkeys(
        row["text"] for part in ("train", "test") for row in rows(folder / "banking77" / f"{part}.jsonl")
    )
    chosen = list(told)
    random.Random(SEED).shuffle(chosen)
    return unit(open_embedder().embed(chosen[:count]))


def grown_from(real: np.ndarray, count: int) -> np.ndarray:
    """So many vectors as near to each other as the real ones are: see the module's docstring."""
    chance = np.random.default_rng(SEED)
    neighbours = np.concatenate(
        [
            np.argpartition(-(real[start : start + 1024] @ real.T), BESIDE, 1)[:, : BESIDE + 1]
            for start in range(0, len(real), 1024)
        ]
    )
    place, one = chance.integers(len(real), size=(2, count))
    other = neighbours[one, chance.integers(BESIDE + 1, size=count)]
    part = chance.uniform(*PART, size=(count, 1)).astype(np.float32)
    return unit(real[place] + part * (real[one] - real[other]))


def unit(vectors: np.ndarray) -> np.ndarray:
    """At length one and half precision, as they are kept."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float16).astype(np.float32)


def spread(name: str, vectors: np.ndarray) -> None:
    """Prints how near the nearest other one is."""
    from seedgate.seeds.meaning_index import nearest_other

    shares = np.quantile(nearest_other(vectors), QUANTILES)
    each = ", ".join(f"{q:.0%} {own:.3f}" for q, own in zip(QUANTILES, shares, strict=True))
    print(f"nearest other of {len(vectors)} {name} vectors, quantiles: {each}", flush=True)


def meanings(path: Path, count: int, each: bool) -> dict[str, float]:
    """Vectors of a file through the index as it is used, or, if `each` is to be compared with each, without cells."""
    from seedgate.seeds.meaning_index import MeaningIndex

    vectors = np.asarray(np.load(path, mmap_mode="r")[:count], np.float32)
    # Ids are content hashes: their first 64 bits differ.
    ids = [f"{at * 2654435761 % 2**64:016x}" for at in range(count)]
    index, nearest = MeaningIndex(count + 1) if each else MeaningIndex(), np.full(count, -1, np.float32)
    index.nearest_of(vectors[:1])
    before = memory()
    started = time.process_time()
    for start in range(0, count, 256):
        lot = vectors[start : start + 256]
        found = index.nearest_of(lot)
        nearest[start : start + 256] = -1 if found is None else found
        index.add(ids[start : start + 256], lot)
    seconds = time.process_time() - started
    out = {"seconds": seconds, "mib": memory() - before, "near": float((nearest >= SAME).sum())}
    truth = path.with_name(f"{path.stem}-{count}.npy")
    if each:
        np.save(truth, nearest)
        return out
    by_each = np.load(truth)
    for threshold in THRESHOLDS:
        above = by_each >= threshold
        # The same cosine by products of another shape differs by 1e-6.
        out[f"recall_{threshold}"] = float((nearest[above] >= threshold - 1e-5).mean())
    return out


def both_ways(folder: Path | None, *, quick: bool) -> dict[str, Any]:
    """Vectors of texts, if there is a folder with some, and random ones: compared with each, and as it is used."""
    sizes = (5000, 20_000) if quick else VECTOR_SIZES
    sets, out = {"random": random_vectors(sizes[-1])}, {}
    if folder:
        real = embedded(folder, 3000 if quick else 10_000)
        sets = {"texts": grown_from(real, sizes[-1])} | sets
        spread("real", real)
        spread("grown", sets["texts"][: len(real)])
    with tempfile.TemporaryDirectory() as temporary:
        for name, vectors in sets.items():
            path = Path(temporary) / f"{name}.npy"
            np.save(path, vectors.astype(np.float16))
            for arm in (f"{name}, each with each", f"{name}, as used"):
                out[arm] = grown(arm, sizes, str(path))
    return out


def memory() -> float:
    """What this process holds now, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def grown(kind: str, sizes: tuple[int, ...], *told: str) -> dict[str, Any]:
    """Each size in a process of its own; the exponents between neighbouring sizes and from end to end."""
    found: dict[int, dict[str, float]] = {}
    for size in sizes:
        command = [sys.executable, __file__, "--run", kind, str(size), *told]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[size] = json.loads(done.stdout.splitlines()[-1])
        each = found[size]
        print(
            f"{kind}, {size}: {each['seconds']:.1f} s ({1e6 * each['seconds'] / size:.0f} us each), "
            f"{each['mib']:.0f} MiB, "
            + ", ".join(f"{each[key]:.0f} {key}" for key in ("exact", "near") if key in each)
            + "".join(f", {key} {value:.4f}" for key, value in each.items() if key.startswith("recall")),
            flush=True,
        )
    steps = [log(found[b]["seconds"] / found[a]["seconds"]) / log(b / a) for a, b in pairwise(sizes)]
    whole = log(found[sizes[-1]]["seconds"] / found[sizes[0]]["seconds"]) / log(sizes[-1] / sizes[0])
    print(f"{kind}: exponent {whole:.2f} (between sizes: {', '.join(f'{step:.2f}' for step in steps)})")
    return {"exponent": round(whole, 3), "steps": [round(s, 3) for s in steps], "sizes": found}


def self_instruct(folder: Path, pools: tuple[int, ...], candidates: int) -> dict[str, Any]:
    """Seconds per candidate of both rules at pools of several sizes, and how often they decide alike."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        print("Self-Instruct's rule: skipped, `pip install rouge-score`")
        return {"skipped": "rouge-score is not installed"}
    from seedgate.seeds.near import NearIndex

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    rows = [
        json.loads(line)["text"] for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    random.Random(SEED).shuffle(rows)
    out: dict[str, Any] = {}
    for size in pools:
        pool, asked = rows[:size], rows[size : size + candidates]
        index = NearIndex(NEAR)
        for text in pool:
            index.add(text, text)
        started = time.perf_counter()
        ours = [index.nearest(text) is not None for text in asked]
        own_s = (time.perf_counter() - started) / len(asked)
        tokens = [scorer._tokenizer.tokenize(text) for text in pool]
        started = time.perf_counter()
        theirs = [
            any(rouge_l(scorer._tokenizer.tokenize(text), each) > ROUGE for each in tokens) for text in asked
        ]
        rouge_s = (time.perf_counter() - started) / len(asked)
        alike = statistics.mean(a == b for a, b in zip(ours, theirs, strict=True))
        out[str(size)] = {
            "ours_us": round(1e6 * own_s),
            "rouge_us": round(1e6 * rouge_s),
            "alike": round(alike, 4),
            "ours": sum(ours),
            "rouge": sum(theirs),
            "both": sum(a and b for a, b in zip(ours, theirs, strict=True)),
        }
        print(
            f"pool of {size}: {1e6 * own_s:.0f} us a candidate, ROUGE-L {1e6 * rouge_s:.0f} us "
            f"({rouge_s / own_s:.0f} times); of {len(asked)} alike {alike:.1%}, dropped by ours {sum(ours)}, "
            f"by ROUGE-L {sum(theirs)}, by both {out[str(size)]['both']}",
            flush=True,
        )
    return out


def rouge_l(a: list[str], b: list[str]) -> float:
    """F of the longest common subsequence, by the library's own table."""
    from rouge_score.rouge_scorer import _score_lcs

    return float(_score_lcs(a, b).fmeasure)


def told_apart(folder: Path) -> dict[str, Any]:
    """How well a cosine tells duplicates in meaning."""
    from sklearn.metrics import roc_auc_score

    from seedgate.generator.filters.semantic import cosine_of
    from seedgate.seeds.embedding import open_embedder

    embedder = open_embedder()
    out: dict[str, Any] = {}
    pairs = rows(folder / "gsm8k_rephrased" / "pairs.jsonl")
    a, b = (embedder.embed([pair[key] for pair in pairs]) for key in ("original", "rephrased"))
    likeness = a @ b.T
    own = np.diag(likeness).copy()
    np.fill_diagonal(likeness, -1)
    seeds = a[np.random.default_rng(SEED).permutation(len(a))[:200]]
    measured = round(cosine_of(seeds), 3)
    print(f"measured on 200 of the originals, as `generate` does: {measured}")
    for threshold in (measured, 0.85, 0.9, SAME):
        hits, alarms = int((own >= threshold).sum()), int((likeness.max(0) >= threshold).sum())
        out[f"gsm8k_rephrased at {threshold}"] = {
            "recall": round(hits / len(own), 4),
            "precision": round(hits / max(hits + alarms, 1), 4),
        }
        print(
            f"rephrasings at cosine {threshold}: recall {hits / len(own):.3f} ({hits} of {len(own)}), precision "
            f"{hits / max(hits + alarms, 1):.3f} ({alarms} are as near to another question)",
            flush=True,
        )
    scored = rows(folder / "postediting_pairs" / "postediting.jsonl")
    first, second = (embedder.embed([row[key] for row in scored]) for key in ("a", "b"))
    cosine, score = np.einsum("ij,ij->i", first, second), np.array([float(row["score"]) for row in scored])
    for least in (4.0, 4.5):
        same = score >= least
        flagged = cosine >= SAME
        right = int((same & flagged).sum())
        out[f"postediting, {least} and more"] = {
            "recall": round(right / max(int(same.sum()), 1), 4),
            "precision": round(right / max(int(flagged.sum()), 1), 4),
            "auc": round(float(roc_auc_score(same, cosine)), 4),
        }
        print(
            f"pairs scored {least} and more ({int(same.sum())} of {len(score)}) at cosine {SAME}: recall "
            f"{right / max(int(same.sum()), 1):.3f}, precision {right / max(int(flagged.sum()), 1):.3f}, "
            f"AUC of the cosine {roc_auc_score(same, cosine):.3f}",
            flush=True,
        )
    return out


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        kind, size, *told = sys.argv[2:]
        found = (
            letters(int(size)) if kind == "letters" else meanings(Path(told[0]), int(size), "each" in kind)
        )
        print(json.dumps(found))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="to 30,000 texts and 20,000 vectors, pools of 200 and 1,000"
    )
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SEEDGATE_DATA)")
    args = parser.parse_args()
    given = args.data or os.environ.get("SEEDGATE_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    found = {"letters": grown("letters", (3000, 30_000) if args.quick else SIZES)}
    missing = not (folder / "banking77" / "train.jsonl").is_file()
    if missing:
        print(f"no data sets in {folder}: give --data for the comparisons")
    found |= both_ways(None if missing else folder, quick=args.quick)
    rule = (
        {}
        if missing
        else self_instruct(
            folder / "banking77", POOLS[:2] if args.quick else POOLS, 50 if args.quick else 150
        )
    )
    apart = {} if missing else told_apart(folder)
    print(
        json.dumps(
            {
                "name": "duplicates",
                "what": "exponent of growth, letters",
                "value": found["letters"]["exponent"],
                "target": TARGET,
                "ok": found["letters"]["exponent"] <= TARGET,
                "growth": found,
                "self_instruct": rule,
                "meaning": apart,
            }
        )
    )


if __name__ == "__main__":
    main()
