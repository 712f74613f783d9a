"""Whatever hides pixels of an image, chips show the others, and black where there is nothing.

``docs/formats.md`` lists what passed here: ``BACKFILL_REWRITE_GOLDEN=1 pytest …`` writes its table.
"""

import numpy as np
import pytest

from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.imagery.picture import open_picture
from batch_job.settings import Stretch
from batch_job.values.image import ImageRef, SideFile
from tests.unit.formats.hidden import VALID, Hidden, hidden
from tests.unit.formats.test_formats import IMAGE, assert_listed, put_together

BESIDE = ImageRef(IMAGE.bucket, f"{IMAGE.key}.msk")
CASES = hidden()

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def shows_what_is_not_hidden(case: Hidden) -> bool:
    objects = {IMAGE: case.make()}
    if case.mask is not None:
        objects[BESIDE] = case.mask()
    etag = ObjectsInMemory(objects).read_range(BESIDE, etag=None, start=0, length=1).etag if case.mask else None
    mask = SideFile(BESIDE.key, etag) if etag else None
    with RasterOpener(ObjectsInMemory(objects))(IMAGE, etag=None, mask=mask) as source:
        whole, valid = put_together(open_picture(source, stretch=Stretch.JOINT), chip_px=64, overlap_px=13)
    off = np.abs(whole.astype(int) - case.seen)
    is_seen = off.mean() <= case.within if case.within else not off.any()
    return bool((valid == VALID).all() and is_seen and not whole[:, ~VALID].any())


def test_none_is_there_twice():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_not_hidden_is_shown(case: Hidden):
    assert shows_what_is_not_hidden(case)


def table() -> str:
    rows: dict[str, list[str]] = {}
    for case in CASES:
        if shows_what_is_not_hidden(case):
            rows.setdefault(case.by, []).append(case.kind)
    lines = [f"| {by} | {'; '.join(kinds)} |\n" for by, kinds in rows.items()]
    return "| hidden by | seen |\n|---|---|\n" + "".join(lines)


def test_the_page_lists_what_passes():
    assert_listed(table())
