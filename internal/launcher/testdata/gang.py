"""A gang whose members talk to each other, once the first try is over."""

import os
import pathlib
import socket
import time

from metaflow import FlowSpec, current, parallel, retry, step


class GangFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=2)

    @retry(times=1, minutes_between_retries=0)
    @parallel
    @step
    def train(self):
        gang = current.parallel
        if current.retry_count == 0:
            there = pathlib.Path.home() / "rank-0-is-there"
            if gang.node_index == 1:
                while not there.exists():
                    time.sleep(0.05)
                raise ValueError("as asked")
            there.touch()
            time.sleep(600)  # until it is told that the other has failed
        self.said = [gang.num_nodes, gang.node_index, gang.control_task_id]
        address = gang.main_ip, int(os.environ["MF_MASTER_PORT"])
        if gang.node_index == 0:
            with socket.create_server(address) as server:
                connection, _ = server.accept()
                with connection:
                    self.heard = connection.makefile().read()
        else:
            self.heard = None
            with connect(address) as connection:
                connection.sendall(b"hello")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.said = [one.said for one in inputs]
        self.heard = [one.heard for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


def connect(address):
    """Rank 0 may listen later."""
    for _ in range(600):
        try:
            return socket.create_connection(address)
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise TimeoutError(address)


if __name__ == "__main__":
    GangFlow()
