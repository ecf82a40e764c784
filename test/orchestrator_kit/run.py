"""Runs the checks and the tests of metaflow-orchestrator-kit against a laptop
stack. The suite looks for flows of these names; ours do what it looks at.

`make test-kit` makes what this needs and runs it.
"""

import pathlib
import subprocess
import sys
import tempfile

import metaflow_orchestrator_kit

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from harness.stack import Stack  # noqa: E402

CONFIG = """
backends:
  - name: kubeflow-pipelines
    scheduler_type: kubeflow-pipelines
    cluster: null
    decospec: null
    enabled: true
    deploy_args: {max_workers: 2}
"""


def main() -> int:
    suite = pathlib.Path(metaflow_orchestrator_kit.__file__).parent / "compliance"
    static = subprocess.run([sys.executable, "-m", "metaflow_orchestrator_kit.validate", str(ROOT / "python" / "metaflow_extensions" / "millrace")])
    with tempfile.TemporaryDirectory(prefix="millrace-kit-") as folder:
        scratch = pathlib.Path(folder)
        config = scratch / "ux_test_config.yaml"
        config.write_text(CONFIG)
        stack = Stack(scratch, slots=4).start()
        try:
            environment = stack.environment | {"PATH": f"{pathlib.Path(sys.executable).parent}:{stack.environment['PATH']}"}
            compliance = subprocess.run(
                [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(scratch), str(suite),
                 "--ux-config", str(config), "-v", "-W", "ignore", "--tb=short", *sys.argv[1:]],
                cwd=HERE / "flows", env=environment,
            )
        finally:
            stack.stop()
    print(f"checks of the source: exit {static.returncode}; compliance: exit {compliance.returncode}")
    return compliance.returncode


if __name__ == "__main__":
    sys.exit(main())
