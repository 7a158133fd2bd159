"""The fixtures `stack`, the real servers, and `slurm`.

One worker runs all tests of this directory, because they share them.
"""

from pathlib import Path

import pytest

from tests import slurm as real_slurm
from tests.stack.servers import running

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("stack"))
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """All servers, up for as long as the tests run. What one test has sent the next one sees: use names of your own."""
    with running(tmp_path_factory.mktemp("stack")) as servers:
        yield servers


@pytest.fixture(scope="session")
def slurm():
    """A Slurm with two nodes, up for as long as the tests run; its tests are marked `programs`."""
    with real_slurm.running() as running_slurm:
        yield running_slurm


@pytest.fixture(autouse=True)
def _every_server_is_up(stack):
    """A test may stop one; the next test finds it running."""
    stack.ensure_running()
