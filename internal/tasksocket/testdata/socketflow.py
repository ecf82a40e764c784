"""A flow that uses what the socket serves: a foreach, a large artifact, an
exit in the middle."""

import os
import sys

from metaflow import FlowSpec, Task, step


class SocketFlow(FlowSpec):
    @step
    def start(self):
        self.xs = ["a", "b", "c"]
        self.large = os.urandom(3 << 20)
        self.next(self.work, foreach="xs")

    @step
    def work(self):
        if os.environ.get("LEAVE"):
            sys.exit(0)
        if os.environ.get("RAISE"):
            raise ValueError("as asked")
        assert len(self.large) == 3 << 20
        self.y = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.ys = [i.y for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        for i in range(2500):
            setattr(self, "one_of_many_%d" % i, i)
        print(Task("SocketFlow/kfp-1/join/join-t", _namespace_check=False).data.ys)


if __name__ == "__main__":
    SocketFlow()
