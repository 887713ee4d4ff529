"""Finds and reads the records of a zip archive.

Zip readers disagree about unusual archives, which have two directories, records that overlap, or bytes outside of all
records. Such a file can show one content to a scanner and another to a loader. Only the form that all readers
understand in the same way is accepted here.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from io import BufferedReader

from .._core import first_line

MAX_RECORDS = 10_000
MAX_DIRECTORY = 2**20  # bytes
MAX_RATIO = 2  # of unpacked bytes to the file's bytes: weights can hardly be compressed
START = b"PK\x03\x04"
_END = b"PK\x05\x06"
_END_BYTES, _HEADER_BYTES, _DESCRIPTOR_BYTES = 22, 30, 24
_UTF8, _ENCRYPTED = 0x800, 1  # flags of a record


@dataclass(frozen=True)
class Span:
    start: int  # position of the first byte in the file
    size: int  # number of bytes, after unpacking
    compressed_size: int | None = None  # number of bytes in the file, if they are compressed
    crc: int | None = None  # CRC-32 of the unpacked bytes, if the file states it

    @property
    def end(self) -> int:
        return self.start + (self.size if self.compressed_size is None else self.compressed_size)


def find_records(file: BufferedReader, size: int) -> dict[str, Span]:
    """Returns the span of each record of a zip archive, by the record's name.

    The archive must end with its end record, its records must follow each other from the first byte on, and no two
    names may differ only in case.
    """
    file.seek(max(size - _END_BYTES, 0))
    end = file.read()
    if end[:8] != _END + bytes(4) or end[-2:] != b"\0\0":
        raise ValueError("it must be a zip archive that ends with its directory, but is damaged or continues after it")
    if int.from_bytes(end[12:16], "little") > MAX_DIRECTORY:
        raise ValueError(f"it must have at most {MAX_RECORDS:,} records, but its directory is longer")
    try:
        with zipfile.ZipFile(file) as archive:
            entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
            directory = archive.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ValueError(f"it must be a zip archive, but its directory is damaged: {first_line(error)}") from error
    if len({entry.orig_filename.lower() for entry in entries}) != len(entries) or len(entries) > MAX_RECORDS:
        raise ValueError(
            f"it must have at most {MAX_RECORDS:,} records, each with its own name, but has more or repeats one"
        )
    if entries and not 0 <= entries[0].header_offset <= entries[-1].header_offset < size:
        raise ValueError("its directory must list positions inside the file, but lists others")
    if sum(entry.file_size for entry in entries) > MAX_RATIO * size:
        raise ValueError(f"its records must unpack to at most {MAX_RATIO} times its {size:,} bytes, but are larger")
    spans: dict[str, Span] = {}
    for entry, following in zip(entries, [*(entry.header_offset for entry in entries[1:]), directory]):
        span = _find_span(file, entry)
        gap = following - span.end
        if (entry is entries[0] and entry.header_offset) or not 0 <= gap <= _DESCRIPTOR_BYTES:
            raise ValueError("its records must follow each other from the first byte on, but do not")
        spans[entry.orig_filename] = span
    return spans


def _find_span(file: BufferedReader, entry: zipfile.ZipInfo) -> Span:
    """Returns the span of a record, whose own header must agree with its entry in the directory."""
    file.seek(entry.header_offset)
    header = file.read(_HEADER_BYTES)
    name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    encoded = entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437")
    method = int.from_bytes(header[8:10], "little")
    begins = len(header) == _HEADER_BYTES and header[:4] == START
    if not begins or file.read(name) != encoded or method != entry.compress_type:
        raise ValueError(f"its directory and the header of its record {entry.filename[:100]!r} must agree, but differ")
    stored = method == zipfile.ZIP_STORED
    if not (stored or method == zipfile.ZIP_DEFLATED) or (entry.flag_bits | header[6]) & _ENCRYPTED:
        raise ValueError("its records must be stored or deflated, but are encrypted or compressed in another way")
    if stored and entry.compress_size != entry.file_size:
        raise ValueError(f"its record {entry.filename[:100]!r} must have one size, but has two")
    compressed_size = None if stored else entry.compress_size
    return Span(entry.header_offset + _HEADER_BYTES + name + extra, entry.file_size, compressed_size, entry.CRC)


def read_span(file: BufferedReader, span: Span) -> bytearray:
    """Reads and unpacks the bytes of a span, and checks their number and their CRC-32."""
    file.seek(span.start)
    if span.compressed_size is None:
        data = bytearray(span.size)
        complete = file.readinto(data) == span.size
    else:
        compressed = file.read(span.compressed_size)
        try:
            data = bytearray(zlib.decompressobj(-zlib.MAX_WBITS).decompress(compressed, span.size + 1))
        except zlib.error as error:
            raise ValueError(f"its bytes are damaged: {error}") from error
        complete = len(data) == span.size
    if not complete or span.crc not in (None, zlib.crc32(data)):
        raise ValueError("its bytes are damaged: they end too soon, or are not those that were written")
    return data
