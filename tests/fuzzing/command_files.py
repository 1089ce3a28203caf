"""The small files that command lines of the fuzzer name: right ones, and what becomes of them when bytes change."""

from __future__ import annotations

import json
import random
from typing import Any


def safetensors(shapes: dict[str, tuple[int, int]], dtype: str = "F32") -> bytes:
    """Return a file of zeros."""
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (rows, columns) in shapes.items():
        table[name] = {"dtype": dtype, "shape": [rows, columns], "data_offsets": [end, end + 4 * rows * columns]}
        end += 4 * rows * columns
    head = json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + bytes(end)


def npy(head: str = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }", count: int = 64) -> bytes:
    """Return a file of zeros."""
    text = head.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(count)


PLAN = b"""seed = 3
dtype = "float32"
[[rule]]
match = "*.bias"
init = "zeros"
[[rule]]
regex = 'h\\.\\d+\\..*'
where = { rank = 2, min_rank = 1, sibling = { kind = "weight", min_rank = 3 } }
init = "trunc_normal"
std = 0.02
a = -2
b = inf
bounds = "sigma"
optional = true
[[rule]]
match = "*"
init = "kaiming_uniform"
fans = [4, 4]
in_axis = 0
out_axis = [1]
zero_rows = [0]
"""
SHAPES = b"""dtype = "float32"
[shapes]
"a.weight" = [4, 4]
"h.0.bias" = { shape = [4], dtype = "bfloat16" }
"\xc3\xa9[/x].weight" = [3, 5]
"""
LLAMA: dict[str, Any] = {
    **{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 16},
    **{"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10},
    **{"torch_dtype": "float32", "tie_word_embeddings": False, "rope_theta": 1e4, "max_position_embeddings": 16},
}
GPT2: dict[str, Any] = {
    **{
        "model_type": "gpt2",
        "n_embd": 8,
        "n_layer": 1,
        "n_head": 2,
        "vocab_size": 10,
        "n_positions": 4,
        "n_inner": None,
    },
}
ONE, OTHER = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = {"metadata": {"total_size": 128}, "weight_map": {"a.weight": ONE, "b": OTHER}}
MODULE = b"def model():\n    return 5\n\ndef failing():\n    raise LookupError('no\\nmodel')\n\nnothing = None\n"

#: Files that are right
FILES: dict[str, bytes] = {
    **{"plan.toml": PLAN, "simple.toml": b'[[rule]]\nmatch = "*"\ninit = "normal"\nstd = 1\n', "shapes.toml": SHAPES},
    **{"config.json": json.dumps(LLAMA).encode(), "gpt2/config.json": json.dumps(GPT2).encode()},
    **{"one.safetensors": safetensors({"a.weight": (4, 4), "h.0.bias": (1, 4)}), "made.py": MODULE},
    **{
        "both/model.safetensors.index.json": json.dumps(INDEX).encode(),
        f"both/{ONE}": safetensors({"a.weight": (4, 4)}),
    },
    **{f"both/{OTHER}": safetensors({"b": (4, 4)}), "arrays/a.npy": npy(), "single.npy": npy()},
    "arrays/index.json": json.dumps({"arrays": {"a": {"file": "a.npy"}}}).encode(),
}
#: What may stand where a number, a word or a table stood
TOKENS = (
    *(
        b"0",
        b"-1",
        b"1e400",
        b"18446744073709551616",
        b"NaN",
        b"Infinity",
        b"null",
        b"[]",
        b"{}",
        b'""',
        b"true",
        b"4.5",
    ),
    *(
        b"inf",
        b"nan",
        b'"../x"',
        b'"a\\u0000b"',
        b'"\\ud800"',
        b"\xff\xfe",
        b"\x00",
        b"[" * 5000,
        b'"a\\nb"',
        b"9" * 5000,
    ),
    *(b"1979-05-27T07:32:00Z", b'["normal"]', b"{ a = 1 }", b'{"a": 1}', b'"bfloat16"', b'"/dev/zero"', b'"."'),
)


def mutated(random_: random.Random, data: bytes) -> bytes:
    """Return a file with some bytes, or what they say, changed."""
    for _ in range(random_.choice([1, 1, 2, 3, 8])):
        at = random_.randrange(len(data) + 1)
        upto = min(len(data), at + random_.choice([0, 1, 1, 4, 20, 200]))
        words = [i for i in range(1, len(data)) if data[i : i + 1].isalnum() and data[i - 1 : i] in b' [{"=:,(']
        way = random_.choice(["flip", "cut", "end", "twice", "token", "token", "token", "swap"])
        if way == "flip" and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << random_.randrange(8)]) + data[at + 1 :]
        elif way == "token" and words:
            at = upto = random_.choice(words)
            while upto < len(data) and data[upto : upto + 1] not in b' ]}"=:,)\n':
                upto += 1
            data = data[:at] + random_.choice(TOKENS) + data[upto:]
        elif way == "swap":
            other = random_.choice(list(FILES.values()))
            data = data[:at] + other[random_.randrange(len(other)) :][: upto - at] + data[upto:]
        else:
            data = {"cut": data[:at] + data[upto:], "end": data[:at]}.get(way, data[:upto] + data[at:])
    return data
