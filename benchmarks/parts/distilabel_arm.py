"""The other arm of `stream.py --distilabel`: run by the Python of an environment that has distilabel 1.5.3.

Reads prompts, url, model, key, n and sampling from the file named first, has distilabel's own `TextGeneration` with its
`OpenAILLM` answer in its default batches, and writes the generations and seconds to the file named second: `start_s`
for a pipeline of one prompt, `seconds` for all of them.
"""

import json
import sys
import time
from pathlib import Path

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def answered(given: dict, prompts: list[str], name: str) -> tuple[list[list[str]], float]:
    """Generations of each prompt in order, and seconds for the whole pipeline."""
    with Pipeline(name=name) as pipeline:
        load = LoadDataFromDicts(data=[{"instruction": prompt} for prompt in prompts])
        llm = OpenAILLM(
            base_url=given["url"],
            model=given["model"],
            api_key=given["key"] or "none",
            generation_kwargs=given["sampling"],
        )
        task = TextGeneration(llm=llm, num_generations=given["n"], group_generations=True)
        load >> task
    started = time.perf_counter()
    rows = pipeline.run(use_cache=False)["default"]["train"]
    seconds = time.perf_counter() - started
    return [[text for text in row["generation"] if text] for row in rows], seconds


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    _, start_s = answered(asked, asked["prompts"][:1], "start")
    texts, all_s = answered(asked, asked["prompts"], "all")
    Path(sys.argv[2]).write_text(
        json.dumps({"texts": texts, "seconds": all_s, "start_s": start_s}), encoding="utf-8"
    )
