"""safetensors files: what the library reads of ours and we of its, and headers that are meant to harm."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Run, dtype_of, need

from initcore.cli import main
from initcore.formats.headers import DTYPES, CheckpointError
from initcore.formats.reader import open_checkpoint
from initcore.formats.safetensors import ALIGNMENT, make_header, read_header

pytestmark = pytest.mark.any_isa

NUMPY = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32")
NUMPY += ("float64", "complex64")


def arrays(*dtypes: str) -> dict[str, np.ndarray[Any, Any]]:
    """An array of each dtype, and of some shapes."""
    rng = np.random.default_rng(0)
    found = {name: rng.integers(0, 2, (3, 5)).astype(dtype_of(name)) for name in dtypes}
    return {**found, "scalar": np.array(2.5, np.float32), "none": np.zeros((0, 7), np.float16), "ü.0/~": np.ones(3)}


def written(tensors: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str]) -> bytes:
    head, starts = make_header([(name, array.dtype, array.shape) for name, array in tensors.items()], metadata)
    data = b"".join(array.tobytes() for array in tensors.values())
    assert starts == [len(head) + sum(a.nbytes for a in list(tensors.values())[:i]) for i in range(len(tensors))]
    return head + data


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        (one[name].dtype, one[name].shape, one[name].tobytes())
        == (other[name].dtype, other[name].shape, other[name].tobytes())
        for name in one
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_the_library_reads_ours(path: Path) -> None:
    library = need("safetensors.numpy")
    tensors = arrays(*NUMPY, "bfloat16")
    path.write_bytes(written(tensors, {"format": "pt", "note": 'ü"\\\n'}))
    assert same(library.load_file(path), tensors)
    with need("safetensors").safe_open(path, "np") as file:
        assert file.metadata() == {"format": "pt", "note": 'ü"\\\n'}


def test_torch_reads_ours(path: Path) -> None:
    torch, library = need("torch"), need("safetensors.torch")
    path.write_bytes(written({"a": np.arange(6, dtype=dtype_of("bfloat16")).reshape(2, 3)}, {"format": "pt"}))
    assert torch.equal(library.load_file(path)["a"], torch.arange(6, dtype=torch.bfloat16).reshape(2, 3))


def test_we_read_the_library_s(path: Path) -> None:
    tensors = arrays(*NUMPY, "bfloat16")
    need("safetensors.numpy").save_file(tensors, path, {"format": "np"})
    assert same(open_checkpoint(path), tensors)
    assert read_header(path).metadata == {"format": "np"}
    assert same(open_checkpoint(path.parent), tensors)


def test_every_dtype_of_ml_dtypes_is_named(path: Path) -> None:
    tensors = {name: np.zeros(4, getattr(need("ml_dtypes"), name, name)) for name, _ in DTYPES.values()}
    path.write_bytes(written(tensors, {}))
    assert same(open_checkpoint(path), tensors)
    with need("safetensors").safe_open(path, "np") as file:
        assert {name: DTYPES[file.get_slice(name).get_dtype()][0] for name in file.keys()} == {  # noqa: SIM118
            name: name for name in tensors
        }


def test_data_is_aligned(path: Path) -> None:
    for names in range(20):
        head, _ = make_header([("a" * names, np.dtype("f4"), (2,))], {})
        assert len(head) % ALIGNMENT == 0


def test_what_no_file_can_have() -> None:
    for name, dtype in (("a", "datetime64[s]"), ("a", "complex128"), ("__metadata__", "f4"), ("\ud800", "f4")):
        with pytest.raises(CheckpointError, match="cannot be in a safetensors file"):
            make_header([(name, np.dtype(dtype), (1,))], {})


# Headers that are meant to harm


def table(**changed: Any) -> bytes:
    entry = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16], **changed}
    return json.dumps({"w": {key: value for key, value in entry.items() if value is not ...}}).encode()


def two(first: list[int], second: list[int]) -> bytes:
    entries = {
        name: {"dtype": "U8", "shape": [b - a], "data_offsets": [a, b]}
        for name, (a, b) in (("w", first), ("v", second))
    }
    return json.dumps(entries).encode()


ENTRY = b'{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'

#: Name, header, bytes of data after it, and what the error says beside the file
HOSTILE: list[tuple[str, bytes, int, str]] = [
    ("data ends early", table(), 15, "tensor 'w' at bytes 0 to 16 ends past the file's 15 bytes of data"),
    ("no data", table(), 0, "tensor 'w' at bytes 0 to 16 ends past the file's 0 bytes of data"),
    ("more data", table(), 17, "17 bytes of data, of which the header describes 16"),
    ("data of nothing", b"{}", 1, "1 bytes of data, of which the header describes 0"),
    ("overlap", two([0, 10], [9, 16]), 16, "tensor 'v' at bytes 9 to 16 overlaps tensor 'w', which ends at 10"),
    ("same place", two([0, 16], [0, 16]), 16, "tensor 'v' at bytes 0 to 16 overlaps tensor 'w'"),
    ("within", two([0, 16], [4, 8]), 16, "tensor 'v' at bytes 4 to 8 overlaps tensor 'w'"),
    ("gap", two([0, 8], [9, 16]), 16, "tensor 'v' at bytes 9 to 16 leaves a gap behind tensor 'w', which ends at 8"),
    ("gap at the start", two([1, 8], [8, 16]), 16, "tensor 'w' at bytes 1 to 8 leaves a gap behind the header"),
    ("past the end", two([0, 16], [16, 2**60]), 16, f"tensor 'v' at bytes 16 to {2**60} ends past the file's 16"),
    ("shape and offsets", table(shape=[2, 3]), 16, "tensor 'w': shape [2, 3] of F32 takes 24 bytes, but data_offsets"),
    ("dtype and offsets", table(dtype="F64"), 16, "tensor 'w': shape [2, 2] of F64 takes 32 bytes"),
    ("unknown dtype", table(dtype="F33"), 16, "tensor 'w': unknown dtype 'F33'; known are BOOL"),
    ("packed dtype", table(dtype="F4"), 16, "tensor 'w': unknown dtype 'F4'"),
    ("dtype is a number", table(dtype=3), 16, "tensor 'w': expected a string, found"),
    ("negative size", table(shape=[-2, -2]), 16, "tensor 'w': shape: expected an integer from 0"),
    ("fraction", table(shape=[2.0, 2]), 16, "tensor 'w': shape: expected an integer"),
    ("exponent", b'{"w":' + ENTRY.replace(b"16", b"16e9") + b"}", 16, "tensor 'w': data_offsets: expected an integer"),
    ("leading zero", b'{"w":' + ENTRY.replace(b"16", b"016") + b"}", 16, "tensor 'w'"),
    ("size is text", table(shape=["2", 2]), 16, "tensor 'w': shape: expected an integer"),
    ("size is true", table(shape=[True, 4]), 16, "tensor 'w': shape: expected an integer"),
    ("shape is null", table(shape=None), 16, "tensor 'w': expected [, found 'null"),
    ("huge shape", table(shape=[2**62, 2]), 16, "tensor 'w': an array has at most 2**63 - 1 elements"),
    ("huge size", table(shape=[2**63]), 16, "tensor 'w': an array has at most 2**63 - 1 elements"),
    ("huge number", table(shape=[10**30]), 16, "tensor 'w': shape: expected an integer"),
    ("wraps around", table(shape=[2**32, 2**32]), 16, "tensor 'w': an array has at most 2**63 - 1 elements"),
    ("wraps around in bytes", table(shape=[2**62], data_offsets=[0, 0]), 0, "tensor 'w': shape"),
    ("empty but huge", table(shape=[0, 2**63], data_offsets=[0, 0]), 0, "tensor 'w': an array has at most 2**63"),
    ("rank 65", table(shape=[1] * 65), 4, "tensor 'w': an array has at most 64 dimensions"),
    ("rank of a million", table(shape=[1] * 10**6), 4, "tensor 'w': shape has more than 64 numbers"),
    ("offsets backwards", table(data_offsets=[16, 0]), 16, "tensor 'w': data_offsets must be start and stop"),
    ("one offset", table(data_offsets=[16]), 16, "tensor 'w': data_offsets must be start and stop"),
    ("negative offset", table(data_offsets=[-16, 0]), 16, "tensor 'w': data_offsets: expected an integer from 0"),
    ("no dtype", table(dtype=...), 16, "tensor 'w': no dtype"),
    ("no shape", table(shape=...), 16, "tensor 'w': no shape"),
    ("no offsets", table(data_offsets=...), 16, "tensor 'w': no data_offsets"),
    ("unknown key", table(device="cpu"), 16, "tensor 'w': unknown key 'device'"),
    ("twice", b'{"w":' + ENTRY + b',"w":' + ENTRY + b"}", 16, "'w' is there twice"),
    ("shape twice", b'{"w":' + ENTRY[:-1] + b',"shape":[4]}}', 16, "tensor 'w': 'shape' is there twice"),
    ("metadata twice", b'{"__metadata__":{"a":"b","a":"c"}}', 0, "'a' is there twice"),
    ("metadata is a number", b'{"__metadata__":{"a":1}}', 0, "expected a string, found"),
    ("metadata is deep", b'{"__metadata__":{"a":{"a":"b"}}}', 0, "expected a string, found"),
    ("deep", b'{"w":' + b"[" * 10**6 + b"]" * 10**6 + b"}", 16, "tensor 'w': expected {, found '[[[[[[[[[['"),
    ("deep objects", b'{"w":' * 10**6, 16, "tensor 'w': unknown key 'w'"),
    ("an array", b"[]", 0, "the header must begin with {, found"),
    ("space first", b" {}", 0, "the header must begin with {, found"),
    ("empty", b"", 0, "the header must begin with {, found"),
    ("not closed", b'{"w":' + ENTRY, 16, "expected ,, found the end"),
    ("name not closed", b'{"w', 0, "not valid JSON"),
    ("two objects", b"{}{}", 0, "something follows the header's last }"),
    ("comma at the end", b'{"w":' + ENTRY + b",}", 16, "expected a string, found"),
    ("no comma", b'{"w":' + ENTRY + b' "v":' + ENTRY + b"}", 16, "expected ,, found"),
    ("not valid JSON", b"{w: 1}", 0, "expected a string, found"),
    ("a line end in a name", b'{"a\nb":' + ENTRY + b"}", 16, "not valid JSON"),
    ("not UTF-8", b'{"\xff\xfe":' + ENTRY + b"}", 16, "the header is not UTF-8 at its byte 2"),
    ("half a surrogate", b'{"\\ud800":' + ENTRY + b"}", 16, "tensor '\\ud800': the name is no text"),
    ("null bytes", b"\0" * 64, 0, "the header must begin with {, found"),
]


def file_of(header: bytes, data: int, length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + bytes(data)


#: What the library lets pass
LET_PASS = {"empty but huge", "unknown key", "twice", "metadata twice", "space first"}


@pytest.mark.parametrize(("name", "header", "data", "said"), HOSTILE, ids=[case[0] for case in HOSTILE])
def test_hostile_headers(name: str, header: bytes, data: int, said: str, path: Path) -> None:
    path.write_bytes(file_of(header, data))
    with pytest.raises(CheckpointError, match=re.escape(f"{path}: {said}")):
        read_header(path)
    if name not in LET_PASS:
        with pytest.raises(need("safetensors").SafetensorError), need("safetensors").safe_open(path, "np"):
            pass


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes are no safetensors file"),
        (b"\x02\0\0\0\0\0\0", "7 bytes are no safetensors file"),
        (file_of(b"{}", 0, 3), "a header of 3 bytes in a file of 10"),
        (file_of(b"{}", 0, 10**9), "a header of 1000000000 bytes, more than the 100000000 there may be"),
        (file_of(b"{}", 0, 2**64 - 1), "a header of 18446744073709551615 bytes, more than"),
        (file_of(b"{}", 0, 10**8), "a header of 100000000 bytes in a file of 10"),
        (b"PK\x03\x04" * 10, "bytes, more than the 100000000 there may be"),
    ],
)
def test_hostile_lengths(content: bytes, said: str, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=re.escape(f"{path}: ") + ".*" + re.escape(said)):
        read_header(path)


def test_a_gigabyte_of_header_is_not_read(path: Path) -> None:
    with open(path, "wb") as file:
        file.write((10**9).to_bytes(8, "little") + b"{")
        file.truncate(2 * 10**9)
    with pytest.raises(CheckpointError, match="a header of 1000000000 bytes, more than"):
        read_header(path)


def test_every_truncation_is_noticed(path: Path) -> None:
    whole = written(arrays("float32", "int8"), {"format": "pt"})
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=re.escape(str(path))):
            read_header(path)


def test_random_damage_is_an_error_or_a_header(path: Path) -> None:
    """Of a byte that is another, no other exception comes, and no place leaves the file."""
    whole = written(arrays("float32", "int8"), {"format": "pt"})
    length = int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[rng.integers(0, 8 + length)] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            header = read_header(path)
        except CheckpointError:
            refused += 1
        else:
            assert all(0 <= t.start <= t.stop <= len(whole) - header.data_start for t in header.tensors.values())
    assert refused > 100


MEMORY = """
import sys, resource
from initcore.errors import CheckpointError
from initcore.formats.safetensors import read_header
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_header(sys.argv[1])
except CheckpointError:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs resource")
@pytest.mark.parametrize(
    "body", [b'{"w":{"shape":[', b'{"w":', b'{"__metadata__":{"a":'], ids=["shape", "entry", "text"]
)
def test_a_header_takes_no_more_memory_than_it_is_long(body: bytes, path: Path, run_python: Run) -> None:
    """Of brackets, as many lists in memory would be 20 times as long."""
    size = 20_000_000
    path.write_bytes(file_of(body + b"[]," * (size // 3), 0))
    assert int(run_python(MEMORY, str(path)).stdout) < 3 * size / 2**20


@pytest.mark.parametrize("name", ["unknown dtype", "overlap", "data ends early", "deep"])
def test_nothing_is_written(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, data, said = next(case[1:] for case in HOSTILE if case[0] == name)
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(file_of(header, data))
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "zeros"\n')
    arguments = ["init", str(tmp_path / "plan.toml"), "--like", str(path), "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"initcore: {path}: ")
    assert said in shown.err
    assert sorted(os.listdir(tmp_path)) == ["hostile.safetensors", "plan.toml"]
