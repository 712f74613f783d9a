"""An image that says nothing of its place, and the files beside it."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer
from rasterio import Affine
from rasterio.io import MemoryFile

from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.memory import MemoryArchiveStore, MemoryObjectStore
from batch_job.adapters.planted import PlantedDetector, PlantedObject
from batch_job.adapters.ranges import ObjectsInMemory
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.side_files import SideFileReader
from batch_job.errors import ChangedError, UnreadableImageError
from batch_job.ports import Keep
from batch_job.process import Pipeline
from batch_job.settings import PipelineSettings
from batch_job.spend.archive import Archive
from batch_job.tally import Tally
from batch_job.values.answers import Answer
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.spaces import Chip, PixelBox
from batch_job.values.work import Processed, Work
from tests.end_to_end.files import HEIGHT, WIDTH, picture, tiff
from tests.unit.test_process import Holding, Nobody

IMAGE = ImageRef("imagery", "a/b.jpg")
SETTINGS = PipelineSettings.load(detector="http@http://model", chip_px=512)
CAR = PlantedObject("Car", 91.0, PixelBox(min_col=100, min_row=120, max_col=160, max_row=150))
TO_LONLAT = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)

WORLD = b"0.5\n0\n0\n-0.5\n400000.25\n4999999.75\n"
MOVED = WORLD.replace(b"400000.25", b"410000.25")
UTM = b"<PAMDataset><SRS>EPSG:32633</SRS></PAMDataset>"
TURNED = 6
"""EXIF: the file's rows are columns, from the right, of what is seen."""


def photo(orientation: int = 1) -> bytes:
    exif, body = Image.Exif(), io.BytesIO()
    exif[274] = orientation
    Image.fromarray(picture().transpose(1, 2, 0)).save(body, "JPEG", quality=95, exif=exif)
    return body.getvalue()


class Counted:
    """Reads side files, and counts."""

    def __init__(self, reader: SideFileReader) -> None:
        self.reader, self.keys = reader, []

    def __call__(self, image: ImageRef, side_file: SideFile) -> bytes:
        self.keys.append(side_file.key)
        return self.reader(image, side_file)


class Bench:
    """A bucket with an image and what lies beside it; the archive stays when a run is over."""

    def __init__(self, body: bytes, **beside: bytes) -> None:
        self.body, self.archive = body, Archive(MemoryArchiveStore())
        self.put(**beside)

    def put(self, **beside: bytes) -> None:
        keys = {"jgw": "a/b.jgw", "aux": "a/b.jpg.aux.xml", "msk": "a/b.jpg.msk"}
        bodies = {IMAGE: self.body} | {ImageRef("imagery", keys[end]): body for end, body in beside.items()}
        store = MemoryObjectStore()
        facts = {image: store.put(image, body) for image, body in bodies.items()}
        self.facts = facts.pop(IMAGE)
        self.sides = tuple(sorted(SideFile(image.key, each.etag) for image, each in facts.items()))
        self.objects = ObjectsInMemory(bodies)
        self.reads = Counted(SideFileReader(self.objects))

    def process(self, detector) -> Processed:
        pipeline = Pipeline(
            open_raster=RasterOpener(self.objects),
            detector=detector,
            transform=GdalGroundTransform(),
            settings=SETTINGS,
            progress=Tally(),
            archive=self.archive,
            read_side_file=self.reads,
        )
        version = ImageVersion(self.facts.etag, self.sides, SETTINGS.detection_fingerprint, SETTINGS.index_fingerprint)
        return pipeline.process(Work(IMAGE, self.facts, version, 1), Holding())


def mask(*, hidden_cols: int) -> bytes:
    """GDAL's mask of the photograph, of which so many columns on the left are none."""
    shown = np.full((1, HEIGHT, WIDTH), 255, np.uint8)
    shown[..., :hidden_cols] = 0
    facts = {"driver": "GTiff", "count": 1, "height": HEIGHT, "width": WIDTH, "dtype": "uint8", "transform": ANY}
    with MemoryFile() as file:
        with file.open(**facts) as made:
            made.write(shown)
            made.update_tags(INTERNAL_MASK_FLAGS_1="2", INTERNAL_MASK_FLAGS_2="2", INTERNAL_MASK_FLAGS_3="2")
        return bytes(file.read())


ANY = Affine(2, 0, 0, 0, -2, 0)
"""A mask is placed by its image."""


class Looking(PlantedDetector):
    """Keeps the chips that it sees."""

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        self.seen = list(chips)
        return super().detect(self.seen, keep=keep)


def assert_at(done: Processed, *, x: float, y: float) -> None:
    [label] = done.labels
    lon, lat = TO_LONLAT.transform(x, y)
    assert (label.center.lon, label.center.lat) == (pytest.approx(lon, abs=1e-8), pytest.approx(lat, abs=1e-8))


