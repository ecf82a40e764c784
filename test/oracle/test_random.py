"""Random flows on the stack are what Metaflow's own runtime makes of them.

A seed is a flow: MILLRACE_ORACLE_SEED=N MILLRACE_ORACLE_RUNS=1 plays one again.
"""

import os

import pytest
from harness.fleet import Fleet
from harness.oracle import Oracle
from harness.paths import ORACLE_KEPT, ORACLE_RESULTS, ORACLE_SEEDS
from harness.stack import Stack

SEED = int(os.environ.get("MILLRACE_ORACLE_SEED", ORACLE_SEEDS.start))
RUNS = int(os.environ.get("MILLRACE_ORACLE_RUNS", len(ORACLE_SEEDS)))
AT_ONCE = 3


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """All flows are on their way while the first is waited for."""
    folder = tmp_path_factory.mktemp("random")
    print(f"\nseeds {SEED} to {SEED + RUNS - 1}")
    # A gang's pods wait for each other, so there are more places than a flow has tasks at once.
    stack = Stack(folder, slots=40).start()
    fleet = Fleet(stack, Oracle(folder / "plain", ORACLE_RESULTS, ORACLE_KEPT), folder, at_once=AT_ONCE)
    yield {seed: fleet.start(seed) for seed in range(SEED, SEED + RUNS)}
    fleet.close()
    stack.stop()


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_random_flow(outcomes, seed):
    outcome = outcomes[seed].result()
    assert not outcome.differences, f"not what a plain run is: {outcome}"
