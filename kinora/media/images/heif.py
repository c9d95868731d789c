"""Reads what HEIC, HEIF and AVIF files say of their stills: of which tiles each is, how large, and how turned."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import attrs

MAX_META_BYTES = 16 * 2**20
"""The size of the description beyond which a file is refused."""
MAX_TILES = 4096
"""The most tiles of one picture."""
MAX_BOXES = 1000
"""The boxes at the top of a file within which the description is looked for."""
MAX_EXTENTS = 100_000
"""The most pieces of all items together."""
_STILL_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"avif"})
_FILM_BRANDS = frozenset({b"msf1", b"hevc", b"hevx", b"avis"})
_CODECS = {b"hvc1": "hevc", b"hev1": "hevc", b"av01": "libdav1d", b"jpeg": "mjpeg"}
_CONFIGURATION = {b"hvc1": (b"hvcC", 0), b"hev1": (b"hvcC", 0), b"av01": (b"av1C", 4)}
"""Kind of item → the property that sets up its decoder, and where in it that begins."""
_GRID, _SAME = b"grid", b"iden"
_TURNS = frozenset({b"irot", b"imir", b"clap"})
_IN_FILE, _IN_META = 0, 1
_BOX_HEAD = 8

Size = tuple[int, int]


class NotReadable(Exception):
    """The file is damaged, or does what is not supported here; the text is a phrase that says what."""


@attrs.frozen(kw_only=True)
class Tile:
    """A part of a picture that is coded by itself."""

    codec: str
    """FFmpeg's name of its decoder."""
    configuration: bytes
    data: bytes


@attrs.frozen(kw_only=True)
class Still:
    """One picture, as the file describes it."""

    size: Size
    """Width and height before it is turned."""
    tile: Size
    """Width and height of each tile; tiles may reach beyond the right and lower edge."""
    columns: int
    tiles: Sequence[int]
    """Its tiles' items, row by row."""
    turns: Sequence[tuple[bytes, bytes]]
    """What is to be done with the picture, in this order: the kind of property and its content."""
    colours: tuple[int, bool] | None
    """The number of the colour matrix, and whether the range is full; None: the tiles say it."""


def is_heif(head: bytes) -> bool:
    """True if a file that begins like this claims to be of this kind."""
    return head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS | _FILM_BRANDS


def has_film(file: BinaryIO) -> bool:
    """True if the file has a track of pictures with times, beside or instead of stills."""
    return _find(file, b"moov") is not None


class Heif:
    """The description of a file's pictures."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the description.

        Raises:
            NotReadable: it cannot be used.
        """
        try:
            self._read(file)
        except (struct.error, KeyError, IndexError) as error:
            raise NotReadable("its description is damaged") from error

    def _read(self, file: BinaryIO) -> None:
        found = _find(file, b"meta")
        if found is None or found[1] > MAX_META_BYTES:
            raise NotReadable("it has no description of its pictures")
        file.seek(found[0])
        meta = dict(_boxes(file.read(found[1])[4:]))
        self._places = _places(meta[b"iloc"])
        self._kinds, hidden = _kinds(meta[b"iinf"])
        self._parts = _references(meta.get(b"iref", b"\0\0\0\0"))
        self._properties = _properties(meta[b"iprp"])
        self._beside = meta.get(b"idat", b"")
        version = meta[b"pitm"][0]
        (primary,) = struct.unpack_from(">I" if version else ">H", meta[b"pitm"], 4)
        auxiliary = {item for kind in (b"thmb", b"auxl") for item in self._parts.get(kind, {})}
        inputs = {part for parts in self._parts.get(b"dimg", {}).values() for part in parts}
        others = [
            item
            for item, kind in self._kinds.items()
            if (kind in _CODECS or kind == _GRID) and item not in hidden | auxiliary | inputs | {primary}
        ]
        self.items = [primary, *others]
        """The pictures, the main one first: without thumbnails, masks, depths and parts of others."""

    def still(self, item: int, file: BinaryIO) -> Still:
        """Describe one of the pictures.

        Raises:
            NotReadable: it cannot be decoded here.
        """
        try:
            return self._still(item, file)
        except (struct.error, KeyError, IndexError) as error:
            raise NotReadable("its description is damaged") from error

    def _still(self, item: int, file: BinaryIO) -> Still:
        kind, columns = self._kinds[item], 1
        tiles: Sequence[int] = [item]
        if kind == _SAME:
            tiles = self._parts[b"dimg"][item][:1]
        size = self._size(item)
        if kind == _GRID:
            tiles = self._parts[b"dimg"][item]
            columns, rows, size = _grid(self.data(item, file))
            if len(tiles) != columns * rows or len(tiles) > MAX_TILES:
                raise NotReadable("its tiles do not make a whole picture")
        if unknown := {self._kinds[tile] for tile in tiles} - set(_CODECS):
            raise NotReadable(f"its parts are of the kind {unknown.pop().decode('ascii', 'replace')!r}")
        colours = next((content for name, content in self._properties[item] if name == b"colr"), b"")
        return Still(
            size=size,
            tile=self._size(tiles[0]),
            columns=columns,
            tiles=tiles,
            turns=[(name, content) for name, content in self._properties[item] if name in _TURNS],
            colours=_colours(colours),
        )

    def tile(self, item: int, file: BinaryIO) -> Tile:
        """Give one tile's data.

        Raises:
            NotReadable: it is damaged.
        """
        kind = self._kinds[item]
        name, begin = _CONFIGURATION.get(kind, (b"", 0))
        properties = dict(self._properties[item])
        return Tile(codec=_CODECS[kind], configuration=properties.get(name, b"")[begin:], data=self.data(item, file))

    def data(self, item: int, file: BinaryIO) -> bytes:
        """Give what is stored of one item.

        Raises:
            NotReadable: it is not in the file.
        """
        if item not in self._places:
            raise NotReadable("a part of it is missing")
        method, extents = self._places[item]
        if sum(length for _, length in extents) > file.seek(0, io.SEEK_END):
            raise NotReadable("it is incomplete")
        source: BinaryIO = io.BytesIO(self._beside) if method == _IN_META else file
        return b"".join(_exactly(source, offset, length) for offset, length in extents)

    def _size(self, item: int) -> Size:
        width, height = struct.unpack_from(">II", dict(self._properties[item])[b"ispe"], 4)
        return width, height


