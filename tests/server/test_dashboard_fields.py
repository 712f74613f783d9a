"""The searches that Dashboards makes of the saved objects, against a real server with real documents."""

from collections import Counter

import pytest

from batch_job.adapters.opensearch import refresh
from batch_job.adapters.opensearch_labels import OpenSearchLabelIndex
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.errors import ErrorCode
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet, State
from batch_job.values.place import LonLat
from tests.saved_objects import aggregations, layers, objects, of_type, pattern_of, query, search_source, uses
from tests.search_examples import HARBOUR, described, entry, label, square

pytestmark = pytest.mark.server

FAR = 10**15
AGAIN = ImageRef("imagery", "harbour/again.tif")
BROKEN = ImageRef("imagery", "harbour/broken.tif")
NOWHERE = ImageRef("imagery", "photo.jpg")

LABELS = [
    label(0),
    label(1, confidence=99.0, length_m=40.0),
    label(2, label="Car", confidence=70.0, time="2020-01-01T00:00:00Z"),
    label(0, image=AGAIN, geometry=None, center=LonLat(10.4, 54.0)),
    label(0, image=NOWHERE, label="Swimming Pool", geometry=None, center=None, area_m2=None, length_m=None),
]
ANCIENT = label(3, label="Ship", time="1999-01-01T00:00:00Z", geometry=square(0, 0))
IMAGES = {
    HARBOUR: entry(HARBOUR, live=LabelSet(epoch=1, count=4)),
    AGAIN: entry(AGAIN, state=State.PROCESSING, epoch=2, live=LabelSet(epoch=1, count=1), described=described(AGAIN)),
    BROKEN: entry(
        BROKEN, state=State.FAILED, live=None, error_code=ErrorCode.UNREADABLE, error="no", described=described(BROKEN)
    ),
    NOWHERE: entry(
        NOWHERE,
        live=LabelSet(epoch=1, count=1),
        described=described(NOWHERE, footprint=None, center=None, crs=None, gsd_m=None, georeference="none"),
    ),
}


class Clock:
    def now_ms(self) -> int:
        return 0

    def reading_age_ms(self) -> int:
        return 0


@pytest.fixture(scope="module")
def indexed(client, shared_names):
    ledger = OpenSearchLedger(client, shared_names)
    for one in IMAGES.values():
        ledger.put(one, over=None)
    OpenSearchLabelIndex(client, shared_names, Clock()).write([*LABELS, ANCIENT], until_ms=FAR)
    refresh(client, shared_names)
    return shared_names


@pytest.fixture(scope="module")
def found(indexed):
    return objects(indexed)


@pytest.fixture(scope="module")
def ask(client, found):
    """Ask as the dashboard does, within its time range."""
    patterns = of_type(found, "index-pattern")
    [dashboard] = of_type(found, "dashboard").values()
    shown = dashboard["attributes"]

    def ask(alias, filters, **rest):
        time_field = patterns[alias]["attributes"]["timeFieldName"]
        wanted = query(filters, time_field=time_field, time_from=shown["timeFrom"], time_to=shown["timeTo"])
        return client.search(index=alias, body={"query": wanted, **rest})

    return ask


def visualized(found, ask, identity):
    one = of_type(found, "visualization")[identity]
    filters = search_source(one)["filter"]
    return ask(pattern_of(one), filters, size=0, aggs=aggregations(one))["aggregations"]


def searched(found, ask, identity):
    one = of_type(found, "search")[identity]
    sort = [{field: order} for field, order in one["attributes"]["sort"]]
    hits = ask(pattern_of(one), search_source(one)["filter"], size=500, sort=sort)["hits"]["hits"]
    return one["attributes"]["columns"], [hit["_source"] for hit in hits]


def test_the_server_can_search_show_and_aggregate_every_field_that_an_object_names(client, found):
    for use in uses(found):
        fields = client.field_caps(index=use.alias, params={"fields": use.field})["fields"]
        [caps] = fields[use.field].values()
        assert caps["searchable"], use
        assert caps["aggregatable"] or use.purpose in ("show", "draw", "filter"), use


