"""The tree of errors."""

import inspect

from batch_job import errors
from batch_job.errors import BackfillError, DeploymentError, InputError, PermanentError, TransientError


def _all() -> list[type[BackfillError]]:
    found = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, BackfillError)]
    assert len(found) > 15
    return found


def test_every_error_says_who_can_help():
    branches = {BackfillError, PermanentError}
    for one in _all():
        assert one in branches or issubclass(one, (TransientError, InputError, DeploymentError)), one


def test_every_error_is_drawn_in_the_tree():
    for one in _all():
        assert one.__name__ in (errors.__doc__ or "")


def test_exit_codes_are_those_of_sysexits():
    assert (TransientError.exit_code, InputError.exit_code, DeploymentError.exit_code) == (75, 65, 78)
