"""Reads the directories of a TIFF: where its pages are, how large each is, and of what samples."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import attrs

MAX_PAGES = 10_000
"""The most pages that are read of a file; further ones are left out."""
MAX_ENTRIES = 1_000_000
"""The most entries of all directories together: overlapping ones could make a small file endless."""
_SHORT, _LONG, _LONG8 = 3, 4, 16
_INTEGERS = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}
_BIG = 43
_KIND, _WIDTH, _HEIGHT, _BITS, _PACKING, _SAMPLES, _SUB_PAGES = 254, 256, 257, 258, 259, 277, 330
_FORMAT, _DNG = 339, 50706
_READ_TAGS = frozenset({_KIND, _WIDTH, _HEIGHT, _BITS, _PACKING, _SAMPLES, _SUB_PAGES, _FORMAT, _DNG})
_REDUCED, _MASK = 1, 4
_FLOAT = 3
_CANON = b"CR"
MAX_SAMPLES, MAX_BITS = 4, 16
"""What OpenCV decodes."""
_UNREAD_PACKINGS = {
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
"""Compressions that the TIFF library in OpenCV was built without → their names."""


@attrs.frozen
class Page:
    """One page of a TIFF, as its directory describes it."""

    offset: int
    """The place of its directory in the file."""
    tags: Mapping[int, int]
    """Tag → its number, or the first of its numbers. If a tag comes twice, the largest: decoders may take any."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels as stored; 0 if it is not stated."""
        return self.tags.get(_WIDTH, 0), self.tags.get(_HEIGHT, 0)

    @property
    def is_copy(self) -> bool:
        """True for a smaller version of another page, such as a thumbnail, and for a mask."""
        return bool(self.tags.get(_KIND, 0) & (_REDUCED | _MASK))

    @property
    def is_raw(self) -> bool:
        """True if it describes a camera's raw data, which are elsewhere in the file."""
        return _DNG in self.tags or (self.is_copy and _SUB_PAGES in self.tags)

    @property
    def unread_packing(self) -> str | None:
        """The name of its compression if no decoder here unpacks it."""
        return _UNREAD_PACKINGS.get(self.tags.get(_PACKING, 1))

    @property
    def unreadable(self) -> str | None:
        """What of its samples no decoder here reads; None if they can be read."""
        bits, samples = self.tags.get(_BITS, 1), self.tags.get(_SAMPLES, 1)
        if samples > MAX_SAMPLES:
            return f"{samples} channels"
        if self.tags.get(_FORMAT) == _FLOAT:
            return f"{bits}-bit floating-point samples"
        return f"{bits}-bit samples" if bits > MAX_BITS else None


def is_tiff(head: bytes) -> bool:
    """True if a file that begins like this claims to be a TIFF."""
    return head.startswith((b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"))


def is_camera_raw(file: BinaryIO) -> bool:
    """True for a TIFF in which a camera has put its raw data, beside thumbnails that are ordinary pages."""
    file.seek(8)
    return file.read(2) == _CANON or any(page.is_raw for page in _pages(file))


def read_pages(file: BinaryIO) -> list[Page]:
    """The pages, without copies of them in other sizes; at most ``MAX_PAGES``.

    Raises:
        ValueError, struct.error: there is none that can be read.
    """
    pages = list(_pages(file))
    if not pages:
        raise ValueError("a TIFF without a page")
    return [page for page in pages if not page.is_copy] or pages[:1]


def start_with(page: Page, data: bytearray) -> None:
    """Make a TIFF's data begin with one of its pages: decoders then take that one."""
    order, big = _layout(data[:4])
    struct.pack_into(order + ("Q" if big else "I"), data, 8 if big else 4, page.offset)


def _pages(file: BinaryIO) -> Iterator[Page]:
    """Each page whose directory is whole, once; a chain of directories may be endless."""
    file.seek(0)
    order, big = _layout(file.read(4))
    pointer, count = order + ("Q" if big else "I"), order + ("Q" if big else "H")
    (offset,) = _read(file, 8 if big else 4, pointer)
    seen, entries_left = set[int](), MAX_ENTRIES
    try:
        while offset and offset not in seen and len(seen) < MAX_PAGES:
            seen.add(offset)
            (entries,) = _read(file, offset, count)
            entries_left -= entries
            if entries_left < 0:
                return
            size, first = (20, offset + 8) if big else (12, offset + 2)
            file.seek(first)
            yield Page(offset, _tags(file, file.read(size * entries), order, big=big))
            (offset,) = _read(file, first + size * entries, pointer)
    except (struct.error, OverflowError):
        return


def _tags(file: BinaryIO, entries: bytes, order: str, *, big: bool) -> dict[int, int]:
    tags: dict[int, int] = {}
    for tag, kind, count, value in struct.iter_unpack(order + ("HHQ8s" if big else "HHI4s"), entries):
        if tag in _READ_TAGS:
            layout = _INTEGERS.get(kind, "I")
            if count > 1 and struct.calcsize(layout) * count > len(value):
                (offset,) = struct.unpack(order + ("Q" if big else "I"), value)
                (number,) = _read(file, offset, order + layout)
            else:
                (number,) = struct.unpack_from(order + layout, value)
            tags[tag] = max(number, tags.get(tag, 0))
    return tags


def _layout(start: bytes | bytearray) -> tuple[str, bool]:
    """The order of bytes, and whether it is a BigTIFF."""
    order = "<" if start[:2] == b"II" else ">"
    return order, struct.unpack(order + "H", start[2:4])[0] == _BIG


def _read(file: BinaryIO, offset: int, layout: str) -> tuple[int, ...]:
    file.seek(offset)
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
