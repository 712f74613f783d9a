"""A mask in a file beside an image, ``scene.tif.msk``: rasterio, which finds it by its name, is the oracle."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from batch_job.adapters import raster_mask
from batch_job.adapters.ranges import LocalFiles, ObjectsInMemory, Portion
from batch_job.adapters.raster import RasterOpener
from batch_job.errors import ChangedError, InputError, UnreadableImageError, UnsupportedImageError
from batch_job.imagery.grid import windows
from batch_job.imagery.orientation import upright
from batch_job.imagery.picture import open_picture
from batch_job.ports import RasterSource
from batch_job.settings import Stretch
from batch_job.values.image import LOCAL_FILES, ImageRef, SideFile, mask_of
from batch_job.values.spaces import ChipGrid, Window
from tests.unit.adapters.test_raster_pass import LAYOUTS, RGB, noise, put_together

WIDTH, HEIGHT = 410, 330

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


BLOCKS = {"tiled": True, "blockxsize": 64, "blockysize": 64}


def for_all(bands: int = 3) -> dict[str, str]:
    """What GDAL writes of a mask in one band for an image of so many."""
    return {f"INTERNAL_MASK_FLAGS_{band}": "2" for band in range(1, bands + 1)}


def for_each(bands: int = 3) -> dict[str, str]:
    return {f"INTERNAL_MASK_FLAGS_{band}": "0" for band in range(1, bands + 1)}


def speckled(height: int = HEIGHT, width: int = WIDTH, *, bands: int = 1, seed: int = 9) -> NDArray[np.uint8]:
    """A large hole, small ones, and a part without any."""
    mask = np.where(np.random.default_rng(seed).random((bands, height, width)) < 0.1, 0, 255).astype(np.uint8)
    mask[:, : height // 3, : width // 2] = 0
    mask[:, height // 2 :, width // 2 :] = 255
    return mask


class Files:
    """An image in a folder and what lies beside it, as rasterio reads them and as we do."""

    def __init__(self, folder: Path, name: str = "scene.tif") -> None:
        self.image = folder / name
        self.mask = folder / f"{name}.msk"

    def write(self, pixels: NDArray[Any], **profile: Any) -> "Files":
        self._tiff(self.image, pixels, {}, profile)
        return self

    def write_mask(self, mask: NDArray[Any], tags: dict[str, str] | None = None, **profile: Any) -> "Files":
        self._tiff(self.mask, mask, for_all() if tags is None else tags, {"compress": "deflate", **profile})
        return self

    def _tiff(self, path: Path, pixels: NDArray[Any], tags: dict[str, str], profile: dict[str, Any]) -> None:
        bands, height, width = pixels.shape
        copies = profile.pop("copies", ())
        facts = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
        with rasterio.open(path, "w", **{**facts, **profile}) as made:
            made.write(pixels)
            made.update_tags(**tags)
        if copies:
            with rasterio.open(path, "r+") as made:
                made.build_overviews(list(copies), rasterio.enums.Resampling.nearest)

    @contextmanager
    def opened(self, **objects: Any) -> Iterator[RasterSource]:
        ref = ImageRef(LOCAL_FILES, str(self.image))
        mask = mask_of(ref, [SideFile(str(self.mask), "1")])
        with RasterOpener(ObjectsInMemory({}), **objects)(ref, etag=None, mask=mask) as source:
            yield source

    def theirs(self) -> NDArray[np.bool_]:
        """Not while ours is open: with our options GDAL looks for no other files."""
        with rasterio.open(self.image) as dataset:
            return dataset.dataset_mask() > 0


def whole_grid(**sizes: int) -> ChipGrid:
    return ChipGrid(**{"image_width": WIDTH, "image_height": HEIGHT, "chip_px": 120, "overlap_px": 17, **sizes})


def assert_as_rasterio(files: Files) -> None:
    with files.opened() as source:
        _, valid = put_together(source, whole_grid())
    np.testing.assert_array_equal(valid, files.theirs())


# ---- what it hides


@pytest.mark.parametrize("image", LAYOUTS)
@pytest.mark.parametrize("mask", LAYOUTS)
def test_what_it_hides_is_what_rasterio_hides_whatever_the_layouts(image: str, mask: str, tmp_path: Path):
    files = Files(tmp_path).write(noise(3, HEIGHT, WIDTH), **LAYOUTS[image])
    assert_as_rasterio(files.write_mask(speckled(), **{"compress": "deflate", **LAYOUTS[mask]}))


def test_one_that_rasterio_writes_is_read(tmp_path: Path):
    files = Files(tmp_path).write(noise(3, HEIGHT, WIDTH), tiled=True, blockxsize=64, blockysize=64)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(files.image, "r+") as made:
        made.write_mask(speckled()[0])
    assert files.mask.exists()
    assert_as_rasterio(files)
    assert not files.theirs().all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "JPEG2000"])
def test_it_lies_beside_images_of_every_format(form: str, tmp_path: Path):
    files = Files(tmp_path, "scene.image").write_mask(speckled())
    Image.fromarray(np.ascontiguousarray(noise(3, HEIGHT, WIDTH).transpose(1, 2, 0))).save(files.image, form)
    with files.opened() as source:
        _, valid = put_together(source, whole_grid())
    np.testing.assert_array_equal(valid, speckled()[0] > 0)
    np.testing.assert_array_equal(valid, files.theirs())


SAID = {
    "a band each": (speckled(bands=3), for_each()),
    "one for all": (speckled(bands=3), for_all()),
    "one for all, said of the first": (speckled(), {"INTERNAL_MASK_FLAGS_1": "2"}),
    "one of its own for the first, none for the others": (speckled(bands=3), {"INTERNAL_MASK_FLAGS_1": "0"}),
    "nothing is said": (speckled(), {}),
    "numbers that are none": (speckled(bands=3), {f"INTERNAL_MASK_FLAGS_{band}": "x" for band in (1, 2, 3)}),
    "16 bits": (speckled().astype(np.uint16) * 200, for_all()),
    "too faint to be one": (speckled().astype(np.float32) / 255 * 0.3, for_all()),
}


@pytest.mark.parametrize("what", SAID)
def test_its_flags_mean_what_they_mean_to_gdal(what: str, tmp_path: Path):
    mask, tags = SAID[what]
    assert_as_rasterio(Files(tmp_path).write(noise(3, HEIGHT, WIDTH)).write_mask(mask, tags))


def test_a_single_bit_a_pixel_is_a_mask(tmp_path: Path):
    files = Files(tmp_path).write(noise(3, HEIGHT, WIDTH))
    assert_as_rasterio(files.write_mask((speckled() > 0).astype(np.uint8), nbits=1))


@settings(max_examples=25, deadline=None)
@given(bands=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_of_a_mask_for_each_band_those_count_that_are_looked_at(bands: Sequence[int], tmp_path_factory: Any):
    files = Files(tmp_path_factory.mktemp("bands")).write(noise(4, HEIGHT, WIDTH))
    files.write_mask(speckled(bands=4), for_each(4))
    with rasterio.open(files.image) as theirs:
        expected = np.any([theirs.read_masks(band) for band in bands], axis=0)
    with files.opened() as source:
        [(_, pixels)] = source.read_windows(
            [Window(col_off=0, row_off=0, width=WIDTH, height=HEIGHT)], bands=tuple(bands)
        )
    np.testing.assert_array_equal(pixels.valid, expected)


def test_a_mask_inside_the_image_comes_before_it_as_in_gdal(tmp_path: Path):
    files = Files(tmp_path).write(noise(3, HEIGHT, WIDTH))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(files.image, "r+") as made:
        made.write_mask(speckled(seed=1)[0])
    files.mask.write_bytes(b"not even looked at")
    with files.opened() as source:
        _, valid = put_together(source, whole_grid())
    np.testing.assert_array_equal(valid, speckled(seed=1)[0] > 0)


@pytest.mark.parametrize("profile", [{"nodata": 5}, {"photometric": "RGB", "alpha": "yes"}], ids=str)
def test_nodata_and_alpha_count_beside_it(profile: dict[str, Any], tmp_path: Path):
    pixels = noise(4 if "alpha" in profile else 3, HEIGHT, WIDTH)
    pixels[:, 200:230] = 5
    pixels[3:, 200:230] = 0
    files = Files(tmp_path).write(pixels, **profile).write_mask(speckled(), for_all(4))
    with files.opened() as source:
        _, valid = put_together(source, whole_grid())
    expected = speckled()[0] > 0
    expected[200:230] = False
    np.testing.assert_array_equal(valid, expected)


@pytest.mark.parametrize("number", range(1, 9))
def test_it_is_turned_with_its_image(number: int, tmp_path: Path):
    files, exif = Files(tmp_path, "photo.jpg").write_mask(speckled()), Image.Exif()
    exif[274] = number
    Image.fromarray(np.ascontiguousarray(noise(3, HEIGHT, WIDTH).transpose(1, 2, 0))).save(files.image, exif=exif)
    turned = np.asarray(Image.fromarray(speckled()[0]).transpose(TURNS[number]) if number > 1 else speckled()[0])
    with files.opened() as lying:
        source = upright(lying)
        _, valid = put_together(source, whole_grid(image_width=source.facts.width, image_height=source.facts.height))
    np.testing.assert_array_equal(valid, turned > 0)


TURNS = dict(
    zip(
        range(2, 9),
        (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        strict=True,
    )
)
"""Of Pillow, by EXIF's numbers."""


