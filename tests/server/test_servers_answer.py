import urllib.request

import pytest

pytestmark = pytest.mark.server


def test_a_bucket_can_be_used(bucket, s3_client):
    s3_client.put_object(Bucket=bucket, Key="a b/é+1.tif", Body=b"x")
    assert s3_client.get_object(Bucket=bucket, Key="a b/é+1.tif")["Body"].read() == b"x"


def test_opensearch_answers(opensearch_url):
    with urllib.request.urlopen(opensearch_url, timeout=5) as answer:
        assert answer.status == 200
