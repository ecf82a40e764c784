"""A step whose first attempt is killed for its memory, as far as can be seen
from the folder of its control group."""

import os
import signal
from pathlib import Path

from metaflow import FlowSpec, current, step


class MemoryFlow(FlowSpec):
    @step
    def start(self):
        if current.retry_count == 0:
            Path(os.environ["MILLRACE_CGROUP"], "memory.events").write_text("oom_kill 1\n")
            os.kill(os.getpid(), signal.SIGKILL)
        self.attempt = current.retry_count
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    MemoryFlow()
