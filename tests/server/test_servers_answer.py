import http.client
import socket

import pytest

from local import emulator
from local.emulator import EMULATOR
from local.servers import Servers

pytestmark = pytest.mark.server


def test_a_bucket_keeps_an_object_of_an_awkward_key(bucket, s3_client):
    s3_client.put_object(Bucket=bucket, Key="a b/é+1.tif", Body=b"x")
    assert s3_client.get_object(Bucket=bucket, Key="a b/é+1.tif")["Body"].read() == b"x"


def test_opensearch_is_the_pinned_version(client):
    assert client.info()["version"]["number"] == "3.6.0"


def test_servers_listen_on_this_machine_only(opensearch_url, s3_endpoint):
    for url in (opensearch_url, s3_endpoint):
        assert url.startswith("http://127.0.0.1:")
        connection = http.client.HTTPConnection("127.0.0.2", int(url.rpartition(":")[2]), timeout=2)
        with pytest.raises(ConnectionRefusedError):
            connection.connect()


def test_the_emulator_gives_up_a_port_that_was_taken_and_takes_another(tmp_path, monkeypatch):
    free_port = emulator._free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1]]
        monkeypatch.setattr(emulator, "_free_port", lambda: ports.pop() if ports else free_port())
        with Servers((EMULATOR,), tmp_path) as servers:
            assert not servers.url(EMULATOR).endswith(f":{taken.getsockname()[1]}")
