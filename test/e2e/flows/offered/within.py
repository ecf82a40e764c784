"""What a task does with Metaflow while it runs: it watches its own card, asks
the client, runs another flow, keeps an artifact its own way."""

import base64
import os
import re
import signal
import time

from metaflow import S3, Flow, FlowSpec, Run, Runner, Task, card, current, retry, step
from metaflow.cards import Markdown, ProgressBar, get_cards
from metaflow.plugins.cards.exception import CardNotPresentException
from metaflow_extensions.tester.plugins.spelled import Spelled

PATIENCE = 60


def until(seen):
    """The first true answer."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = seen()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def text_of(card):
    """What the page of a card draws: its script's data."""
    return "".join(base64.b64decode(data).decode() for data in re.findall(r'__MF_DATA__\["[^"]*"\] = "([^"]*)"', card.get()))


class WithinFlow(FlowSpec):
    @retry(times=1, minutes_between_retries=0)
    @card(type="blank", id="live", refresh_interval=1)
    @step
    def start(self):
        text, bar = Markdown("begun"), ProgressBar(max=10, label="steps")
        current.card["live"].append(text, id="text")
        current.card["live"].append(bar, id="bar")
        current.card["live"].refresh()
        self.shown = [until(lambda: "begun" in self.page())]
        text.update("half way")
        bar.update(5)
        self.shown.append(until(lambda: "half way" in str(self.drawn())))
        if current.retry_count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        text.update("in the end")
        self.word = Spelled("letters")
        self.next(self.middle)

    def live(self):
        try:
            return list(get_cards(current.pathspec))
        except CardNotPresentException:
            return []

    def page(self):
        return "".join(text_of(card) for card in self.live())

    def drawn(self):
        current.card["live"].refresh()  # at most once in a second
        return [card.get_data() for card in self.live()]

    @step
    def middle(self):
        assert type(self.word) is Spelled, self.word
        self.letters = str(self.word)
        del self.word
        start = Task(f"{current.flow_name}/{current.run_id}/start/{self.start_task()}")
        stages = ("in the end", "half way", "begun")
        self.cards = [(card.id, next((s for s in stages if s in text_of(card)), "")) for card in get_cards(start)]
        Run(f"{current.flow_name}/{current.run_id}").add_tag("seen from within")
        self.runs = current.run_id in [run.id for run in Flow(current.flow_name).runs()]
        self.next(self.outside)

    def start_task(self):
        return next(iter(Run(f"{current.flow_name}/{current.run_id}")["start"])).id

    @step
    def outside(self):
        nested = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nested.py")
        with Runner(nested, pylint=False).run(count=3) as running:
            self.nested = [running.status, running.run.successful, running.run.data.squares]
        self.store = self.kept() if os.environ["METAFLOW_DEFAULT_DATASTORE"] == "s3" else None
        self.next(self.end)

    def kept(self):
        """By Metaflow's own tools for S3, which speak to it themselves."""
        with S3(run=self) as s3:
            s3.put("one", "value")
            s3.put_many([(f"many-{i}", str(i)) for i in range(3)])
            return [s3.get("one").text, sorted(file.text for file in s3.get_all())]

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WithinFlow()
