import http.client

import pytest

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
