#!/bin/sh
# What the tests of the image need on a Debian machine without docker: buildah, podman, a base image like the official
# python:3.12-slim, and Lambda's runtime interface emulator. Needs root and a Python 3.12: PYTHON312=/path/to/python3.12.
set -eu

BASE=${IMAGE_TEST_BASE:-localhost/base:py312}
PYTHON312=${PYTHON312:-python3.12}
# as the official image: what CPython links to, and neither expat nor bytecode
PACKAGES=ca-certificates,netbase,tzdata,libbz2-1.0,libdb5.3,libffi8,libgdbm6,liblzma5,libncursesw6,libnsl2,libreadline8
PACKAGES=$PACKAGES,libsqlite3-0,libssl3,libtirpc3,libuuid1,zlib1g

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

apt-get install --yes --no-install-recommends buildah podman runc debootstrap

if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
    root=$work/root
    debootstrap --variant=minbase --include="$PACKAGES" bookworm "$root"
    prefix=$("$PYTHON312" -c 'import sys; print(sys.base_prefix)')
    mkdir -p "$root/usr/local/bin" "$root/usr/local/lib"
    cp -a "$prefix"/bin/python* "$prefix"/bin/pip* "$root/usr/local/bin/"
    cp -a "$prefix"/lib/libpython3* "$prefix/lib/python3.12" "$root/usr/local/lib/"
    library=$root/usr/local/lib/python3.12
    find "$library/site-packages" -mindepth 1 -maxdepth 1 ! -name 'pip*' -exec rm -rf {} +
    rm -rf "$library/test" "$library/tkinter" "$library/idlelib" "$library"/config-*
    find "$library" -name __pycache__ -prune -exec rm -rf {} +
    sed -i '1s|^#!.*|#!/usr/local/bin/python3.12|' "$root"/usr/local/bin/pip*
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" # whom this machine trusts
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc "$root"/usr/share/man
    chroot "$root" ldconfig
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$root" /
    buildah config --env LANG=C.UTF-8 --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit --quiet --format docker --rm "$container" "$BASE"
fi

if ! command -v aws-lambda-rie >/dev/null; then
    "$PYTHON312" -m venv "$work/sam"
    "$work/sam/bin/python" -m pip install --quiet --no-deps aws-sam-cli==1.170.0
    install -m 755 "$(find "$work/sam" -name "aws-lambda-rie-$(uname -m)")" /usr/local/bin/aws-lambda-rie
fi
