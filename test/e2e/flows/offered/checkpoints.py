"""Counts on from its last checkpoint when its process is killed."""

import os
import signal

from metaflow import FlowSpec, checkpoint, current, delete_model, retry, step


class CheckpointsFlow(FlowSpec):
    @retry(times=1, minutes_between_retries=0)
    @checkpoint(load_policy="fresh")
    @step
    def start(self):
        file = os.path.join(current.checkpoint.directory, "below", "count.txt")
        os.makedirs(os.path.dirname(file), exist_ok=True)
        self.found = None
        if current.checkpoint.is_loaded:
            with open(file) as f:
                self.found = int(f.read())
        for i in range((self.found or 0) + 1, 4):
            with open(file, "w") as f:
                f.write(str(i))
            current.checkpoint.save(name="count", latest=True)
            if i == 2 and current.retry_count == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        listed = current.checkpoint.list()
        self.saved_by = [one["attempt"] for one in listed]
        delete_model(listed[0])
        self.kept = len(current.checkpoint.list())
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    CheckpointsFlow()
