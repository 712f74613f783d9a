"""Damage to files, all of it from a seed."""

import random
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MOST_AT_ONCE = 3
HEADER_BYTES = 512
MANY_BITS = 24
MASKED_EVERY = 8
"""Of so many seeds one breaks a mask beside a good image."""

_LARGE = (0, 1, 79, 20_000, 30_000, 65_535, 65_536, 1_000_000, 2**31 - 1, 2**31, 2**32 - 1)
_TIFF_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 18: 8}
_TIFF_SIZES = (256, 257, 258, 259, 277, 278, 322, 323, 339)
"""Width, height, bits, compression, samples a pixel, rows a strip, block width and height, sample format."""
_JPEG_FRAMES = tuple(b"\xff" + bytes([kind]) for kind in (0xC0, 0xC1, 0xC2))
_SIZ = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file, and how it came to be."""

    story: str
    body: bytes = field(repr=False)
    mask: bytes | None = field(default=None, repr=False)
    """What lies beside it as its mask, if anything."""


def damage(seed: int, originals: Mapping[str, bytes], masks: Mapping[str, bytes]) -> Damaged:
    """Take one of the files and break it in one to three ways; some have a mask beside them, and that is broken."""
    dice = random.Random(seed)
    if seed % MASKED_EVERY:
        return Damaged(*_broken(dice, originals, originals))
    name = dice.choice(sorted(originals))
    story, mask = _broken(dice, masks, originals)
    return Damaged(f"{name} under {story}", originals[name], mask)


def _broken(dice: random.Random, files: Mapping[str, bytes], others: Mapping[str, bytes]) -> tuple[str, bytes]:
    name = dice.choice(sorted(files))
    body, told = files[name], [name]
    for _ in range(dice.randint(1, MOST_AT_ONCE)):
        mutation = dice.choice(MUTATIONS)
        other = others[dice.choice(sorted(others))]
        body = mutation(dice, body, other)
        told.append(mutation.__name__)
    return ", ".join(told), body


def flipped_bits(dice: random.Random, body: bytes, _other: bytes) -> bytes:
    reach = dice.choice((HEADER_BYTES, len(body)))
    broken = bytearray(body)
    for _ in range(dice.randint(1, MANY_BITS)):
        if broken:
            broken[dice.randrange(min(reach, len(broken)))] ^= 1 << dice.randrange(8)
    return bytes(broken)


def truncated(dice: random.Random, body: bytes, _other: bytes) -> bytes:
    return body[: dice.randrange(len(body) + 1)]


def spliced(dice: random.Random, body: bytes, other: bytes) -> bytes:
    """The head of one file before the tail of another."""
    at = dice.randrange(min(dice.choice((HEADER_BYTES, len(body))), len(body)) + 1)
    return body[:at] + other[min(at, len(other)) :]


def overwritten(dice: random.Random, body: bytes, _other: bytes) -> bytes:
    """One byte, over and over."""
    start = dice.randrange(len(body) + 1)
    length = min(dice.randint(1, 4096), len(body) - start)
    return body[:start] + dice.choice((b"\0", b"\xff", b"\x80")) * length + body[start + length :]


def cut_out(dice: random.Random, body: bytes, _other: bytes) -> bytes:
    start = dice.randrange(len(body) + 1)
    return body[:start] + body[start + dice.randint(1, HEADER_BYTES) :]


def repeated(dice: random.Random, body: bytes, _other: bytes) -> bytes:
    start = dice.randrange(len(body) + 1)
    end = start + dice.randint(1, HEADER_BYTES)
    return body[:end] + body[start:]


def changed_tag(dice: random.Random, body: bytes, other: bytes) -> bytes:
    """Another number, type, count or value in a TIFF's first directory."""
    entries = _tiff_entries(body)
    if not entries:
        return flipped_bits(dice, body, other)
    at, form = dice.choice(entries)
    fields = list(form.unpack_from(body, at))
    which = dice.randrange(len(fields))
    widest = (2**16, 2**16, 2**32, 2**32)[which]
    fields[which] = dice.choice((0, 1, fields[which] + 1, fields[which] * 2, dice.randrange(widest))) % widest
    return body[:at] + form.pack(*fields) + body[at + form.size :]


