"""What is fetched, checked and unpacked, tried on an archive of our own."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from batch_job.errors import SetUpError
from local import emulator, opensearch
from local.servers import say_nothing

FILES = (
    "bin/opensearch",
    "lib/opensearch.jar",
    "lib/tools/plugin-cli/x.jar",
    "agent/opensearch-agent.jar",
    "modules/geo/geo.jar",
    "modules/analysis-common/a.jar",
    "modules/ingest-geoip/g.jar",
)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """What the repository has; every request brings a copy of it."""
    source = tmp_path / "source.zip"
    with zipfile.ZipFile(source, "w") as content:
        for name in FILES:
            content.writestr(f"opensearch-3.6.0/{name}", name)
    monkeypatch.setenv(opensearch.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(opensearch, "SHA256", hashlib.sha256(source.read_bytes()).hexdigest())
    asked: list[Path] = []

    def resolve(downloads: Path) -> Path:
        target = downloads / "opensearch.zip"
        downloads.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_bytes(source.read_bytes())
        asked.append(target)
        return target

    monkeypatch.setattr(opensearch, "_resolve", resolve)
    return asked


def test_the_server_is_unpacked_without_what_must_not_be_there(archive, tmp_path):
    home = opensearch.installed(say_nothing)
    assert home == tmp_path / "cache" / "opensearch-3.6.0"
    files = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert files == {"lib/opensearch.jar", "agent/opensearch-agent.jar", "modules/geo/geo.jar"}
    assert (home / "bin").is_dir()
    assert (home / "plugins").is_dir()
    assert sorted(path.name for path in home.parent.iterdir()) == ["fetch.lock", "opensearch-3.6.0"]


def test_the_second_time_nothing_is_fetched(archive):
    opensearch.installed(say_nothing)
    opensearch.installed(say_nothing)
    assert len(archive) == 1


def test_an_unpacking_that_was_broken_off_is_done_again(archive, tmp_path):
    broken = tmp_path / "cache" / "opensearch-3.6.0.part" / "opensearch-3.6.0" / "lib"
    broken.mkdir(parents=True)
    (broken / "half.jar").write_bytes(b"")
    home = opensearch.installed(say_nothing)
    assert [path.name for path in (home / "lib").iterdir()] == ["opensearch.jar"]


def test_a_download_that_was_broken_off_is_fetched_once_more(archive, tmp_path):
    half = tmp_path / "cache" / "downloads" / "opensearch.zip"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    assert opensearch.installed(say_nothing).is_dir()
    assert len(archive) == 2


def test_an_archive_of_another_digest_is_refused_and_not_kept(archive, monkeypatch, tmp_path):
    monkeypatch.setattr(opensearch, "SHA256", "0" * 64)
    with pytest.raises(SetUpError, match=r"came with SHA-256 [0-9a-f]{64}, twice, and 0{64} is expected"):
        opensearch.installed(say_nothing)
    assert len(archive) == 2
    assert not archive[0].exists()
    assert not (tmp_path / "cache" / "opensearch-3.6.0").exists()


def test_without_a_network_the_message_names_what_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv(opensearch.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv(opensearch.MIRROR_VARIABLE, "http://127.0.0.1:1/maven2/")
    with pytest.raises(SetUpError) as caught:
        opensearch.installed(say_nothing)
    message = str(caught.value)
    assert "cannot fetch org.opensearch.distribution.integ-test-zip:opensearch:3.6.0:zip" in message
    assert "http://127.0.0.1:1/maven2" in message
    assert "HTTPS_PROXY" in message
    assert opensearch.MIRROR_VARIABLE in message


def test_only_root_needs_the_flag_that_lets_root_in(archive, monkeypatch, tmp_path):
    flag = "-Djna.noclasspath=true"
    lines: list[str] = []
    monkeypatch.setattr(opensearch.os, "geteuid", lambda: 1000)
    assert flag not in opensearch.OPENSEARCH.prepare(tmp_path / "user", lines.append).argv
    assert "root" not in "".join(lines)
    monkeypatch.setattr(opensearch.os, "geteuid", lambda: 0)
    assert flag in opensearch.OPENSEARCH.prepare(tmp_path / "root", lines.append).argv
    assert "OpenSearch runs as root here" in lines[-1]


def test_the_server_listens_on_this_machine_only_on_a_free_port(archive, tmp_path):
    argv = opensearch.prepare(tmp_path / "node", say_nothing).argv
    assert {"-Enetwork.host=127.0.0.1", "-Ehttp.port=0", "-Etransport.port=0"} <= set(argv)
    settings = [argument.partition("=")[0] for argument in argv if argument.startswith("-E")]
    assert len(settings) == len(set(settings)), "the same setting twice is an error"


def test_another_version_of_the_emulator_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(emulator, "version", lambda _name: "9.9.9")
    with pytest.raises(SetUpError, match=r"ministack 9\.9\.9 is installed, 1\.5\.33 is needed: pip install"):
        emulator.prepare(tmp_path, say_nothing)


def test_the_emulator_gets_an_environment_without_anybodys_account(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "DOCKER_HOST"):
        monkeypatch.setenv(name, "mine")
    given = emulator.environment(tmp_path, 4567)
    assert "mine" not in given.values()
    assert given["BIND_HOST"] == given["MINISTACK_HOST"] == "127.0.0.1"
    assert given["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4567"
