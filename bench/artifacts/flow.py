"""The flow whose tasks are measured. CASE says what `produce` and `consume`
store and read; each task leaves its times in the file MARKS names."""

import array
import json
import os
import random
import time

from metaflow import FlowSpec, step

CASE = os.environ.get("CASE", "")
SIZE = int(os.environ.get("SIZE", "0"))
COUNT = int(os.environ.get("COUNT", "0"))


def process_start():
    with open("/proc/self/stat") as f:
        ticks = int(f.read().rpartition(")")[2].split()[19])
    with open("/proc/uptime") as f:
        uptime = float(f.read().split()[0])
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def half_compressible(size, seed):
    """Integers of 64 bits that would fit into 32."""
    narrow = array.array("I", random.Random(seed).randbytes(size // 2))
    return array.array("Q", narrow).tobytes()


marks = {}


def mark(name):
    marks[name] = time.time()


def leave():
    mark("left")
    with open(os.environ["MARKS"], "w") as f:
        json.dump({"started": process_start(), **marks}, f)


class DataFlow(FlowSpec):
    @step
    def start(self):
        self.xs = list(range(COUNT))
        self.next(self.work, foreach="xs")

    @step
    def work(self):
        self.y = "y"
        self.next(self.join)

    @step
    def join(self, inputs):
        mark("user")
        read = [i.y for i in inputs]
        self.total = len(set(read))
        assert self.total == COUNT, (self.total, COUNT)
        leave()
        self.next(self.produce)

    @step
    def produce(self):
        if CASE == "big":
            self.big = half_compressible(SIZE, os.environ["SEED"])
        elif CASE == "small":
            for i in range(COUNT):
                setattr(self, "small_%d" % i, half_compressible(SIZE, "%s-%d" % (os.environ["SEED"], i)))
        elif CASE == "huge":
            # A quarter of it does not shrink; made without a second copy.
            block = half_compressible(4 << 20, os.environ["SEED"]) + bytes(4 << 20)
            self.huge = b"".join([block] * (SIZE // len(block)))
        leave()
        self.next(self.consume)

    @step
    def consume(self):
        mark("user")
        if CASE == "big":
            assert len(self.big) == SIZE
        elif CASE == "huge":
            assert len(self.huge) == SIZE
        else:
            assert sum(len(getattr(self, "small_%d" % i)) for i in range(COUNT)) == COUNT * SIZE
        leave()
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    DataFlow()
