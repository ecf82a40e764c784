"""A gang of three whose members wait for each other, and of which one fails at first."""

import pathlib
import time

from metaflow import FlowSpec, Parameter, current, parallel, retry, step


class RingFlow(FlowSpec):
    folder = Parameter("folder", required=True)

    @step
    def start(self):
        self.next(self.member, num_parallel=3)

    @retry(times=1, minutes_between_retries=0)
    @parallel
    @step
    def member(self):
        rank, attempt = current.parallel.node_index, current.retry_count
        folder = pathlib.Path(self.folder)
        with (folder / "executions").open("a") as f:
            f.write(f"{rank} {attempt}\n")
        (folder / f"here-{rank}-{attempt}").touch()
        while len(list(folder.glob(f"here-*-{attempt}"))) < 3:
            time.sleep(0.05)
        if attempt == 0:
            if rank == 1:
                raise RuntimeError("not this time")
            time.sleep(1000)  # until it is told to end
        self.rank = rank
        self.next(self.join)

    @step
    def join(self, inputs):
        self.ranks = [member.rank for member in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    RingFlow()
