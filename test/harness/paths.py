"""Where things are in the repository."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "bin"
FAILPOINT_BIN = ROOT / ".cache" / "failpoints"
TOOLS = ROOT / ".cache" / "bin"
FLOWGEN = ROOT / ".cache" / "flowgen"
PYTHON = ROOT / ".venv" / "bin" / "python"
# That with the oldest Metaflow which is supported.
OLDEST_PYTHON = ROOT / ".venv-oldest" / "bin" / "python"
CLIENT_PYTHON = ROOT / ".venv-client" / "bin" / "python"
EXAMPLES = ROOT / "examples"
# What stands in for things of the world outside.
EMULATED = ROOT / "test" / "harness" / "emulated"
FLOWS = ROOT / "test" / "e2e" / "flows"
# What plain runs of random flows came to: those of CI, and those made here.
ORACLE_RESULTS = ROOT / "test" / "oracle" / "results"
ORACLE_NUMBERS = range(120, 132)
ORACLE_KEPT = ROOT / ".cache" / "oracle"
BYTECODE = ROOT / "test" / "harness" / "bytecode"
