"""What cannot be deployed is refused at `create`, by name and step, and leaves
no pipeline behind."""

import pytest
from deploying import LINEAR, User, driver_program, driver_settings

END = """
@step
def end(self):
    pass
"""

# name: (decorators of the class, body, what the message says)
BY_DRIVER = {
    "attributes": ("", """
@kubernetes(service_account="me", secrets=["s"])
@step
def start(self):
    self.next(self.end)
""" + END, ["start", "service_account", "secrets"]),
    "disk": ("", """
@resources(disk=99999)
@step
def start(self):
    self.next(self.end)
""" + END, ["start", "disk"]),
}

BEFORE_DRIVER = {
    "schedule": ("@schedule(hourly=True)\n", LINEAR, ["@schedule"]),
    "trigger": ("@trigger(event='e')\n", LINEAR, ["@trigger"]),
    "trigger on finish": ("@trigger_on_finish(flow='Other')\n", LINEAR, ["@trigger_on_finish"]),
    "exit hook": ("def hook():\n    pass\n\n\n@exit_hook(on_error=[hook])\n", LINEAR, ["@exit_hook"]),
    "conda base": ("@conda_base(python='3.11')\n", LINEAR, ["@conda"]),
    "pypi": ("", "@pypi(packages={'a': '1'})" + LINEAR, ["@pypi"]),
    "batch": ("", "@batch" + LINEAR, ["@batch"]),
    "file that is not there": ("", "words = IncludeFile('words', default='nowhere.txt')\n" + LINEAR, ["nowhere.txt"]),
    "file beside a type of the user's own": (
        "", "words = IncludeFile('words', default='flow.py')\nx = Parameter('x', type=complex)\n" + LINEAR, ["complex", "x"]
    ),
    "default of the wrong type": ("", "n = Parameter('n', type=int, default=lambda context: 'many')\n" + LINEAR, ["n"]),
    "default that is not finite": ("", "x = Parameter('x', type=float, default=float('inf'))\n" + LINEAR, ["x", "inf"]),
    "names that differ by case": ("", "a = Parameter('name')\nb = Parameter('NAME')\n" + LINEAR, ["case-insensitive"]),
}

IMPORTS = (
    "FlowSpec, IncludeFile, Parameter, batch, conda_base, exit_hook, kubernetes, parallel, pypi, resources, schedule, step, trigger, trigger_on_finish"
)


def refused(done, says):
    assert done.returncode != 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    missing = [word for word in says if word not in done.stderr]
    assert not missing, f"{missing} not in: {done.stderr}"


@pytest.mark.parametrize("what", BEFORE_DRIVER)
def test_refused_before_anything_is_stored(user, make_flow, what):
    before, body, says = BEFORE_DRIVER[what]
    refused(user.create(make_flow(body, imports=IMPORTS, before=before), check=False), says)
    assert not user.asked()
    assert not list((user.folder / "store").rglob("data"))


@pytest.mark.parametrize("what", BY_DRIVER)
def test_refused_by_the_compiler(user_of_driver, make_flow, what):
    before, body, says = BY_DRIVER[what]
    script = make_flow(body, imports=IMPORTS, before=before)
    refused(user_of_driver.create(script, "--only-yaml", check=False), says)


def test_compiled(user_of_driver, make_flow, tmp_path):
    file = tmp_path / "pipeline.yaml"
    user_of_driver.create(make_flow(LINEAR), "--only-yaml", "--output", str(file))
    printed = user_of_driver.create(make_flow(LINEAR), "--only-yaml").stdout
    assert '"schemaVersion": "2.1.0"' in printed
    assert printed.rstrip("\n") == file.read_text().rstrip("\n")


@pytest.mark.parametrize(("arguments", "environment", "says"), [
    (["--output", "x"], {}, ["--only-yaml"]),
    (["--max-workers", "0"], {}, ["--max-workers"]),
    (["--tag", ""], {}, ["Tags"]),
    ([], {"METAFLOW_SERVICE_URL": ""}, ["METAFLOW_SERVICE_URL"]),
    ([], {"MILLRACE_DRIVER_BIN": "/nowhere/driver"}, ["MILLRACE_DRIVER_BIN", "/nowhere/driver"]),
])
def test_wrong_settings(user, make_flow, arguments, environment, says):
    refused(user.create(make_flow(LINEAR), *arguments, check=False, environment=environment), says)
    assert not user.asked()


@pytest.fixture
def user_of_driver(tmp_path):
    """A user of the real program."""
    user = User(tmp_path / "user", **driver_settings(tmp_path))
    user.environment["MILLRACE_DRIVER_BIN"] = driver_program()
    return user
