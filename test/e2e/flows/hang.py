"""A step that never ends by itself."""

import time

from metaflow import FlowSpec, step, timeout


class HangFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.work)

    @timeout(seconds=2)
    @step
    def work(self):
        print("waiting for ever", flush=True)
        while True:
            try:
                time.sleep(1000)
            except BaseException:  # not even Metaflow's own alarm ends it
                print("not impressed", flush=True)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    HangFlow()
