"""Random flows on the stack are what Metaflow's own runtime makes of them.

A seed is a flow: MILLRACE_ORACLE_SEED=N MILLRACE_ORACLE_RUNS=1 plays one again.
MILLRACE_ORACLE_OPTIONS are the generator's, such as "-with gang".
"""

import os

import pytest
from harness.fleet import Fleet
from harness.oracle import Oracle
from harness.paths import ORACLE_KEPT, ORACLE_RESULTS
from harness.stack import Stack

SEED = int(os.environ.get("MILLRACE_ORACLE_SEED", "1"))
RUNS = int(os.environ.get("MILLRACE_ORACLE_RUNS", "12"))
OPTIONS = tuple(os.environ.get("MILLRACE_ORACLE_OPTIONS", "-without gang").split())
AT_ONCE = 3


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """All flows are on their way while the first is waited for."""
    folder = tmp_path_factory.mktemp("random")
    print(f"\nseeds {SEED} to {SEED + RUNS - 1}")
    # A gang's pods wait for each other, so there are more places than a flow has tasks at once.
    stack = Stack(folder, slots=40).start()
    fleet = Fleet(stack, Oracle(folder / "plain", ORACLE_RESULTS, ORACLE_KEPT), folder, at_once=AT_ONCE, options=OPTIONS)
    yield {seed: fleet.start(seed) for seed in range(SEED, SEED + RUNS)}
    fleet.close()
    stack.stop()


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_random_flow(outcomes, seed):
    outcome = outcomes[seed].result()
    assert not outcome.differences, f"not what a plain run is: {outcome}"
