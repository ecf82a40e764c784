"""One step that ends in every way a step can end."""

import os
import signal
import subprocess
import sys
import threading

from metaflow import FlowSpec, Parameter, current, retry, step


class OutcomeFlow(FlowSpec):
    how = Parameter("how", default="well")

    @step
    def start(self):
        self.next(self.work)

    @retry(times=1, minutes_between_retries=0)
    @step
    def work(self):
        print("before the end of attempt", current.retry_count, flush=True)
        print("also on stderr", file=sys.stderr, flush=True)
        if self.how == "raises":
            raise ValueError("as asked")
        if self.how.startswith("exits"):
            sys.exit(int(self.how.split()[1]))
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "unpicklable":
            self.lock = threading.Lock()
        if self.how == "daemon":
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    OutcomeFlow()
