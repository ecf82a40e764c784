"""A gang: tasks that run at the same time and talk to each other.

    python gang.py kubeflow-pipelines create
    python gang.py kubeflow-pipelines trigger --size 3

Each member sums a share of the numbers and sends it to the first one, which
`current.parallel.main_ip` names. The gang starts when all its pods are there;
when one member fails, all run again.
"""

import os
import socket
import time

from metaflow import FlowSpec, Parameter, current, parallel, step

# Members of a plain `run` share one machine, and no port is chosen for them.
PORT = int(os.environ.get("MF_MASTER_PORT", "29517"))
PATIENCE = 60


class GangFlow(FlowSpec):
    size = Parameter("size", help="How many members", type=int, default=2)

    @step
    def start(self):
        self.numbers = list(range(1, 101))
        self.next(self.share, num_parallel=self.size)

    @parallel
    @step
    def share(self):
        gang = current.parallel
        self.rank, self.of = gang.node_index, gang.num_nodes
        self.mine = sum(self.numbers[self.rank :: self.of])
        self.total = self.receive() if self.rank == 0 else self.send(gang.main_ip)
        print(f"member {self.rank} of {self.of}: {self.mine}")
        self.next(self.join)

    def receive(self):
        """The sum over all members."""
        total = self.mine
        with socket.create_server(("", PORT)) as server:
            server.settimeout(PATIENCE)
            for _ in range(self.of - 1):
                member, _ = server.accept()
                with member:
                    total += int(member.makefile().read())
        return total

    def send(self, main_ip):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with socket.create_connection((main_ip, PORT), timeout=PATIENCE) as main:
                    main.sendall(str(self.mine).encode())
                return None
            except ConnectionRefusedError:
                # The first member may not listen yet.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    @step
    def join(self, inputs):
        self.total = inputs[0].total
        self.shares = [member.mine for member in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(f"{' + '.join(map(str, self.shares))} = {self.total}")


if __name__ == "__main__":
    GangFlow()