def test_the_cloud_counts_labels(found, ask, indexed):
    answer = visualized(found, ask, f"{indexed.prefix}-label-cloud")
    assert {one["key"]: one["doc_count"] for one in answer["2"]["buckets"]} == Counter(one.label for one in LABELS)


def test_the_chart_counts_each_label_in_its_time(found, ask, indexed):
    answer = visualized(found, ask, f"{indexed.prefix}-labels-over-time")
    counted = {
        (time["key_as_string"][:4], one["key"]): one["doc_count"]
        for time in answer["2"]["buckets"]
        for one in time["3"]["buckets"]
    }
    assert counted == Counter((one.time[:4], one.label) for one in LABELS)


def test_the_table_says_of_each_image_how_many_how_sure_and_how_long(found, ask, indexed):
    answer = visualized(found, ask, f"{indexed.prefix}-labels-by-image")
    rows = {
        one["key"]: (one["doc_count"], one["2"]["value"], one["3"]["value"], one["4"]["value"])
        for one in answer["5"]["buckets"]
    }
    assert rows == {
        HARBOUR.uri: (3, 2, 99.0, 40.0),
        AGAIN.uri: (1, 1, 91.5, 18.25),
        NOWHERE.uri: (1, 1, 91.5, None),
    }


def test_the_search_of_labels_finds_them_the_newest_first_with_every_column(found, ask, indexed):
    columns, sources = searched(found, ask, f"{indexed.prefix}-found-labels")
    assert sorted(one["id"] for one in sources) == sorted(one.id for one in LABELS)
    assert sources[-1]["label"] == "Car"
    assert set(columns) <= set(sources[-1])


def test_the_search_of_images_finds_those_whose_labels_count_whatever_is_being_done_with_them(found, ask, indexed):
    columns, sources = searched(found, ask, f"{indexed.prefix}-searchable-images")
    assert {one["uri"] for one in sources} == {HARBOUR.uri, AGAIN.uri, NOWHERE.uri}
    [harbour] = [one for one in sources if one["uri"] == HARBOUR.uri]
    assert {column.partition(".")[0] for column in columns} <= set(harbour)


def extent(source, *, west, south, east, north):
    """What the maps plugin adds to a layer's search: only what is in sight."""
    if source["geoFieldType"] == "geo_point":
        corners = {"top_left": {"lon": west, "lat": north}, "bottom_right": {"lon": east, "lat": south}}
        return {"geo_bounding_box": {source["geoFieldName"]: corners}}
    shape = {"type": "envelope", "coordinates": [[west, north], [east, south]]}
    return {"geo_shape": {source["geoFieldName"]: {"shape": shape, "relation": "INTERSECTS"}}}


def drawn(found, ask, **limits):
    """The places that each layer draws, by its field."""
    [the_map] = of_type(found, "map").values()
    places = {}
    for layer in layers(the_map):
        source = layer["source"]
        answer = ask(
            source["indexPatternRefName"],
            source["filters"],
            size=source["documentRequestNumber"],
            _source=[source["geoFieldName"], *source["tooltipFields"]],
            **({"post_filter": extent(source, **limits)} if limits else {}),
        )
        hits = [hit["_source"] for hit in answer["hits"]["hits"]]
        assert all(source["tooltipFields"][0] in hit for hit in hits)
        places[source["geoFieldName"]] = [hit[source["geoFieldName"]] for hit in hits]
    return places


def test_map_layers_find_what_has_a_place_in_a_form_that_can_be_drawn(found, ask):
    places = drawn(found, ask)  # servers 3.0 to 3.5 do not limit shapes to what is in sight
    assert [place["type"] for place in places["footprint"]] == ["Polygon", "Polygon"]
    assert [place["type"] for place in places["geometry"]] == ["Polygon", "Polygon", "Polygon"]
    assert sorted(place["lon"] for place in places["center"]) == [10.0, 10.0, 10.0, 10.4]
    assert all(set(place) == {"lon", "lat"} for place in places["center"])


def test_map_layers_find_what_is_in_sight(found, ask):
    places = drawn(found, ask, west=10.3, south=53.9, east=10.5, north=54.1)
    assert {field: len(found) for field, found in places.items()} == {"footprint": 0, "geometry": 0, "center": 1}
