"""What the image lacks and Metaflow would have installed, with the real pip
and a package that nobody has."""

import importlib
import os
import subprocess
import sys
import textwrap
import zipfile

import pytest
from deploying import LINEAR, ROOT

NAME = "millrace_absent_sdk"


def write_wheel(folder):
    """A package as an index would serve it."""
    info = NAME + "-1.0.dist-info"
    wheel = folder / (NAME + "-1.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(NAME + "/__init__.py", "there = True\n")
        archive.writestr(info + "/METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n" % NAME.replace("_", "-"))
        archive.writestr(info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(info + "/RECORD", "")
    return wheel


class Pod:
    """A code package and what tasks in it may import."""

    def __init__(self, folder, launcher):
        self.folder, self.launcher = folder, launcher
        self.code, self.sdks = folder / "metaflow", folder / "sdks"
        self.code.mkdir()
        self.packages = [str(write_wheel(folder))]

    def task(self, code, **environment):
        """Starts a task's process whose flow file is the code."""
        (self.code / "flow.py").write_text(code)
        (self.code / "main.py").write_text(textwrap.dedent("""
            import sys
            import types
            sys.path.append(%r)
            sys.modules["metaflow"] = types.ModuleType("metaflow")
            sys.modules["metaflow"].__file__ = %r
            from metaflow_extensions.millrace_runtime.plugins import sdks
            sdks.PACKAGES["s3"] = %r
            sdks._KINDS[%r] = "s3"
            sdks.attach()
            import flow
        """ % (str(ROOT / "python"), str(self.code / ".mf_code" / "metaflow" / "__init__.py"), self.packages, NAME)))
        env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW_", "MILLRACE_"))},
            "MILLRACE_SOCKET": self.launcher.path, "MILLRACE_SDKS": str(self.sdks), "METAFLOW_EXTRACTED_ROOT": str(self.code),
            "METAFLOW_CODE_DS": "s3", "PYTHONDONTWRITEBYTECODE": "1", **environment,
        }
        return subprocess.Popen([sys.executable, "main.py"], cwd=self.code, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, code, **environment):
        process = self.task(code, **environment)
        said, _ = process.communicate()
        return process.returncode, said


@pytest.fixture
def pod(tmp_path, launcher):
    return Pod(tmp_path, launcher)


def test_installed_once_in_a_pod(pod, launcher):
    """Two processes at once, a third later, and a program without the shim that it starts."""
    both = [pod.task("import %s\nprint(%s.there)" % (NAME, NAME)) for _ in range(2)]
    assert [process.communicate()[0] for process in both] == ["True\n"] * 2
    inner = "import subprocess, sys, %s\nsubprocess.run([sys.executable, '-c', 'import %s; print(%s.__file__)'], cwd='/', check=True)" % (NAME, NAME, NAME)
    assert pod.run(inner) == (0, "%s/s3/%s/__init__.py\n" % (pod.sdks, NAME))
    assert len(launcher.notes) == 1 and "Installing" in launcher.notes[0]
    # What the image has stays as it is.
    assert any(line.startswith("pytest==") for line in (pod.sdks / "constraints.txt").read_text().splitlines())


def test_who_asks_counts(pod, launcher, tmp_path):
    """A library that only looks, and a flow on another cloud, find what they would find elsewhere."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "looks.py").write_text("try:\n    import %s\nexcept ImportError:\n    print('does without')\n" % NAME)
    assert pod.run("import looks", PYTHONPATH=str(library)) == (0, "does without\n")
    looks = (library / "looks.py").read_text()
    assert pod.run(looks, METAFLOW_CODE_DS="gs") == (0, "does without\n")
    assert pod.run(looks, MILLRACE_SDKS="") == (0, "does without\n")
    assert not launcher.notes and not pod.sdks.exists()


def test_metaflow_itself_asks(pod, launcher):
    """Of any cloud: @secrets of one goes with a store of another."""
    tool = pod.code / ".mf_code" / "metaflow" / "tool.py"
    tool.parent.mkdir(parents=True)
    tool.write_text("import %s\nprint('there')\n" % NAME)
    assert pod.run("import runpy; runpy.run_path(%r)" % str(tool), METAFLOW_CODE_DS="gs") == (0, "there\n")
    assert len(launcher.notes) == 1


def test_never(pod, launcher):
    code, said = pod.run("import " + NAME, METAFLOW_SKIP_INSTALL_DEPENDENCIES="1")
    assert code == 1 and "Add it to the image" in said and "--install-sdks=auto" in said
    assert len(launcher.notes) == 1 and not launcher.troubles and not pod.sdks.exists()


def test_pip_fails(pod, launcher):
    """Not the user's fault, and what pip said is told; asked twice, it says the same at once."""
    pod.packages = [str(pod.folder / "nowhere.whl")]
    again = "try:\n    import %s\nexcept ImportError:\n    import %s" % (NAME, NAME)
    code, said = pod.run(again)
    assert code == 1 and said.count("pip could not install") == 2 and "nowhere.whl" in said
    [trouble] = launcher.troubles
    assert "nowhere.whl" in trouble and "Add it to the image" in trouble
    assert len(launcher.notes) == 2 and not (pod.sdks / "s3").exists()


def test_no_pip(pod, launcher, tmp_path):
    """The image's interpreter may be without."""
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\necho 'No module named pip'; exit 1\n")
    python.chmod(0o755)
    code, said = pod.run("import sys\nsys.executable = %r\nimport %s" % (str(python), NAME))
    assert code == 1 and "No module named pip" in said
    assert launcher.troubles


def test_every_name_has_packages():
    sys.path.append(str(ROOT / "python"))
    sdks = importlib.import_module("metaflow_extensions.millrace_runtime.plugins.sdks")
    assert set(sdks._KINDS.values()) == set(sdks.PACKAGES)


@pytest.mark.parametrize(("given", "said"), [([], None), (["--install-sdks", "never"], "1")])
def test_at_create(user, make_flow, given, said):
    user.create(make_flow(LINEAR), *given)
    assert user.call()["definition"]["environment"].get("METAFLOW_SKIP_INSTALL_DEPENDENCIES") == said
