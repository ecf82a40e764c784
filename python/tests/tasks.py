"""Tasks as the launcher starts them: from the real code package, with the shim
put into it, and all they can reach is a socket."""

import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

from deploying import ROOT

SHIM = ROOT / "python" / "metaflow_extensions" / "millrace_runtime"
# With this on their path tasks share what Python compiles: half of a short one's time.
BYTECODE = ROOT / "test" / "harness" / "bytecode"
RUN = "kfp-1"


class Deployed:
    """A deployed flow, its package extracted with the shim in it."""

    def __init__(self, user, script, *arguments, **options):
        self.definition = user.definition(script, *arguments, **options)
        self.package = user.folder / "metaflow"
        blob = pathlib.Path(self.definition["code_package"]["url"]).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(blob)) as archive:
            archive.extractall(self.package)
        # What a task wrote there instead of to the socket would be seen.
        shutil.rmtree(user.folder / "store")
        self.store = user.folder / "store"
        self.inject()

    def inject(self):
        extensions = self.package / ".mf_code" / "metaflow_extensions"
        shutil.copytree(SHIM, extensions / "millrace_runtime", ignore=shutil.ignore_patterns("__pycache__"))
        info_file = self.package / ".mf_meta" / "INFO"
        info = json.loads(info_file.read_text())
        packages, points = info["ext_info"]
        files = [str(path.relative_to(extensions)) for path in sorted((extensions / "millrace_runtime").rglob("*.py"))]
        packages["millrace_runtime"] = {
            "root_paths": None, "meta_module": None, "files": files, "full_path_files": None,
            "version": "_local_", "package_version": "<unk>", "extension_name": "<unk>",
        }
        for point in ("config", "plugins"):
            module = "metaflow_extensions.millrace_runtime.%s.mfextinit_millrace_runtime" % point
            points.setdefault(point, []).append(["millrace_runtime", "millrace_runtime", module])
        info_file.write_text(json.dumps(info))

    def started(self, folder, launcher, *arguments, top=(), environment=None, **options):
        """Starts `python flow.py ARGUMENTS` in a working folder of its own."""
        work = folder / "work" / "metaflow"
        if not work.exists():
            shutil.copytree(self.package, work)
            (folder / "home").mkdir()
        env = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "METAFLOW_CLIENT_CACHE_PATH": str(folder / "client"),
            "MILLRACE_TEST_BYTECODE": str(self.package.parent / "bytecode"),
            **self.definition["environment"],
            "METAFLOW_PRODUCTION_TOKEN": self.definition["production_token"],
            "METAFLOW_RUNTIME_NAME": "kubeflow-pipelines",
            "METAFLOW_EXTRACTED_ROOT": str(work),
            "PYTHONPATH": os.pathsep.join((str(work / ".mf_code"), str(BYTECODE))),
            "MILLRACE_SOCKET": launcher.path,
            **(environment or {}),
        }
        store = self.definition["datastore"]
        command = [sys.executable, self.definition["script"], "--quiet", "--metadata=service", "--environment=local", "--datastore=" + store["type"]]
        command += ["--datastore-root=" + store["root"], "--event-logger=nullSidecarLogger", "--monitor=nullSidecarMonitor", "--no-pylint", *top, *arguments]
        return subprocess.Popen(command, cwd=work, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options)

    def run(self, folder, launcher, *arguments, expect=0, **options):
        with self.started(folder, launcher, *arguments, **options) as process:
            out, err = process.communicate()
        assert expect is None or process.returncode == expect, out + err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def init(self, folder, launcher, *parameters, **options):
        return self.run(folder, launcher, "init", "--run-id", RUN, "--task-id", "p", *parameters, **options)

    def step(self, folder, launcher, step, *arguments, task="task", inputs="_parameters/p", attempt=0, retries=0, split=None, **options):
        file = folder / ("inputs-" + step)
        file.write_text(",".join(RUN + "/" + one for one in inputs.split(",")))
        command = ["step", step, "--run-id", RUN, "--task-id", task, "--input-paths-filename", str(file)]
        command += ["--retry-count", str(attempt), "--max-user-code-retries", str(retries)]
        if split is not None:
            command += ["--split-index", str(split)]
        options.setdefault("top", ("--with=millrace_transition",))
        return self.run(folder, launcher, *command, *arguments, **options)
