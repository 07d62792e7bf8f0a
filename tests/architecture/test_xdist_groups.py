"""Two processes share the tests without building a network twice."""

import os


def test_the_tests_of_a_file_stay_together(request):
    """Some versions of pytest and pytest-xdist forget the groups and say nothing: the run takes half as long again."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@architecture/test_xdist_groups")
