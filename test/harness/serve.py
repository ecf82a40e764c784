"""Roles in processes of their own, beside a laptop stack that serves the rest."""

import pathlib
import signal
import subprocess
import threading
import urllib.error
import urllib.request

from .processes import until
from .stack import Stack, parse_exports

# Leases short enough that losing one costs the test seconds.
TERMS = ("--lease-ttl", "4s", "--renew-every", "1s", "--longest-write", "2s", "--client-backoff", "2s", "--infrastructure-delay", "100ms",
         "--infrastructure-retries", "30", "--orphan-grace", "15s")


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


class Metadata:
    """Metaflow's metadata service, on a home beside the stack's and with its token."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.home = stack.folder / "metadata"
        self.process: subprocess.Popen | None = None
        self.home.mkdir(mode=0o700)
        token = self.home / "token"
        token.touch(mode=0o600)
        token.write_text((stack.home / "token").read_text())

    def start(self, wait: bool = True) -> None:
        command = [str(self.stack.bin / "driver"), "dev", "--home", str(self.home)]
        with (self.stack.folder / "metadata.log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--roles", "metadata"], env=self.stack.user, stdout=log, stderr=subprocess.STDOUT)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Waits until it answers, and points the stack's user at it."""
        done = self.stack.driver("dev", "env", "--home", str(self.home), "--wait")
        self.stack.environment |= {name: value for name, value in parse_exports(done.stdout).items()
                                   if name.startswith("METAFLOW_SERVICE_") or name == "METAFLOW_DEFAULT_METADATA"}

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Keeper:
    """Starts a role again whenever it has died, as Kubernetes does."""

    def __init__(self, role: Driver | Metadata):
        self.role = role
        self.deaths = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self.role.start()
        self.thread.start()

    def _keep(self) -> None:
        while not self.over.wait(0.2):
            if not self.role.alive():
                self.deaths += 1
                self.role.start(wait=False)

    def stop(self) -> None:
        self.over.set()
        self.thread.join()
        self.role.kill()
