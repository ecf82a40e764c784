"""Metaflow's sidecars, whose work is the launcher's: it keeps the logs, beats
for the task, and hears of the pod's end.

Metaflow imports all of them before every task, and with them `requests`, which
a plain image lacks.
"""


class NoSidecar:
    @classmethod
    def get_worker(cls):
        """Without a worker no process is started."""
        return None
