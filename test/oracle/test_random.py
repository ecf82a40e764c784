"""Random flows on the stack are what Metaflow's own runtime makes of them.

MILLRACE_ORACLE_SEED=N MILLRACE_ORACLE_RUNS=1 plays flow N again.
"""

import os

import pytest
from harness.fleet import Fleet
from harness.oracle import Oracle
from harness.paths import ORACLE_KEPT, ORACLE_NUMBERS, ORACLE_RESULTS
from harness.stack import Stack

SEED = int(os.environ.get("MILLRACE_ORACLE_SEED", ORACLE_NUMBERS.start))
RUNS = int(os.environ.get("MILLRACE_ORACLE_RUNS", len(ORACLE_NUMBERS)))
AT_ONCE = 3


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """All flows are on their way while the first is waited for."""
    folder = tmp_path_factory.mktemp("random")
    print(f"\nflows {SEED} to {SEED + RUNS - 1}")
    # A gang's pods wait for each other, so there are more places than a flow has tasks at once.
    stack = Stack(folder, slots=40).start()
    fleet = Fleet(stack, Oracle(folder / "plain", ORACLE_RESULTS, ORACLE_KEPT), folder, at_once=AT_ONCE)
    yield {number: fleet.start(number) for number in range(SEED, SEED + RUNS)}
    fleet.close()
    stack.stop()


@pytest.mark.parametrize("number", range(SEED, SEED + RUNS))
def test_random_flow(outcomes, number):
    outcome = outcomes[number].result()
    assert not outcome.differences, f"not what a plain run is: {outcome}"
