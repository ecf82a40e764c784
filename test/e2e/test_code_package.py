"""Code packages that are not what they should be: nothing is left behind, and
the reason stands in the task's log, its metadata and the driver's record."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile

import pytest
from harness import client
from harness.paths import FLOWS, OLDEST_PYTHON
from harness.stack import Run


def tar(*members) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def redated(archive: bytes) -> bytes:
    """The same files and the same length, packed at another time."""
    return archive[:4] + b"\1\2\3\4" + archive[8:]


def bomb() -> bytes:
    """16 GiB of zeros in 16 MB, made without holding them."""
    header = tarfile.TarInfo("zeros")
    header.size = 16 << 30
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as archive:
        archive.write(header.tobuf())
    block = io.BytesIO()
    with gzip.GzipFile(fileobj=block, mode="wb", compresslevel=9, mtime=0) as archive:
        archive.write(bytes(16 << 20))
    return out.getvalue() + block.getvalue() * 1024


class Deployed:
    """A deployed flow whose package can be replaced, on files."""

    def __init__(self, stack):
        self.stack = stack
        stack.create(FLOWS / "wide.py")
        self.data = stack.home / "datastore" / ".metaflow" / "WideFlow" / "data"

    def definition(self) -> dict:
        newest = None
        for file in self.data.rglob("*"):
            if file.is_file() and not file.name.endswith("_meta") and file.read_bytes()[:1] == b"{":
                found = json.loads(file.read_bytes())
                if "code_package" in found and "millrace-test" not in json.dumps(found["tags"]):
                    newest = max(newest or (0, None), (file.stat().st_mtime, file), key=lambda x: x[0])
        assert newest, f"no definition in {self.data}"
        return json.loads(newest[1].read_bytes())

    def store(self, content: bytes) -> str:
        """Stores raw bytes as Metaflow does and returns their URL."""
        key = hashlib.sha1(content).hexdigest()
        path = self.data / key[:2] / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.with_name(key + "_meta").write_text('{"cas_raw": true, "cas_version": 1}')
        return str(path)

    def run(self, package: bytes, stored: bytes | None = None) -> Run:
        """Deploys the flow with another package and runs it; `stored` is what the store really holds."""
        definition = self.definition()
        definition["pipeline"] = "package-" + hashlib.sha1(package + (stored or b"")).hexdigest()[:8]
        definition["tags"] = ["millrace-test"]
        url = self.store(package)
        if stored is not None:
            with open(url, "wb") as f:
                f.write(stored)
        definition["code_package"] |= {
            "url": url, "size": len(package),
            "sha1": hashlib.sha1(package).hexdigest(), "sha256": hashlib.sha256(package).hexdigest(),
        }
        text = json.dumps(definition)
        file = self.stack.folder / "definition.json"
        file.write_text(text)
        self.stack.driver("deploy", "--definition", str(file), "--definition-url", self.store(text.encode()), "--json")
        answer = self.stack.driver("trigger", "--pipeline", definition["pipeline"], "--parameters", "-", "--json", input="{}")
        return Run(self.stack, "WideFlow", json.loads(answer.stdout)["run_id"])


@pytest.fixture(scope="module")
def deployed(shared_stacks, request):
    return Deployed(shared_stacks("files", request))


GOOD = [("wide.py", b"print()")]
PACKAGES = {
    "differs": (lambda: (tar(*GOOD), redated(tar(*GOOD))), "SHA-256"),
    "truncated": (lambda: (tar(*GOOD), tar(*GOOD)[:-9]), ""),
    "not an archive": (lambda: (b"not a tar file", None), ""),
    "escapes": (lambda: (tar(*GOOD, ("../../escaped", b"x")), None), "escaped"),
    "absolute": (lambda: (tar(*GOOD, ("/tmp/millrace-escaped", b"x")), None), "millrace-escaped"),
    "links out": (lambda: (tar(*GOOD, (link("out", "/etc/passwd"), b"")), None), "link"),
    "bomb": (lambda: (bomb(), None), ""),
}


@pytest.mark.parametrize("what", PACKAGES)
def test_bad_package(deployed, what):
    make, reason = PACKAGES[what]
    package, stored = make()
    run = deployed.run(package, stored)
    run.wait("FAILED")
    task = next(t for t in run.tasks() if t["attempts"])
    assert len(task["attempts"]) == 1, task
    attempt = task["attempts"][0]
    assert attempt["class"] == "final" and reason in attempt["reason"], attempt
    assert "code package" in attempt["reason"].lower()

    code = """if True:
        import metaflow, sys
        metaflow.namespace(None)
        task = metaflow.Task(sys.argv[1])
        print(task.stdout, task.stderr)
        print("metadata:", [m.value for m in task.metadata])
    """
    said = client.python(code, client.client_environment(run.stack), f"{run.pathspec}/{task['step']}/{task['task']}", cwd=run.stack.folder)
    log, _, metadata = said.partition("metadata:")
    assert attempt["reason"] in log and attempt["reason"] in metadata

    left = [str(p) for p in run.stack.folder.rglob("*") if "escaped" in p.name or p.name == "zeros"]
    assert not left, left


def test_package_without_our_extension(deployed, tmp_path):
    run_without_our_extension(deployed, tmp_path)


def test_oldest_metaflow(own_stack, tmp_path):
    """Deployed and run with it; read, as ever, with the newest."""
    stack = own_stack(python=OLDEST_PYTHON)
    deployed = Deployed(stack)
    run = stack.trigger(FLOWS / "wide.py")
    run.wait()
    ours = client.read(run)
    client.same(ours, client.plain_run(FLOWS / "wide.py", tmp_path / "plain", stack))
    assert "metaflow_version:2.18.0" in ours["system_tags"]
    run_without_our_extension(deployed, tmp_path)


def run_without_our_extension(deployed, folder):
    """Metaflow is told in the package which extensions there are; the launcher's shim becomes one."""
    stack, package = deployed.stack, folder / "package.tgz"
    saved = {**stack.environment, "METAFLOW_EXTENSIONS_SEARCH_DIRS": "/nowhere"}
    subprocess.run([str(stack.python), str(FLOWS / "wide.py"), "--no-pylint", "package", "save", str(package)], env=saved, cwd=folder, check=True)
    with tarfile.open(package) as archive:
        assert not [name for name in archive.getnames() if "millrace" in name]
    run = deployed.run(package.read_bytes())
    run.wait()
    read = client.read(run)
    assert read["successful"] and [t["artifacts"]["total"]["value"] for t in read["steps"]["end"]] == [{"int": "5"}]