def other_size(dice: random.Random, body: bytes, other: bytes) -> bytes:
    """Width, height or the like as no file has it, in a header that is whole otherwise."""
    for resize in (_other_png_size, _other_jpeg_size, _other_jp2_size, _other_tiff_size):
        resized = resize(dice, body)
        if resized is not None:
            return resized
    return flipped_bits(dice, body, other)


def _other_tiff_size(dice: random.Random, body: bytes) -> bytes | None:
    entries = [(at, form) for at, form in _tiff_entries(body) if form.unpack_from(body, at)[0] in _TIFF_SIZES]
    if not entries:
        return None
    at, form = dice.choice(entries)
    tag, _, _, _ = form.unpack_from(body, at)
    order = form.format[0]
    entry = struct.pack(f"{order}HH{form.format[3]}", tag, 4, 1) + struct.pack(f"{order}I", dice.choice(_LARGE))
    return body[:at] + entry.ljust(form.size, b"\0") + body[at + form.size :]


def _other_png_size(dice: random.Random, body: bytes) -> bytes | None:
    if not body.startswith(b"\x89PNG") or len(body) < 33:
        return None
    sizes = [dice.choice(_LARGE), *struct.unpack(">I", body[20:24])]
    dice.shuffle(sizes)
    header = b"IHDR" + struct.pack(">II", *sizes) + body[24:29]
    return body[:12] + header + struct.pack(">I", zlib.crc32(header)) + body[33:]


def _other_jpeg_size(dice: random.Random, body: bytes) -> bytes | None:
    frames = [body.find(start) for start in _JPEG_FRAMES]
    at = next((found for found in frames if found >= 0), -1)
    if not body.startswith(b"\xff\xd8") or at < 0 or len(body) < at + 9:
        return None
    place = at + dice.choice((5, 7))
    return body[:place] + struct.pack(">H", dice.choice(_LARGE) % 2**16) + body[place + 2 :]


def _other_jp2_size(dice: random.Random, body: bytes) -> bytes | None:
    """In the codestream, and the same in the box around it, or OpenJPEG would not go on."""
    siz, box = body.find(_SIZ), body.find(b"ihdr")
    if siz < 0 or len(body) < siz + 40:
        return None
    large, which = dice.choice(_LARGE), dice.randrange(4)
    place = siz + 8 + (0, 4, 16, 20)[which]
    changed = body[:place] + struct.pack(">I", large) + body[place + 4 :]
    if box < 0 or which > 1:
        return changed
    place = box + (8, 4)[which]
    return changed[:place] + struct.pack(">I", large) + changed[place + 4 :]


def _tiff_entries(body: bytes) -> list[tuple[int, struct.Struct]]:
    """Give the place of each entry of the first directory, and how tag, type, count and value lie there."""
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None or len(body) < 16:
        return []
    is_big = struct.unpack(f"{order}H", body[2:4])[0] == 43
    start = struct.unpack_from(f"{order}Q", body, 8)[0] if is_big else struct.unpack_from(f"{order}I", body, 4)[0]
    count_form = struct.Struct(f"{order}Q" if is_big else f"{order}H")
    entry = struct.Struct(f"{order}HHQQ" if is_big else f"{order}HHII")
    if start + count_form.size > len(body):
        return []
    count = min(count_form.unpack_from(body, start)[0], (len(body) - start - count_form.size) // entry.size)
    return [(start + count_form.size + n * entry.size, entry) for n in range(count)]


Mutation = Callable[[random.Random, bytes, bytes], bytes]

MUTATIONS: tuple[Mutation, ...] = (
    flipped_bits,
    truncated,
    spliced,
    overwritten,
    cut_out,
    repeated,
    changed_tag,
    changed_tag,
    other_size,
    other_size,
)
"""The ones that get past the first look at a file are there twice."""
