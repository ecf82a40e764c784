"""Steps of any name may begin and end a flow (Metaflow 2.19.30 or newer).

    python named.py kubeflow-pipelines create
    python named.py kubeflow-pipelines trigger
"""

from metaflow import FlowSpec, step


class NamedFlow(FlowSpec):
    @step(start=True)
    def prepare(self):
        self.words = ["any", "name", "will", "do"]
        self.next(self.publish)

    @step(end=True)
    def publish(self):
        self.line = " ".join(self.words)
        print(self.line)


if __name__ == "__main__":
    NamedFlow()
