"""A driver of its own process, beside a laptop stack that serves the rest."""

import pathlib
import signal
import subprocess
import urllib.error
import urllib.request

from .processes import until
from .stack import Stack


class Driver:
    def __init__(self, stack: Stack, port: int, http: int, *args: str, bin: pathlib.Path | None = None, environment: dict[str, str] | None = None):
        self.stack, self.port, self.http = stack, port, http
        self.bin = bin or stack.bin
        self.args = args
        self.environment = environment or {}
        self.process: subprocess.Popen | None = None

    def start(self, wait: bool = True) -> None:
        # The metadata service of the stack lets nobody in without; of a stack that is not up there are none.
        service = {name: value for name, value in self.stack.environment.items() if name == "METAFLOW_SERVICE_HEADERS"}
        with (self.stack.folder / "driver.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "driver"), "serve", "--listen", f"127.0.0.1:{self.port}", "--http-listen", f"127.0.0.1:{self.http}",
                 "--store", str(self.stack.folder / "driver.db"), "--launcher-dir", str(self.bin), *self.args],
                env={**self.stack.user, **service, "MILLRACE_TOKEN_FILE": str(self.stack.home / "token"), **self.environment},
                stdout=log, stderr=subprocess.STDOUT,
            )
        if wait:
            until("the driver to be ready", self.ready)

    def ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"driver serve ended with {self.process.returncode}:\n{self.log()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return (self.stack.folder / "driver.log").read_text(errors="replace")[-10000:]

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert code == 0, f"driver serve ended with {code}:\n{self.log()}"
