# One image for Batch and for every Lambda; only the command differs:
#   Batch      the ENTRYPOINT below; command: TASK WHAT
#   Lambda     entrypoint ["python", "-m", "awslambdaric"]; command ["lambdas.NAME.handler"]
# It runs as any user, on a read-only root with a writable /tmp.

# A digest pins harder, where it can be looked up: docker buildx imagetools inspect python:3.12.13-slim-bookworm
ARG BASE=python:3.12.13-slim-bookworm

FROM ${BASE} AS python
# rasterio's wheel brings GDAL but not expat, which slim images lack. The official images have no bytecode of the
# standard library, and a read-only root could never keep any: every cold start would compile it anew.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends "libexpat1=2.5.0-*" \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    && python -m compileall -q --invalidation-mode unchecked-hash \
        -x '/(test|idlelib|tkinter|lib2to3|turtledemo|ensurepip|site-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

FROM python AS build
COPY requirements-image.lock /build/
# --no-deps: the lock names all that is needed, and leaves out what opensearch-py has for a protocol not spoken here
RUN python -m pip install --no-deps --require-hashes --only-binary :all: --no-cache-dir --no-compile \
        --disable-pip-version-check --root-user-action ignore --target /build/packages -r /build/requirements-image.lock \
    && rm -r /build/packages/bin \
    && find /build/packages -type d -name tests -prune -exec rm -r {} + \
    && find /build/packages -type f -regex '.*\.\(pyi\|pyx\|pxd\|pxi\|c\|h\|a\)' -delete \
    # of imagecodecs' eighty codecs only those that are used, and what they need: 80 MB less, and less that reads files
    && find /build/packages/imagecodecs /build/packages/imagecodecs.libs -name '*.so*' -regextype posix-extended \
        ! -regex '.*/_(deflate|zstd|webp|imcd|shared|shared_cython)\..*' \
        ! -regex '.*/lib(deflate|zstd|webp|webpdemux|webpmux|sharpyuv)-.*' -delete \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /build/packages \
    && chmod -R a+rX,go-w /build/packages
COPY batch_job /build/project/batch_job
COPY lambdas /build/project/lambdas
RUN python -m compileall -q --invalidation-mode unchecked-hash /build/project \
    && chmod -R a+rX,go-w /build/project

FROM python
# nothing in the image can install anything
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip
COPY --from=build /build/packages /usr/local/lib/python3.12/site-packages
COPY --from=build /build/project /usr/local/lib/python3.12/site-packages
ENV HOME=/tmp \
    TMPDIR=/tmp \
    PYDANTIC_DISABLE_PLUGINS=__all__ \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
USER 1000:1000
# what lacks a library, a module or the right to be read fails here, not in the first night
RUN python -c "import importlib, pkgutil, awslambdaric, batch_job, imagecodecs, lambdas; \
[importlib.import_module(module.name) for package in (batch_job, lambdas) \
 for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.')]; \
assert all(codec.available for codec in (imagecodecs.DEFLATE, imagecodecs.ZSTD, imagecodecs.WEBP, imagecodecs.DELTA))"
# a volume of Fargate that is mounted here takes on these permissions, and is root's alone otherwise
VOLUME ["/tmp"]
ENTRYPOINT ["python", "-m", "batch_job"]
