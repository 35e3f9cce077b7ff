"""Damage inside a picture's file that decoders pass over: they fill in grey, or show noise.

A PNG has checksums. A JPEG has none, and libjpeg's warnings are hidden by Pillow, but its compressed data can't hold
every sequence of bytes: parts overwritten or cut out of it mostly show. What is left well formed can't be told from
another picture, nor can changed bytes of a WebP, BMP or uncompressed TIFF.
"""

from __future__ import annotations

import io
import re

from PIL import Image

_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_START, _END, _SCAN, _HUFFMAN, _INTERVAL = 0xD8, 0xD9, 0xDA, 0xC4, 0xDD
_RESTARTS = range(0xD0, 0xD8)
_SEQUENTIAL = (0xC0, 0xC1)
#: Between the scans of a JPEG: tables, restart interval, number of lines, comments, applications' own, the next scan.
_BETWEEN = {_HUFFMAN, _SCAN, 0xDB, 0xDC, _INTERVAL, 0xFE, *range(0xE0, 0xF0)}
_ZEROS = bytes(64)


def damage(data: bytes, kind: str | None) -> str | None:
    """What is wrong inside a file that Pillow calls of the format `kind`; None where nothing is found."""
    if kind == "PNG":
        return _png_damage(data)
    return jpeg_damage(data) if kind in ("JPEG", "MPO") else None


def _png_damage(data: bytes) -> str | None:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.verify()
    except Exception as error:  # a broken chunk makes Pillow raise what it likes
        return f"{type(error).__name__}: {error}"
    return None


def jpeg_damage(data: bytes) -> str | None:
    """What a JPEG's compressed data (ITU T.81, annex B) can't hold: markers of no meaning, restarts out of order, and
    64 zero bytes that are no flat area by its Huffman tables.
    """
    at, interval, due, zeros_are_flat = 2, 0, 0, {}
    in_scan = sequential = flat = False
    while found := _MARKER.search(data, at):
        code, marker = found[1][0], found.start()
        if in_scan and sequential and not flat and _ZEROS in data[at:marker]:
            return f"zero bytes in the compressed data, before byte {marker}"
        at = found.end()
        if code == _END:
            return None
        if code in _RESTARTS:
            if in_scan and (not interval or code != _RESTARTS[due]):
                return f"a restart marker out of order at byte {marker}"
            due = (due + 1) % 8
            continue
        if in_scan and code not in _BETWEEN:
            return f"the bytes ff{code:02x} in the compressed data, at byte {marker}"
        if code == _START:
            continue
        body = data[at + 2 : at + int.from_bytes(data[at : at + 2])]
        at += 2 + len(body)
        if code == _SCAN:
            in_scan, due = True, 0
            tables = body[2 : 2 + 2 * body[0] : 2] if body else b""
            flat = all(zeros_are_flat.get(key) for table in tables for key in (table >> 4, 16 | table & 15))
        elif in_scan and data[at : at + 1] != b"\xff":
            return f"a segment of wrong length at byte {marker}"
        elif code == _HUFFMAN:
            zeros_are_flat |= _huffman_tables(body)
        elif code == _INTERVAL:
            interval = int.from_bytes(body[:2])
        sequential = sequential or code in _SEQUENTIAL
    return None


def _huffman_tables(body: bytes) -> dict[int, bool]:
    """Of each table, by its class and number: whether zero bits, its first code, mean "nothing changes here"."""
    tables = {}
    while len(body) > 17:
        tables[body[0]] = body[17] == 0
        body = body[17 + sum(body[1:17]) :]
    return tables
