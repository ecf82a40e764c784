"""A linear flow with one parameter of every type.

    python hello.py kubeflow-pipelines create
    python hello.py kubeflow-pipelines trigger --name Ada --times 2 --options '{"punctuation": "?"}'

What a parameter holds in a task is exactly what it holds in a plain `run`.
"""

from metaflow import FlowSpec, JSONType, Parameter, step


class HelloFlow(FlowSpec):
    name_ = Parameter("name", help="Who to greet", default="world")
    times = Parameter("times", help="How often", type=int, default=3)
    pitch = Parameter("pitch", help="How high, 0 to 1", type=float, default=0.5)
    loud = Parameter("loud", help="In capitals", type=bool, default=False)
    options = Parameter("options", help="Anything else", type=JSONType, default='{"punctuation": "!"}')
    nickname = Parameter("nickname", help="A second name, if any", default=None)

    @step
    def start(self):
        self.who = self.name_ if self.nickname is None else f"{self.name_} ({self.nickname})"
        self.next(self.greet)

    @step
    def greet(self):
        line = f"Hello, {self.who}{self.options['punctuation']}"
        self.lines = [line.upper() if self.loud else line] * self.times
        self.tune = [round(440 * 2**self.pitch, 2)] * self.times
        self.next(self.end)

    @step
    def end(self):
        print("\n".join(self.lines))


if __name__ == "__main__":
    HelloFlow()