# ---- smaller


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_read_smaller_it_is_what_rasterio_reads(data: st.DataObject, tmp_path_factory: Any):
    files = Files(tmp_path_factory.mktemp("smaller")).write(noise(3, HEIGHT, WIDTH))
    files.write_mask(speckled(), copies=data.draw(st.sampled_from([(), (2, 4)])))
    col_off, row_off = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    window = Window(
        col_off=col_off,
        row_off=row_off,
        width=data.draw(st.integers(1, WIDTH - col_off)),
        height=data.draw(st.integers(1, HEIGHT - row_off)),
    )
    out_size = (data.draw(st.integers(1, window.height)), data.draw(st.integers(1, window.width)))
    with rasterio.open(files.image) as theirs:
        there = rasterio.windows.Window(window.col_off, window.row_off, window.width, window.height)
        expected = theirs.read_masks(1, window=there, out_shape=out_size) > 0
    with files.opened() as source:
        ours = source.gdal.call(lambda: source.pixels.beside.read(RGB, window=window, out_size=out_size))
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("copies", [(), (2, 4, 8)], ids=str)
@pytest.mark.parametrize("image_copies", [(), (2, 4, 8)], ids=str)
def test_overview_sample_and_smaller_windows_leave_out_what_it_hides(
    copies: tuple[int, ...], image_copies: tuple[int, ...], tmp_path: Path
):
    pixels = np.full((3, 600, 800), 3000, np.uint16)
    mask = np.full((1, 600, 800), 255, np.uint8)
    pixels[:, :, :400], mask[:, :, :400] = 60_000, 0
    pixels[:, ::2, 400:] = 1000
    files = Files(tmp_path).write(pixels, copies=image_copies, tiled=True, blockxsize=64, blockysize=64)
    files.write_mask(mask, copies=copies)
    with files.opened() as source:
        overview = source.read_overview(bands=RGB, max_px=100)
        assert not overview.valid[:, :50].any()
        assert overview.valid[:, 50:].all()
        sample = source.read_sample(bands=RGB, max_px=100)
        assert 0 < sample.bands[:, sample.valid].max() <= 3000
        assert open_picture(source, stretch=Stretch.JOINT).limits.highs == (3000.0,) * 3
        window = Window(col_off=320, row_off=80, width=160, height=80)
        [(_, smaller)] = source.read_scaled([window], bands=RGB, shrink=4)
        np.testing.assert_array_equal(smaller.valid, np.arange(40)[None] >= 20 + np.zeros((20, 1)))


