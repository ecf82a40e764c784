"""A step that fails and is retried.

    python flaky.py kubeflow-pipelines create
    python flaky.py kubeflow-pipelines trigger --failures 2

The logs of the failed attempts stay readable beside those of the good one:
Task("FlakyFlow/<run>/fetch/task", attempt=0).stderr
"""

from metaflow import FlowSpec, Parameter, current, retry, step


class FlakyFlow(FlowSpec):
    failures = Parameter("failures", help="How many attempts fail before one succeeds", type=int, default=1)

    @step
    def start(self):
        self.source = "far away"
        self.next(self.fetch)

    @retry(times=2, minutes_between_retries=0)
    @step
    def fetch(self):
        print(f"attempt {current.retry_count}: fetching from {self.source}")
        if current.retry_count < self.failures:
            raise ConnectionError(f"{self.source} does not answer")
        self.rows = [n * n for n in range(10)]
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.rows)
        print("total:", self.total)


if __name__ == "__main__":
    FlakyFlow()
