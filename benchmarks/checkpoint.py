"""A checkpoint of a model larger than memory, beside zeros written through the same mapping.

python benchmarks/checkpoint.py OUT                              # Llama-3-8B in bfloat16: 16 GB, twice, on OUT's disk
python benchmarks/checkpoint.py OUT --like config.json --rounds 3

The same command writes both, each in a process of its own, in turns: ``initcore init`` with the plan, and with one that
has nothing but zeros. What is measured is the process, from its start until the files are on the disk and have their
names, and the most of its memory that is anonymous.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LLAMA_3_8B = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
ZEROS = '[[rule]]\nmatch = "*"\ninit = "zeros"\n'
POLL_SECONDS = 0.01


def anonymous_bytes(process: int) -> int:
    """Return how much of a process's resident memory is of no file."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) << 10
    return 0


def write(plan: str, like: Path, out: Path, options: list[str]) -> tuple[float, int]:
    """Return the seconds that a checkpoint takes, and the most anonymous memory."""
    command = [sys.executable, "-m", "initcore", "init", plan, "--like", str(like), "-o", str(out), *options]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        try:
            most = max(most, anonymous_bytes(process.pid))
        except OSError:  # it has just ended
            break
        time.sleep(POLL_SECONDS)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - start, most


def measure(args: argparse.Namespace, folder: Path) -> dict[str, list[tuple[float, int]]]:
    """Return seconds and memory of each round of both."""
    like = args.like or folder / "config.json"
    if not args.like:
        like.write_text(json.dumps(LLAMA_3_8B))
    zeros = folder / "zeros.toml"
    zeros.write_text(ZEROS)
    options = ["--threads", str(args.threads)] if args.threads else []
    found: dict[str, list[tuple[float, int]]] = {"zeros": [], args.plan: []}
    for number in range(args.rounds + 1):  # the first, which allocates on the disk what was never used, is not counted
        for what, plan in (("zeros", str(zeros)), (args.plan, args.plan)):
            seconds = write(plan, like, folder / "out", options)
            nbytes = sum(path.stat().st_size for path in (folder / "out").iterdir())
            print(f"{what}: {nbytes / 1e9:.2f} GB in {seconds[0]:.2f} s, {nbytes / 1e9 / seconds[0]:.2f} GB/s, "
                  f"{seconds[1] >> 20} MiB anonymous{'' if number else ' (not counted)'}", flush=True)  # fmt: skip
            shutil.rmtree(folder / "out")
            os.sync()
            if number:
                found[what].append(seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="a folder on the disk to write to, which keeps nothing")
    parser.add_argument("--like", type=Path, help="another model's shapes, as initcore init takes them")
    parser.add_argument("--plan", default="preset:llama", help="another plan; preset:llama if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.out) as folder:
        found = measure(args, Path(folder))
    medians = {what: statistics.median(seconds for seconds, _ in rounds) for what, rounds in found.items()}
    ratio = medians[args.plan] / medians["zeros"]
    most = max(memory for rounds in found.values() for _, memory in rounds)
    print(f"{args.plan} takes {ratio:.3f} times as long as zeros; at most {most >> 20} MiB were anonymous")


if __name__ == "__main__":
    main()
