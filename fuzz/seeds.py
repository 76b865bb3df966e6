#!/usr/bin/env python3
"""Writes the seed inputs of every fuzz target to fuzz/corpus/: small, well-formed files and a few lies.

Only Python's own library is needed. Equal runs write equal files.
"""

import bz2
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent

def seed(target: str, name: str, content: bytes) -> None:
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def npy(descr: str, shape: str, body: bytes, fortran: bool = False, version: int = 1) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({shape}), }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


def element(kind: int, body: bytes, pad: bool = True) -> bytes:
    """One element of a MATLAB file of level 5."""
    return struct.pack("<2I", kind, len(body)) + body + bytes(-len(body) % 8 if pad else 0)


def matrix(name: str, kind: int, dims: list[int], type_: int, body: bytes) -> bytes:
    parts = [bytes([kind]) + bytes(7), struct.pack(f"<{len(dims)}i", *dims), name.encode(), body]
    return element(14, b"".join(element(t, part) for t, part in zip([6, 5, 1, type_], parts)))


def matlab(*elements: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements)


def png(width: int, height: int, colour: int, depth: int, rows: bytes, said: tuple[int, int] | None = None) -> bytes:
    """`colour` is the PNG colour type; `said` is what the header says of the size where it lies."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", *(said or (width, height)), depth, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(range(12))) if colour == 3 else b""
    stride = len(rows) // height
    lines = b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    )


def jpeg(components: int, progressive: bool = False, size: tuple[int, int] = (2, 2)) -> bytes:
    """One flat block: each table has the single code `0`, for a DC difference of zero and for the end of a block."""

    def segment(kind: int, body: bytes) -> bytes:
        return bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body

    def scan(of: range, spectrum: bytes, bits: int) -> bytes:
        body = bytes([len(of)]) + b"".join(bytes([i + 1, 0]) for i in of) + spectrum
        return segment(0xDA, body) + bytes([0xFF >> bits])

    frame = struct.pack(">BHHB", 8, *size, components) + b"".join(bytes([i + 1, 0x11, 0]) for i in range(components))
    tables = b"".join(segment(0xC4, bytes([kind, 1]) + bytes(15) + b"\0") for kind in (0x00, 0x10))
    if progressive:
        scans = scan(range(components), b"\0\0\0", components)
        scans += b"".join(scan(range(i, i + 1), b"\1\x3f\0", 1) for i in range(components))
    else:
        scans = scan(range(components), b"\0\x3f\0", 2 * components)
    head = segment(0xDB, b"\0" + bytes([1] * 64)) + segment(0xC2 if progressive else 0xC0, frame)
    return b"\xff\xd8" + head + tables + scans + b"\xff\xd9"


def tar(files: dict[str, bytes], kind: int = tarfile.USTAR_FORMAT, links: tuple[tuple[str, bytes], ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, what in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = what, "../../etc/passwd"
            archive.addfile(entry)
    return out.getvalue()


def zip_(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED, zip64: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in files.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=zip64) as entry:
                entry.write(content)
    return out.getvalue()


GREY = png(2, 2, 0, 8, bytes([0, 80, 160, 255]))
PICTURES = {
    "grey.png": GREY,
    "grey16.png": png(1, 2, 0, 16, bytes(4)),
    "bits.png": png(8, 1, 0, 1, b"\xa5"),
    "rgb.png": png(2, 1, 2, 8, bytes(range(6))),
    "rgba.png": png(1, 1, 6, 8, b"\1\2\3\xff"),
    "clear.png": png(1, 1, 4, 8, b"\1\2"),
    "palette.png": png(4, 1, 3, 2, b"\x1b"),
    "giant.png": png(1, 1, 0, 8, b"\0", said=(2**31 - 1, 2**31 - 1)),
    "wide.png": png(1, 1, 0, 8, b"\0", said=(8192, 8192)),
    "grey.jpg": jpeg(1),
    "colour.jpg": jpeg(3),
    "progressive.jpg": jpeg(3, progressive=True),
    "giant.jpg": jpeg(1, size=(65535, 65535)),
}
CLASSES = {"set/a/1.png": GREY, "set/b/1.png": GREY}
SPLITS = {"train/a/1.png": GREY, "train/b/2.png": PICTURES["rgb.png"], "test/a/3.png": GREY, "test/b/4.jpg": jpeg(1)}


def readers() -> None:
    seed("npy", "images", npy("|u1", "2, 2, 2", bytes(range(8))))
    seed("npy", "channels", npy("<f4", "1, 1, 2, 3", struct.pack("<6f", *[0.5] * 6)))
    seed("npy", "features", npy("<f8", "3, 2", struct.pack("<6d", *range(6)), fortran=True))
    seed("npy", "labels", npy("<i8", "3,", struct.pack("<3q", 0, 1, -1)))
    seed("npy", "big-endian", npy(">u2", "2, 1", bytes(4), version=2))
    seed("npy", "object", npy("|O", "1,", b"\x80\x04N."))
    seed("npy", "huge", npy("|u1", "9223372036854775807, 4", bytes(4)))
    seed("npy", "record", npy("', '<f4'), ('a", "1,", bytes(8)))

    seed("idx", "images", struct.pack(">4I", 2051, 2, 1, 2) + bytes(4))
    seed("idx", "labels", struct.pack(">2I", 2049, 3) + bytes([0, 9, 10]))
    seed("idx", "huge", struct.pack(">4I", 2051, 2**32 - 1, 2**32 - 1, 2**32 - 1))

    line = "1 " + " ".join(f"{i}:{(i % 3) - 1}" for i in range(1, 257)) + "\n"
    seed("libsvm", "line", line.encode())
    seed("libsvm", "sparse", b"10 1:-1 200:0.25 256:1e-3\n3 7:1\n")
    seed("libsvm", "words", b"1 1:nan\n2 2:inf 1:0\n-1 :\n")

    seed("cifar", "record", bytes([3]) + bytes(3072))
    seed("cifar", "label", bytes([10]) + bytes(3072))
    seed("cifar", "superclass", bytes([19, 99]) + bytes(3072))
    seed("stl", "images", bytes([2, 1, 10]) + bytes(2 * 27648))

    x, y = matrix("X", 9, [32, 32, 3, 1], 2, bytes(3072)), matrix("y", 6, [1, 1], 9, struct.pack("<d", 10))
    seed("matlab", "plain", matlab(x, y))
    seed("matlab", "packed", matlab(*(element(15, zlib.compress(part), pad=False) for part in (x, y))))
    seed("matlab", "huge", matlab(matrix("X", 9, [2**31 - 1] * 4, 2, bytes(8))))
    seed("digits", "lines", (",".join(["16"] * 64) + ",9\n" + ",".join(["0"] * 64) + ",0\n").encode())

    for name, content in PICTURES.items():
        seed("image", name, content)

    text = b"the same bytes " * 40
    seed("packed", "gz", gzip.compress(text, mtime=0))
    seed("packed", "gz-twice", gzip.compress(text, mtime=0) + gzip.compress(b"more", mtime=0))
    seed("packed", "bz2", bz2.compress(text))
    seed("packed", "xz", lzma.compress(text))
    seed("packed", "bomb.bz2", bz2.compress(bytes(1 << 21)))
    seed("packed", "bomb.xz", lzma.compress(bytes(1 << 21)))


def archives() -> None:
    seed("tar", "classes", tar(CLASSES))
    seed("tar", "splits-pax", tar({("long/" * 25) + k: v for k, v in SPLITS.items()}, tarfile.PAX_FORMAT))
    seed("tar", "splits-gnu", tar({("long/" * 25) + k: v for k, v in SPLITS.items()}, tarfile.GNU_FORMAT))
    seed("tar", "packed.gz", gzip.compress(tar(CLASSES), mtime=0))
    seed("tar", "packed.bz2", bz2.compress(tar(CLASSES)))
    seed("tar", "packed.xz", lzma.compress(tar(CLASSES)))
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
    for kind in kinds:
        seed("tar", f"type-{kind.decode()}", tar(CLASSES, links=(("a/x.png", kind),)))
    seed("tar", "out", tar({"../a.png": GREY, "/b.png": GREY}))

    seed("zip", "classes", zip_(CLASSES))
    seed("zip", "stored", zip_(SPLITS, zipfile.ZIP_STORED))
    seed("zip", "zip64", zip_(CLASSES, zip64=True))
    seed("zip", "pictures", zip_(PICTURES))
    seed("zip", "out", zip_({"../a.png": GREY, "é.png": GREY}))
    seed("zip", "empty", zip_({}))


def tensors() -> None:
    def file(header: object, body: bytes) -> bytes:
        text = json.dumps(header, separators=(",", ":")).encode()
        return struct.pack("<Q", len(text)) + text + body

    meta = {"moelab": json.dumps({"name": "digits", "split": "all"})}
    x = {"dtype": "U8", "shape": [2, 1, 2, 2], "data_offsets": [0, 8]}
    y = {"dtype": "I64", "shape": [1], "data_offsets": [8, 16]}
    seed("safetensors", "images", file({"__metadata__": meta, "images": x}, bytes(8)))
    seed("safetensors", "two", file({"__metadata__": meta, "x": x, "y": y}, bytes(16)))
    seed("safetensors", "floats", file({"w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}}, bytes(8)))
    seed("safetensors", "overlap", file({"x": x, "y": {**y, "data_offsets": [4, 12]}}, bytes(12)))
    seed("safetensors", "huge", file({"x": {**x, "shape": [2**63, 2, 2]}}, bytes(8)))
    seed("safetensors", "length", struct.pack("<Q", 2**63) + b"{}")


def specs() -> None:
    toy = (ROOT / "src/engine/spec/fake.rs").read_text()
    pipeline = toy.split('pub const PIPELINE: &str = "\\\n')[1].split('";')[0]
    begin = "experiment: e\npipeline: p\n"
    experiments = {
        "least": "",
        "seeds": "seeds: [0, 7]\ndescription: two seeds\nset: {epochs: {vae: 7}}\n",
        "matrix": "matrix:\n  axes:\n    k: [1, 2]\n    alpha: [0.1, {value: 0.2, when: {k: 1}}]\n"
        "  exclude: [{k: 2}]\n  include: [{k: 1000}]\n",
        "metrics": "metrics:\n  acc: evaluation.acc\n  K: latent_size.latent_dim\n"
        "  error: {of: vae.history.loss, reduce: {mean_last: 3}}\n"
        "table:\n  rows: [dataset]\n  columns: [acc]\n",
        "alias": "set: &x {k: 3}\nmatrix: {axes: {k: [1, 2]}, exclude: [*x]}\n",
        "reference": "metrics: {acc: evaluation.acc}\n"
        "reference:\n  - {source: thesis, dataset: digits, acc: [0.9, 0.01]}\n",
    }
    for name, text in experiments.items():
        seed("spec", name, (begin + text).encode())
        seed("spec", f"{name}-whole", (pipeline + "...\n" + begin + text).encode())
    over = pipeline + "  best:\n    stage: choose\n    inputs: {candidates: {from: clusters, over: [seed]}, points: embedding}\n"
    seed("spec", "gather", (over + "...\n" + begin + "seeds: 2\n").encode())
    for file in [*ROOT.glob("pipelines/*.yaml"), *ROOT.glob("experiments/*.yaml")]:
        seed("spec", file.name, file.read_bytes())

    values = ["1", "-0.5", "1e-4", "true", "null", "[1, {a: b}]", '"é\\n"', "'it''s'", "|\n  text", "${a.b}", "!!int 3",
              "&x [*x]", "2026-11-22", "0x1f", ".inf", "~", "{a: {b: ${c}}}"]
    for i, text in enumerate(values):
        seed("value", f"{i:02}", text.encode())


def records() -> None:
    digest = "ab" * 32
    action = {"schema": 1, "stage": "toy", "version": 1, "config": {"n": 1, "x": 0.5}, "seed": "0000000000000007",
              "inputs": {"a": digest, "b": [{"axes": {"seed": 0}, "digest": digest}]}, "sources": {"file": digest},
              "outputs": {"data": "points"}}
    origin = {"experiment": "e", "pipeline": "p", "stage": "s", "axes": {"k": 1}, "run": "r"}
    provenance = {"build": "b", "host": "h", "device": "cpu", "threads": 1, "libraries": {}, "started": "2026-01-01T00:00:00Z",
                  "seconds": 1.5, "origin": origin, "attempt": 1}
    output = {"digest": digest, "size": 3, "artifact": "points", "state": "present"}
    manifest = {"version": 1, "action": action, "outputs": {"data": output}, "values": {"score": {"acc": 0.5}},
                "provenance": provenance, "divergent": [{"outputs": {"data": {**output, "state": "evicted"}}, "provenance": provenance}]}
    declared = {"artifact": "points", "value": False, "optional": False}
    job = {"protocol": 1, "build": "b", "key": digest, "action": action, "settings": {"n": 1}, "seed": 7,
           "inputs": {"a": [{"axes": {"seed": 0}, "digest": digest, "artifact": "points", "path": "/x"}]},
           "outputs": {"data": declared}, "store": "/store", "data": "/data", "device": "cpu", "threads": 1, "nonce": "n",
           "attempt": 1, "origin": origin}
    result = {"protocol": 1, "key": digest, "attempt": 1, "nonce": "n", "seconds": 0.5}
    seed("records", "manifest", json.dumps(manifest).encode())
    seed("records", "job", json.dumps(job).encode())
    seed("records", "published", json.dumps({**result, "outcome": "published"}).encode())
    failed = {"failed": {"kind": "out_of_memory", "message": "m"}}
    seed("records", "failed", json.dumps({**result, "outcome": failed}).encode())
    progress = {"event": "progress", "done": 1, "total": 2, "unit": "epoch", "values": {"loss": 0.5}}
    for event in [{"event": "waiting", "holder": "h"}, {"event": "started", "device": "cpu", "threads": 1}, progress,
                  {"event": "note", "text": "t"}]:
        seed("records", event["event"], json.dumps(event).encode())


readers()
archives()
tensors()
specs()
records()