def _exactly(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = file.read(length)
    if len(data) < length:
        raise NotReadable("it is incomplete")
    return data


def _find(file: BinaryIO, wanted: bytes) -> tuple[int, int] | None:
    """The place of a box's content at the top of a file, and its length."""
    end, at = file.seek(0, io.SEEK_END), 0
    for _ in range(MAX_BOXES):
        if at + _BOX_HEAD > end:
            break
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(_BOX_HEAD))
        head = _BOX_HEAD
        if size == 1:
            (size,), head = struct.unpack(">Q", file.read(8).rjust(8, b"\0")), 2 * _BOX_HEAD
        size = size or end - at
        if kind == wanted:
            return at + head, size - head
        if size < head:
            return None
        at += size
    return None


def _boxes(data: bytes, at: int = 0) -> Iterator[tuple[bytes, bytes]]:
    while at + _BOX_HEAD <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < _BOX_HEAD:
            return
        yield kind, data[at + _BOX_HEAD : at + size]
        at += size


class _Fields:
    """Reads numbers one behind the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def number(self, size: int) -> int:
        """The next number, which has so many bytes."""
        self._at += size
        if self._at > len(self._data):
            raise IndexError
        return int.from_bytes(self._data[self._at - size : self._at], "big")


def _places(box: bytes) -> Mapping[int, tuple[int, Sequence[tuple[int, int]]]]:
    """Item → where its data are: in the file or in the description, and offset and length of each piece."""
    version, fields = box[0], _Fields(box, 4)
    sizes, bases = fields.number(1), fields.number(1)
    wide = 4 if version > 1 else 2
    places, left = {}, MAX_EXTENTS
    for _ in range(fields.number(wide)):
        item = fields.number(wide)
        method = fields.number(2) & 0xF if version else _IN_FILE
        fields.number(2)  # the file that it is in: this one
        base = fields.number(bases >> 4)
        extents = []
        count = fields.number(2)
        left -= count
        if left < 0:
            raise NotReadable("it has too many parts")
        for _ in range(count):
            if version:
                fields.number(bases & 0xF)
            extents.append((base + fields.number(sizes >> 4), fields.number(sizes & 0xF)))
        places[item] = (method, extents)
    return places


def _kinds(box: bytes) -> tuple[dict[int, bytes], set[int]]:
    """Item → its kind, and the items that are not to be shown by themselves."""
    kinds, hidden = {}, set[int]()
    for name, content in _boxes(box, 8 if box[0] else 6):
        if name == b"infe":
            fields = _Fields(content, 4)
            item = fields.number(4 if content[0] > 2 else 2)  # noqa: PLR2004 - the version
            fields.number(2)
            kinds[item] = fields.number(4).to_bytes(4, "big")
            if content[3] & 1:
                hidden.add(item)
    return kinds, hidden


def _references(box: bytes) -> Mapping[bytes, Mapping[int, Sequence[int]]]:
    """Kind of reference → item → the items that it refers to."""
    found: dict[bytes, dict[int, Sequence[int]]] = {}
    wide = 4 if box[0] else 2
    for name, content in _boxes(box, 4):
        fields = _Fields(content, 0)
        item = fields.number(wide)
        found.setdefault(name, {})[item] = [fields.number(wide) for _ in range(fields.number(2))]
    return found


def _properties(box: bytes) -> Mapping[int, Sequence[tuple[bytes, bytes]]]:
    """Item → its properties in order, each a kind and its content."""
    boxes = list(_boxes(box))
    known = [found for name, content in boxes if name == b"ipco" for found in _boxes(content)]
    properties: dict[int, list[tuple[bytes, bytes]]] = {}
    for content in (content for name, content in boxes if name == b"ipma"):
        fields = _Fields(content, 4)
        wide = 2 if content[3] & 1 else 1
        for _ in range(fields.number(4)):
            mine = properties.setdefault(fields.number(4 if content[0] else 2), [])
            for _ in range(fields.number(1)):
                number = fields.number(wide) & (0x7FFF if wide > 1 else 0x7F)
                if number:
                    mine.append(known[number - 1])
    return properties


def _grid(data: bytes) -> tuple[int, int, Size]:
    """Columns, rows, and the size of the picture that they make."""
    width, height = struct.unpack_from(">II" if data[1] & 1 else ">HH", data, 4)
    return data[3] + 1, data[2] + 1, (width, height)


def _colours(content: bytes) -> tuple[int, bool] | None:
    if content[:4] != b"nclx":
        return None
    (matrix,) = struct.unpack_from(">H", content, 8)
    return matrix, bool(content[10] & 0x80)