def test_a_world_file_and_a_crs_beside_a_photograph_place_it():
    done = Bench(photo(), jgw=WORLD, aux=UTM).process(PlantedDetector((CAR,)))
    assert_at(done, x=400_000 + 130 * 0.5, y=5_000_000 - 135 * 0.5)
    described = done.described
    assert (described.georeference, described.georeference_from) == ("affine", "a/b.jgw")
    assert (described.crs, described.georeference_error_m, described.georeference_note) == ("EPSG:32633", 0.0, None)


def test_files_beside_a_turned_photograph_are_of_the_pixels_as_they_lie():
    seen = PlantedObject("Car", 91.0, PixelBox(min_col=100, min_row=120, max_col=160, max_row=150))
    done = Bench(photo(TURNED), jgw=WORLD, aux=UTM).process(PlantedDetector((seen,)))
    assert (done.described.width, done.described.height) == (HEIGHT, WIDTH)
    # seen column 130 of 300 is row 300 - 130 of the file, seen row 135 its column
    assert_at(done, x=400_000 + 135 * 0.5, y=5_000_000 - (HEIGHT - 130) * 0.5)


def test_another_world_file_moves_the_labels_without_a_call_and_is_read_once():
    bench = Bench(photo(), jgw=WORLD, aux=UTM)
    bench.process(PlantedDetector((CAR,)))
    bench.put(jgw=MOVED, aux=UTM)
    assert_at(bench.process(Nobody()), x=410_000 + 130 * 0.5, y=5_000_000 - 135 * 0.5)
    assert bench.reads.keys == ["a/b.jpg.aux.xml", "a/b.jgw"]
    bench.process(Nobody())
    assert len(bench.reads.keys) == 2


def test_beside_an_image_with_a_place_nothing_is_read():
    bench = Bench(tiff(picture()), jgw=MOVED, aux=b"<PAMDataset/>")
    assert bench.process(PlantedDetector((CAR,))).described.georeference_from is None
    assert bench.reads.keys == []


def test_a_side_file_that_changed_meanwhile_is_a_change_of_the_image():
    bench = Bench(photo(), jgw=WORLD, aux=UTM)
    bench.sides = tuple(replace(side, etag="older") for side in bench.sides)
    with pytest.raises(ChangedError):
        bench.process(PlantedDetector((CAR,)))


def test_a_broken_side_file_costs_the_place_only():
    done = Bench(photo(), jgw=b"five words of no use", aux=UTM).process(PlantedDetector((CAR,)))
    assert [(label.label, label.center) for label in done.labels] == [("Car", None)]
    assert done.described.georeference == "none"
    assert "b.jgw: " in done.described.georeference_note


# ---- a mask


def pixels_of(chip: Chip) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(chip.body)).convert("L"))


def test_what_a_mask_beside_an_image_hides_is_black_in_its_chips():
    looking = Looking((CAR,))
    Bench(photo(), msk=mask(hidden_cols=104)).process(looking)
    [chip] = looking.seen
    shown = pixels_of(chip)
    assert shown[:, :96].max() <= 2
    assert shown[:, 112:].min() >= 40


def test_of_a_turned_photograph_the_mask_is_of_the_pixels_as_they_lie():
    looking = Looking((CAR,))
    Bench(photo(TURNED), msk=mask(hidden_cols=104)).process(looking)
    shown = pixels_of(looking.seen[0])
    assert shown.shape == (WIDTH, HEIGHT)
    assert shown[:96].max() <= 2
    assert shown[112:].min() >= 40


def test_an_image_that_is_hidden_as_a_whole_costs_nothing():
    looking = Looking((CAR,))
    done = Bench(photo(), msk=mask(hidden_cols=WIDTH)).process(looking)
    assert looking.seen == []
    assert (done.described.chips.blank, list(done.labels)) == (1, [])


def test_another_mask_is_paid_for_anew_and_another_world_file_is_not():
    bench = Bench(photo(), msk=mask(hidden_cols=50), jgw=WORLD, aux=UTM)
    bench.process(PlantedDetector((CAR,)))
    bench.put(msk=mask(hidden_cols=50), jgw=MOVED, aux=UTM)
    bench.process(Nobody())
    for other in ({"msk": mask(hidden_cols=60)}, {}):
        bench.put(**other, jgw=MOVED, aux=UTM)
        looking = Looking((CAR,))
        bench.process(looking)
        assert len(looking.seen) == 1
    bench.put(msk=mask(hidden_cols=50), jgw=WORLD, aux=UTM)
    bench.process(Nobody())


def test_a_broken_mask_is_an_input_failure_that_names_it():
    with pytest.raises(UnreadableImageError, match=r"a/b\.jpg\.msk"):
        Bench(photo(), msk=mask(hidden_cols=50)[:90]).process(Nobody())


def test_a_mask_that_changed_meanwhile_is_a_change_of_the_image():
    bench = Bench(photo(), msk=mask(hidden_cols=50))
    bench.sides = tuple(replace(side, etag="older") for side in bench.sides)
    with pytest.raises(ChangedError):
        bench.process(Nobody())
