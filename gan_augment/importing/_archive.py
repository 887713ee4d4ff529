"""The records of a zip archive, of the one form that every reader understands alike."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from io import BufferedReader

from .._core import first_line

MAX_RECORDS = 10_000
MAX_DIRECTORY = 2**20  # bytes
MAX_RATIO = 2  # of what is unpacked; weights can hardly be compressed
START = b"PK\x03\x04"
_END = b"PK\x05\x06"
_END_BYTES, _HEADER_BYTES, _DESCRIPTOR_BYTES = 22, 30, 24
_UTF8, _ENCRYPTED = 0x800, 1  # flags of a record


@dataclass(frozen=True)
class Place:
    """Where bytes lie in a file.

    Attributes:
        start (int): Their first place.
        size (int): How many they are.
        packed (int, optional): How many the file has of them, compressed; None if they are stored as they are.
        crc (int, optional): Their CRC-32, if the file says it.
    """

    start: int
    size: int
    packed: int | None = None
    crc: int | None = None

    @property
    def end(self) -> int:
        return self.start + (self.size if self.packed is None else self.packed)


def find_records(file: BufferedReader, size: int) -> dict[str, Place]:
    """Where each record of a zip archive lies.

    The archive must be of the one form that every reader understands alike: the end record at the end, entries one
    after the other from the first byte on, and no two names that differ in case only.

    Raises:
        ValueError: If it is no archive, one of another form, or unpacks to much more than its size.
    """
    file.seek(max(size - _END_BYTES, 0))
    end = file.read()
    if end[:8] != _END + bytes(4) or end[-2:] != b"\0\0":
        raise ValueError("it must be a zip archive that ends with its directory, but is damaged, or goes on behind it")
    if int.from_bytes(end[12:16], "little") > MAX_DIRECTORY:
        raise ValueError(f"it must have at most {MAX_RECORDS:,} records, but has a longer directory")
    try:
        with zipfile.ZipFile(file) as archive:
            entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
            directory = archive.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ValueError(f"it must be a zip archive, but its directory is damaged: {first_line(error)}") from error
    if len({entry.orig_filename.lower() for entry in entries}) != len(entries) or len(entries) > MAX_RECORDS:
        raise ValueError(f"it must have at most {MAX_RECORDS:,} records of different names, but has not")
    if entries and not 0 <= entries[0].header_offset <= entries[-1].header_offset < size:
        raise ValueError("its directory must name places in the file, but names others")
    if sum(entry.file_size for entry in entries) > MAX_RATIO * size:
        raise ValueError(f"its records must unpack to at most {MAX_RATIO} times its {size:,} bytes, but are larger")
    places: dict[str, Place] = {}
    for entry, following in zip(entries, [*(entry.header_offset for entry in entries[1:]), directory]):
        place = _place_of(file, entry)
        gap = following - place.end
        if (entry is entries[0] and entry.header_offset) or not 0 <= gap <= _DESCRIPTOR_BYTES:
            raise ValueError("its records must follow each other from the first byte on, but do not")
        places[entry.orig_filename] = place
    return places


def _place_of(file: BufferedReader, entry: zipfile.ZipInfo) -> Place:
    """Where a record's bytes lie, by the header before them, which must say what the directory says."""
    file.seek(entry.header_offset)
    header = file.read(_HEADER_BYTES)
    name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    encoded = entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437")
    method = int.from_bytes(header[8:10], "little")
    begins = len(header) == _HEADER_BYTES and header[:4] == START
    if not begins or file.read(name) != encoded or method != entry.compress_type:
        raise ValueError(f"its record {entry.filename[:100]!r} is another one in the directory than in its place")
    stored = method == zipfile.ZIP_STORED
    if not (stored or method == zipfile.ZIP_DEFLATED) or (entry.flag_bits | header[6]) & _ENCRYPTED:
        raise ValueError("its records must be stored or deflated, but are encrypted, or compressed in another way")
    if stored and entry.compress_size != entry.file_size:
        raise ValueError(f"its record {entry.filename[:100]!r} must have one size, but has two")
    packed = None if stored else entry.compress_size
    return Place(entry.header_offset + _HEADER_BYTES + name + extra, entry.file_size, packed, entry.CRC)


def read_place(file: BufferedReader, place: Place) -> bytearray:
    """The bytes at a place.

    Raises:
        ValueError: If they end too soon, or are not those that the archive has a CRC-32 of.
    """
    file.seek(place.start)
    if place.packed is None:
        data = bytearray(place.size)
        complete = file.readinto(data) == place.size
    else:
        try:
            data = bytearray(zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(place.packed), place.size + 1))
        except zlib.error as error:
            raise ValueError(f"its bytes are damaged: {error}") from error
        complete = len(data) == place.size
    if not complete or place.crc not in (None, zlib.crc32(data)):
        raise ValueError("its bytes are damaged: they are not those that were written, or end too soon")
    return data
