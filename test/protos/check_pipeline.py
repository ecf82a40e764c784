"""Parse compiled pipelines strictly with the current protos of KFP.

    check_pipeline.py FILE...      (python with requirements-kfp.txt installed)

A file holds two JSON documents with a line `---` between them. An unknown
field or a wrong type is an error, as it is at the server. What the protos
cannot say (references between the parts) is checked too.
"""

import importlib.metadata
import importlib.util
import json
import re
import sys

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as spec_pb2


def load_platform_protos():
    """kfp.kubernetes imports the whole SDK; its protos do not need it."""
    for file in importlib.metadata.files("kfp-kubernetes") or []:
        if file.name == "kubernetes_executor_config_pb2.py":
            spec = importlib.util.spec_from_file_location("kubernetes_executor_config_pb2", file.locate())
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise SystemExit("kfp-kubernetes has no kubernetes_executor_config_pb2.py")


kubernetes_pb2 = load_platform_protos()

ARGO_NAME = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*$")


def parse(message, value):
    json_format.ParseDict(value, message, ignore_unknown_fields=False)
    return message


def check(path):
    with open(path) as f:
        pipeline_text, platform_text = f.read().split("\n---\n")
    pipeline_json, platform_json = json.loads(pipeline_text), json.loads(platform_text)
    pipeline = parse(spec_pb2.PipelineSpec(), pipeline_json)
    # deploymentSpec and the executors of the platform are Structs: their
    # types are only applied inside the server.
    deployment = parse(spec_pb2.PipelineDeploymentConfig(), pipeline_json["deploymentSpec"])
    parse(spec_pb2.PlatformSpec(), platform_json)
    pods = platform_json["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for label, pod in pods.items():
        parse(kubernetes_pb2.KubernetesExecutorConfig(), pod)
        assert label in deployment.executors, label

    assert pipeline.schema_version == "2.1.0", pipeline.schema_version
    assert re.match(r"[a-z0-9]", pipeline.pipeline_info.name), pipeline.pipeline_info.name
    seen = {}
    for label, executor in deployment.executors.items():
        text = executor.container.SerializeToString(deterministic=True)
        assert text not in seen, "%s and %s have equal containers" % (label, seen.get(text))
        seen[text] = label
        assert executor.container.command, label
    for name, component in pipeline.components.items():
        assert ARGO_NAME.match(name), name
        check_component(pipeline, deployment, name, component)
    check_component(pipeline, deployment, "root", pipeline.root)


def check_component(pipeline, deployment, name, component):
    if component.executor_label:
        assert component.executor_label in deployment.executors, name
        return
    tasks = component.dag.tasks
    check_order(name, tasks)
    read = {}
    for key, task in tasks.items():
        assert ARGO_NAME.match(key), key
        callee = pipeline.components[task.component_ref.name]
        where = "%s/%s" % (name, key)
        inputs = callee.input_definitions.parameters
        for dependency in task.dependent_tasks:
            assert dependency in tasks, where + " depends on " + dependency
        for given, source in task.inputs.parameters.items():
            assert given in inputs, where + " gives " + given
            if source.component_input_parameter:
                assert source.component_input_parameter in component.input_definitions.parameters, where
            if source.HasField("task_output_parameter"):
                output = source.task_output_parameter
                producer = pipeline.components[tasks[output.producer_task].component_ref.name]
                declared = producer.output_definitions.parameters
                assert output.output_parameter_key in declared, where + " wants " + output.output_parameter_key
                assert declared[output.output_parameter_key].parameter_type == inputs[given].parameter_type, where
                assert not tasks[output.producer_task].HasField("parameter_iterator"), where + " reads from a pool"
                assert output.producer_task in task.dependent_tasks, where + " may run before " + output.producer_task
                read.setdefault(output.producer_task, set()).add(output.output_parameter_key)
        if task.HasField("parameter_iterator"):
            assert task.parameter_iterator.item_input in inputs, where
            assert task.parameter_iterator.items.input_parameter in task.inputs.parameters, where
        for wanted, definition in inputs.items():
            given = wanted in task.inputs.parameters or wanted == task.parameter_iterator.item_input
            assert given or definition.is_optional, "%s lacks %s" % (where, wanted)
        if component is not pipeline.root or key != "flow":
            policy = task.retry_policy
            assert policy.backoff_max_duration.seconds >= 31536000, where + " would never be retried"
    for key, task in tasks.items():
        declared = set(pipeline.components[task.component_ref.name].output_definitions.parameters)
        assert declared == read.get(key, set()), "%s/%s declares %s" % (name, key, declared)


def check_order(name, tasks):
    """No task waits, through others, for itself."""
    done = set()
    while len(done) < len(tasks):
        ready = {key for key, task in tasks.items() if key not in done and done.issuperset(task.dependent_tasks)}
        assert ready, "%s: %s wait for each other" % (name, sorted(set(tasks) - done))
        done |= ready


if __name__ == "__main__":
    for path in sys.argv[1:]:
        check(path)
        print("ok", path)
