import sys

import pytest

from batch_job.errors import SetUpError
from local.emulation.entrypoint import BATCH_JOB, Entrypoint, parse_entrypoint, read_entrypoint


def test_python_is_this_interpreter():
    found = parse_entrypoint('FROM x\nENTRYPOINT ["/usr/local/bin/python3", "-m", "batch_job"]\nCMD ["--help"]\n')
    assert found == Entrypoint((sys.executable, "-m", "batch_job"), ("--help",))
    assert found.with_command(("a",)) == (sys.executable, "-m", "batch_job", "a")
    assert found.with_command(()) == (sys.executable, "-m", "batch_job", "--help")


def test_only_the_last_stage_counts():
    text = 'FROM a AS build\nENTRYPOINT ["make"]\nFROM b\nCMD ["python", "-V"]\n'
    assert parse_entrypoint(text).with_command(()) == (sys.executable, "-V")


def test_an_entrypoint_drops_the_command_before_it():
    assert parse_entrypoint('FROM a\nCMD ["x"]\nENTRYPOINT ["y"]\n').with_command(()) == ("y",)


def test_lines_may_be_continued_and_commented():
    text = 'FROM a\nentrypoint ["python", \\\n# why\n  "-m", "x"]\n'
    assert parse_entrypoint(text).argv == (sys.executable, "-m", "x")


def test_the_shell_form_goes_through_a_shell():
    assert parse_entrypoint("FROM a\nENTRYPOINT exec top\n").argv == ("/bin/sh", "-c", "exec top")


def test_what_is_no_list_is_refused():
    with pytest.raises(SetUpError, match="no list"):
        parse_entrypoint('FROM a\nENTRYPOINT ["python"\n')


def test_without_a_dockerfile_jobs_are_those_of_the_package(tmp_path):
    assert read_entrypoint(tmp_path) == BATCH_JOB
