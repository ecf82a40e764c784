"""Count the words of real files in parallel, and join the counts.

    python wordcount.py --package-suffixes .txt kubeflow-pipelines create
    python wordcount.py kubeflow-pipelines trigger

--package-suffixes is Metaflow's own option: without it the code package
carries Python files only, and the texts would stay at home.
"""

import collections
import pathlib
import re
import time

from metaflow import FlowSpec, Parameter, step

TEXTS = pathlib.Path(__file__).resolve().parent / "texts"


class WordCountFlow(FlowSpec):
    top = Parameter("top", help="How many of the commonest words to keep", type=int, default=5)
    pause = Parameter("pause", help="Seconds each count takes longer, to watch it", type=float, default=0.0)

    @step
    def start(self):
        self.files = sorted(path.name for path in TEXTS.glob("*.txt"))
        if not self.files:
            raise FileNotFoundError(f"no texts in {TEXTS}: was the flow created with --package-suffixes .txt?")
        self.next(self.count, foreach="files")

    @step
    def count(self):
        self.file = self.input
        words = re.findall(r"[a-zà-ÿ']+", (TEXTS / self.file).read_text(encoding="utf-8").lower())
        self.counts = collections.Counter(words)
        time.sleep(self.pause)
        print(f"{self.file}: {len(words)} words, {len(self.counts)} different")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs, include=["files"])
        self.words_of = {part.file: sum(part.counts.values()) for part in inputs}
        self.total = sum((part.counts for part in inputs), collections.Counter())
        self.next(self.end)

    @step
    def end(self):
        self.commonest = sorted(self.total.items(), key=lambda item: (-item[1], item[0]))[: self.top]
        for word, times in self.commonest:
            print(f"{times:4d} {word}")


if __name__ == "__main__":
    WordCountFlow()
