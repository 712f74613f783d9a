"""OSML's own code for cutting one JPEG out of an image, asked for each chip; runs in OSML's environment.

Its ``GDALTileFactory``, as its workers use it, but into memory. Two things it is told, so that the pictures are the
same: the quality, and of what is not 8-bit the three bands and the limits of the stretch. Nothing is found.
"""

import sys
from typing import Any

import numpy as np
from aws.osml.gdal import load_gdal_dataset  # type: ignore[import-not-found]  # only in its own environment
from aws.osml.image_processing.gdal_tile_factory import GDALTileFactory  # type: ignore[import-not-found]
from osgeo import gdal  # type: ignore[import-not-found]

from benchmarks.task import OVERVIEW_PX, PERCENTILES, RGB, Chips, Task

gdal.UseExceptions()


def cut(task: Task, chips: Chips) -> None:
    """Cut an image."""
    dataset, sensor_model = load_gdal_dataset(task.image)
    factory = GDALTileFactory(_shown(dataset), sensor_model=sensor_model, tile_format="JPEG")
    factory.default_gdal_translate_kwargs["creationOptions"] = [f"QUALITY={task.quality}"]
    for col_off, row_off, width, height in task.windows(dataset.RasterXSize, dataset.RasterYSize):
        jpeg = factory.create_encoded_tile([col_off, row_off, width, height])
        chips.add(bytes(jpeg), col_off=col_off, row_off=row_off)


def _shown(dataset: Any) -> Any:
    """Give what is to be cut: of what is not 8-bit a view on three bands, stretched by percentiles of an overview."""
    if dataset.GetRasterBand(1).DataType == gdal.GDT_Byte:
        return dataset
    shrink = max(dataset.RasterXSize, dataset.RasterYSize, OVERVIEW_PX) / OVERVIEW_PX
    width, height = round(dataset.RasterXSize / shrink), round(dataset.RasterYSize / shrink)
    seen = dataset.ReadAsArray(buf_xsize=width, buf_ysize=height, band_list=RGB)
    low, high = np.percentile(seen, PERCENTILES)
    scale = [[float(low), float(high), 0, 255]] * len(RGB)
    return gdal.Translate(
        "", dataset, format="VRT", bandList=RGB, scaleParams=scale, outputType=gdal.GDT_Byte, noData="none"
    )


if __name__ == "__main__":
    noted, given = Chips(), Task.from_json(sys.argv[1])
    print(noted.timed(lambda: cut(given, noted)).to_json())
