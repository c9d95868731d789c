"""Tells what a file is that is neither a video nor an image that can be read: so that a refusal names the reason."""

from __future__ import annotations

from collections.abc import Callable

LOOKED_AT = 512
"""The first bytes of a file that tell what it is."""
_CONVERT = "convert it to JPEG or PNG"
_EXTRACT = "give what is in it"
_SAVED_PAGE = "a web page: its address gave a page and not the picture, so save the picture itself"

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS and not the file: fetch it with `git lfs pull`"),
    (b"%PDF", f"a PDF: {_CONVERT}"),
    (b"8BPS", f"a Photoshop file: {_CONVERT}"),
    (b"\x76\x2f\x31\x01", f"an OpenEXR image: {_CONVERT}"),
    (b"#?RADIANCE", f"a Radiance HDR image: {_CONVERT}"),
    (b"PF\n", f"a floating-point image: {_CONVERT}"),
    (b"Pf\n", f"a floating-point image: {_CONVERT}"),
    (b"P7\n", f"a PAM image: {_CONVERT}"),
    (b"\xff\x0a", f"a JPEG XL image: {_CONVERT}"),
    (b"\0\0\0\x0cJXL ", f"a JPEG XL image: {_CONVERT}"),
    (b"\0\0\0\x0cjP  ", f"a JPEG 2000 image: {_CONVERT}"),
    (b"\xff\x4f\xff\x51", f"a JPEG 2000 image: {_CONVERT}"),
    (b"\0\0\1\0", f"an icon: {_CONVERT}"),
    (b"DDS ", f"a DDS texture: {_CONVERT}"),
    (b"gimp xcf", f"a GIMP file: {_CONVERT}"),
    (b"FUJIFILMCCD-RAW", f"a camera's raw file: {_CONVERT}"),
    (b"IIRO", f"a camera's raw file: {_CONVERT}"),
    (b"IIRS", f"a camera's raw file: {_CONVERT}"),
    (b"IIU\0", f"a camera's raw file: {_CONVERT}"),
    (b"SIMPLE  =", f"a FITS file: {_CONVERT}"),
    (b"\x89HDF", "an HDF5 file: save its pictures as PNG or TIFF"),
    (b"\x93NUMPY", "a NumPy array: save its pictures as PNG or TIFF"),
    (b"PK\3\4", f"a ZIP archive: {_EXTRACT}"),
    (b"Rar!", f"a RAR archive: {_EXTRACT}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {_EXTRACT}"),
    (b"\x1f\x8b", f"compressed by gzip: {_EXTRACT}"),
    (b"\x28\xb5\x2f\xfd", f"compressed by zstd: {_EXTRACT}"),
    (b"\xfd7zXZ", f"compressed by xz: {_EXTRACT}"),
    (b"Salted__", "encrypted: decrypt it first"),
    (b"\0GITCRYPT", "encrypted by git-crypt: unlock it first"),
    (b"age-encryption.org", "encrypted by age: decrypt it first"),
    (b"-----BEGIN PGP", "encrypted by PGP: decrypt it first"),
    (b"#EXTM3U", "a playlist: give the video itself"),
    (b"[playlist]", "a playlist: give the video itself"),
    (b"ffconcat", "a list of other files: give the video itself"),
)
_ANYWHERE: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda head: head[128:132] == b"DICM", f"a DICOM file: {_CONVERT}"),
    (lambda head: head[4:12] == b"ftypcrx ", f"a camera's raw file: {_CONVERT}"),
    (lambda head: any(tag in head.lower() for tag in (b"<!doctype html", b"<html", b"<head")), _SAVED_PAGE),
    (lambda head: b"<svg" in head.lower(), f"an SVG drawing: {_CONVERT}"),
    (lambda head: not head.strip(b"\0"), "empty but for zeros: its download or copy did not finish; get it again"),
)


def what_it_is(head: bytes) -> str | None:
    """What a file that begins like this is and what to do, to be said after "is"; None if that is not known."""
    begun = (what for beginning, what in _BEGINNINGS if head.startswith(beginning))
    return next(begun, None) or next((what for matches, what in _ANYWHERE if matches(head)), None)
