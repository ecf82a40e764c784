"""A flow that goes on without the parts that could not be done.

    python rescue.py kubeflow-pipelines create
    python rescue.py kubeflow-pipelines trigger

One source answers, one is broken, one hangs. @timeout ends what hangs, @retry
tries again, and @catch makes a result of what failed for good.
"""

import time

from metaflow import FlowSpec, catch, retry, step, timeout


class RescueFlow(FlowSpec):
    @step
    def start(self):
        self.sources = ["answers", "broken", "hangs"]
        self.next(self.fetch, foreach="sources")

    @catch(var="problem")
    @retry(times=1, minutes_between_retries=0)
    @timeout(seconds=2)
    @step
    def fetch(self):
        self.source, self.rows = self.input, None
        if self.input == "broken":
            raise ConnectionError("nobody is there")
        if self.input == "hangs":
            time.sleep(600)
        self.rows = [1, 2, 3]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.rows_of = {part.source: part.rows for part in inputs if not part.problem}
        self.problems = sorted(part.source for part in inputs if part.problem)
        self.next(self.end)

    @step
    def end(self):
        print(self.rows_of, "without", ", ".join(self.problems))


if __name__ == "__main__":
    RescueFlow()