@pytest.mark.parametrize("shrink", [2, 3, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("profile", [{}, {"nodata": 5}, BLOCKS], ids=str)
def test_means_leave_out_what_it_hides_as_rasterio_does(
    profile: dict[str, Any], dtype: str, shrink: int, tmp_path: Path
):
    pixels = noise(3, 300, 360, dtype)
    files = Files(tmp_path).write(np.where(pixels < 20, 5, pixels).astype(dtype), **profile)
    files.write_mask(speckled(300, 360))
    window = Window(col_off=60, row_off=90, width=240, height=210)
    with rasterio.open(files.image) as theirs:
        there = rasterio.windows.Window(60, 90, 240, 210)
        values, mask = theirs.read(window=there), theirs.read_masks(1, window=there) == 0
        sizes = (3, 210 // shrink, 240 // shrink)
        by_gdal = theirs.read(window=there, out_shape=sizes, resampling=rasterio.enums.Resampling.average)
    hidden = mask | (values == profile.get("nodata"))
    parts = np.ma.array(values, mask=hidden).reshape(3, 210 // shrink, shrink, 240 // shrink, shrink)
    expected = by_gdal if "nodata" not in profile else parts.mean(axis=(2, 4)).filled(0)  # GDAL forgets nodata then
    with files.opened() as source:
        [(_, smaller)] = source.read_scaled([window], bands=RGB, shrink=shrink)
    assert smaller.valid.any()
    assert np.abs(smaller.bands.astype(float) - expected)[:, smaller.valid].max() <= 1


def test_a_mask_without_copies_is_not_read_as_a_whole_for_the_stretch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pixels = noise(3, 2100, 2300, "uint16")
    files = Files(tmp_path).write(pixels, copies=(2, 4, 8), tiled=True, blockxsize=128, blockysize=128)
    files.write_mask(speckled(2100, 2300))
    windows: list[Window | None] = []
    read = raster_mask.MaskBeside.read

    def noted(self: Any, bands: Sequence[int], *, window: Window | None = None, **sizes: Any) -> Any:
        windows.append(window)
        return read(self, bands, window=window, **sizes)

    monkeypatch.setattr(raster_mask.MaskBeside, "read", noted)
    with files.opened() as source:
        source.read_sample(bands=RGB, max_px=300)
    assert len(windows) == 64
    assert None not in windows


# ---- once, and in bounds


def test_every_block_of_it_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = Files(tmp_path).write(noise(3, 900, 1300), tiled=True, blockxsize=128, blockysize=128)
    files.write_mask(speckled(900, 1300), blockysize=50)
    made: list[Window] = []
    decoded = raster_mask.MaskBeside._decoded

    def noted(self: Any, told_by: tuple[int, ...], place: Window) -> NDArray[np.uint8]:
        made.append(place)
        return decoded(self, told_by, place)

    monkeypatch.setattr(raster_mask.MaskBeside, "_decoded", noted)
    with files.opened() as source:
        put_together(source, whole_grid(image_width=1300, image_height=900, chip_px=300))
    assert sum(place.width * place.height for place in made) == 1300 * 900


def test_no_more_of_it_is_kept_than_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(raster_mask, "KEPT_BYTES", 20_000)
    monkeypatch.setattr(raster_mask, "PIECE_PX", 64)
    monkeypatch.setattr(raster_mask, "READ_BYTES", 10_000)
    files = Files(tmp_path).write(noise(3, 900, 1300)).write_mask(speckled(900, 1300), blockysize=64)
    most = 0
    with files.opened() as source:
        for _ in source.read_shown(
            windows(whole_grid(image_width=1300, image_height=900)), bands=RGB, show=lambda pixels: pixels.bands
        ):
            most = max(most, sum(piece.nbytes for piece in source.pixels.beside._kept.values()))
            assert most <= source.pixels.beside.most_kept == 20_000 + 2 * 64 * 1300 // 8
        np.testing.assert_array_equal(
            put_together(source, whole_grid(image_width=1300, image_height=900))[1], speckled(900, 1300)[0] > 0
        )
    assert most > 20_000


# ---- what is no mask


def some_bytes(form: str) -> bytes:
    body = io.BytesIO()
    Image.fromarray(speckled()[0]).save(body, form)
    return body.getvalue()


BROKEN: dict[str, tuple[Any, type[InputError], str]] = {
    "nothing": (lambda _: b"", UnreadableImageError, "empty"),
    "text": (lambda _: b"hello", UnreadableImageError, "no image that we read"),
    "a PNG": (lambda _: some_bytes("PNG"), UnsupportedImageError, "TIFF alone"),
    "a VRT": (lambda _: b"<VRTDataset rasterXSize='9' rasterYSize='9'/>", UnsupportedImageError, "VRT is not read"),
    "a header cut short": (lambda body: body[:200], UnreadableImageError, ""),
    "blocks that are none": (lambda body: body[:8] + bytes(300) + body[308:], UnreadableImageError, ""),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_mask_is_an_input_failure_that_names_it(what: str, tmp_path: Path):
    change, kind, words = BROKEN[what]
    files = Files(tmp_path).write(noise(3, HEIGHT, WIDTH)).write_mask(speckled())
    files.mask.write_bytes(change(files.mask.read_bytes()))
    with pytest.raises(kind, match=rf"scene\.tif\.msk: .*{words}") as raised, files.opened() as source:
        put_together(source, whole_grid())
    assert ImageRef(LOCAL_FILES, str(files.mask)).id not in str(raised.value)


@pytest.mark.parametrize("size", [(HEIGHT - 1, WIDTH), (HEIGHT, WIDTH + 1), (1, 1)], ids=str)
def test_a_mask_of_another_size_is_an_input_failure(size: tuple[int, int], tmp_path: Path):
    files = (
        Files(tmp_path)
        .write(noise(3, HEIGHT, WIDTH))
        .write_mask(speckled()[:, :1, :1].repeat(size[0], 1).repeat(size[1], 2))
    )
    with (
        pytest.raises(UnreadableImageError, match=rf"msk: a mask of {size[1]} x {size[0]} px .* {WIDTH} x {HEIGHT} px"),
        files.opened(),
    ):
        pass


def test_it_is_read_under_its_own_etag(tmp_path: Path):
    class Etags(LocalFiles):
        def read_range(self, image: ImageRef, *, etag: str | None, start: int, length: int) -> Portion:
            asked[image.key.rpartition("/")[2]] = etag
            if image.key.endswith(".msk"):
                raise ChangedError("another version")
            return super().read_range(image, etag=etag, start=start, length=length)

    asked: dict[str, str | None] = {}
    files = Files(tmp_path).write(noise(3, HEIGHT, WIDTH)).write_mask(speckled())
    with pytest.raises(ChangedError), files.opened(files=Etags()):
        pass
    assert asked == {"scene.tif": None, "scene.tif.msk": "1"}
