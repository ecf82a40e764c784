"""What can be done with a deployed flow, and with a run of it, from Python."""

import json
import pathlib
import sys
import tempfile
import weakref

from metaflow.client.core import get_metadata
from metaflow.datastore import FlowDataStore
from metaflow.plugins import DATASTORES
from metaflow.runner.deployer import DeployedFlow, Deployer, TriggeredRun, generate_fake_flow_file_contents
from metaflow.runner.utils import get_lower_level_group, handle_timeout, temporary_fifo

from . import binary
from .errors import KubeflowPipelinesException

# Names of types: the definition's, and those of the source of a flow.
TYPES = {"str": "str", "int": "int", "float": "float", "bool": "bool", "json": "JSON"}


class KubeflowPipelinesTriggeredRun(TriggeredRun):
    """A run of a flow deployed to Kubeflow Pipelines."""

    @property
    def status(self):
        """PENDING, RUNNING, SUCCEEDED, FAILED, CANCELING or CANCELED: the run's state at Kubeflow Pipelines."""
        args = ["status", "--run-id", self.pathspec.rpartition("/")[2]]
        return binary.run_json(*args, *kfp_url(self.deployer), env=self.deployer.env_vars).get("kfp_state") or None

    @property
    def is_running(self):
        return self.status in ("PENDING", "RUNNING", "CANCELING")

    def terminate(self, **kwargs):
        """Stop the run; True when that was asked for."""
        return run_command(self.deployer, group(self.deployer).terminate(run_id=self.pathspec.rpartition("/")[2], **kwargs)) == 0


class KubeflowPipelinesDeployedFlow(DeployedFlow):
    """A flow deployed to Kubeflow Pipelines."""

    TYPE = "kubeflow-pipelines"

    @classmethod
    def list_deployed_flows(cls, flow_name=None):
        raise NotImplementedError("list_deployed_flows is not implemented for Kubeflow Pipelines: name the pipeline to from_deployment()")

    @classmethod
    def from_deployment(cls, identifier, metadata=None):
        """The flow of the pipeline of that name, also where its file is not: a
        stand-in has its parameters."""
        definition = read_definition(binary.run_json("deployed", "--pipeline", identifier)["definition_url"])
        project, top_level = project_of(definition)
        names = {p["name"]: parameter_info(p) for p in definition["parameters"]}
        with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False, encoding="utf-8") as file:
            file.write(generate_fake_flow_file_contents(flow_name=definition["flow"], param_info=names, project_name=project))
        deployer = Deployer(file.name, env={"METAFLOW_USER": definition["owner"]}, **top_level)
        # Under @project the pipeline's name follows from the branch.
        found = deployer.kubeflow_pipelines() if project else deployer.kubeflow_pipelines(name=identifier)
        # Its commands are those of the stand-in, which goes with it.
        weakref.finalize(found, pathlib.Path(file.name).unlink, missing_ok=True)
        found.name, found.flow_name, found.metadata = identifier, definition["flow"], metadata or get_metadata()
        return cls(deployer=found)

    @classmethod
    def get_triggered_run(cls, identifier, run_id, metadata=None):
        """A run of that pipeline by its id."""
        deployer = cls.from_deployment(identifier, metadata).deployer
        content = {"metadata": deployer.metadata, "pathspec": deployer.flow_name + "/" + run_id, "name": run_id}
        return KubeflowPipelinesTriggeredRun(deployer=deployer, content=json.dumps(content))

    def trigger(self, **kwargs):
        """Start a run; the arguments are the flow's parameters."""
        return self._started("trigger", **kwargs)

    def resume(self, origin_run_id, step=None):
        """Start a run that takes over what had succeeded in an earlier one."""
        return self._started("resume", origin_run_id=origin_run_id, **({"step": step} if step else {}))

    def _started(self, command, **kwargs):
        with temporary_fifo() as (path, fd):
            arguments = getattr(group(self.deployer), command)(deployer_attribute_file=path, **kwargs)
            pid = self.deployer.spm.run_command(
                [sys.executable, *arguments], env=self.deployer.env_vars, cwd=self.deployer.cwd, show_output=self.deployer.show_output
            )
            process = self.deployer.spm.get(pid)
            content = handle_timeout(fd, process, self.deployer.file_read_timeout)
            process.sync_wait()
            if process.process.returncode == 0:
                return KubeflowPipelinesTriggeredRun(deployer=self.deployer, content=content)
        raise RuntimeError("Error: %s of %s on %s failed" % (command, self.deployer.name, self.TYPE))


def group(deployer):
    return get_lower_level_group(deployer.api, deployer.top_level_kwargs, deployer.TYPE, deployer.deployer_kwargs)


def run_command(deployer, command):
    pid = deployer.spm.run_command([sys.executable, *command], env=deployer.env_vars, cwd=deployer.cwd, show_output=deployer.show_output)
    process = deployer.spm.get(pid)
    process.sync_wait()
    return process.process.returncode


def kfp_url(deployer):
    url = deployer.deployer_kwargs.get("url")
    return ["--kfp-url", url] if url else []


def read_definition(url):
    """A definition by its URL, <root>/<flow>/data/<two digits>/<sha1>."""
    kind = url.partition("://")[0] if "://" in url else "local"
    storage = next((d for d in DATASTORES if d.TYPE == kind or kind in ("https", "http") and d.TYPE == "azure"), None)
    parts = url.rsplit("/", 4)
    if storage is None or len(parts) != 5:
        raise KubeflowPipelinesException("The deployed flow's definition %s is in no datastore that Metaflow knows." % url)
    store = FlowDataStore(parts[1], None, storage_impl=storage, ds_root=parts[0])
    [(_, data)] = store.load_data([parts[4]])
    return json.loads(data)


def project_of(definition):
    """The project, if any, and the options that lead to the branch."""
    project = next((tag[len("project:") :] for tag in definition["system_tags"] if tag.startswith("project:")), None)
    options = {}
    for option in definition["top_options"] if project else ():
        name, given, value = option.lstrip("-").partition("=")
        options[name.replace("-", "_")] = value if given else True
    return project, {name: options[name] for name in ("branch", "production") if name in options}


def parameter_info(p):
    return {
        "name": p["name"], "python_var_name": p["name"].replace("-", "_"), "type": TYPES[p["type"]],
        "description": p.get("help", "").replace("'''", '"'), "is_required": p.get("required", False),
    }
