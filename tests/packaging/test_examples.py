"""What examples/ has, run as its users run it, at small sizes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import HUNG, ROOT, Run, need

from initcore.models import presets

pytestmark = pytest.mark.any_isa

EXAMPLES = ROOT / "examples"


def load(name: str) -> Any:
    spec: Any = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickles look
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_torchrun_llama() -> None:
    """Two processes print the sha256 of the arrays that the plan fills here, and the model runs."""
    need("torch")
    need("ml_dtypes")
    example = load("torchrun_llama")
    arguments = ["--width", "64", "--inner", "150", "--layers", "2", "--vocabulary", "301", "--check"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(EXAMPLES / "torchrun_llama.py"), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    model = example.Llama(301, 64, 4, 150, 2, 64)
    arrays = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    presets.llama(2, 64, seed=0).fill(arrays)
    (digest,) = re.findall(r"^sha256 (\w+)$", done.stdout, re.MULTILINE)
    assert digest == example.sha256(model)
    held = [int(n) for n in re.findall(r"^rank \d: (\d+) of", done.stdout, re.MULTILINE)]
    assert sum(held) == sum(array.size for array in arrays.values())
    assert max(held) < 0.51 * sum(held)


def test_dynamic_digits(run_python: Run) -> None:
    """He's weights train with and without the scaler, those ten times as large only with it."""
    need("torch")
    need("sklearn")
    done = run_python((EXAMPLES / "dynamic_digits.py").read_text(), "--depth", "4", "--epochs", "2", "--scales", "10")
    rows = {line.split("  ")[0].strip(): line.split()[-3:] for line in done.stdout.splitlines()}
    assert rows["He x 1"][:2] == [rows["He x 1"][0]] * 2
    assert rows["He x 1"][2] == "0"
    without, scaled = (float(share.rstrip("%")) for share in rows["He x 10"][:2])
    assert without < 50 < scaled
    assert rows["He x 10"][2] == "5"


def test_llama_405b_counts_its_elements(run_python: Run, tmp_path: Path) -> None:
    """Those of the model card, 405.85 billion; and the shards are those of the plan, by any number of threads."""
    need("ml_dtypes")
    example = load("llama_405b")
    assert sum(int(np.prod(it.shape)) for it in example.parameters_of(example.CONFIG)) == 405_853_388_800
    given = json.loads(example.CONFIG.read_text())
    small = {**given, "hidden_size": 512, "intermediate_size": 640, "num_hidden_layers": 2, "vocab_size": 999}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(small))
    script = (EXAMPLES / "llama_405b.py").read_text()
    found = [
        re.findall(r"^in all .* ([\d.]+) % |sha256 (\w+)", run_python(script, *arguments).stdout, re.MULTILINE)
        for arguments in (
            ("--config", str(config), "--ranks", "7", "--share", "0.2", "--threads", n) for n in ("1", "3")
        )
    ]
    assert found[0] == found[1]
    assert 20 <= float(found[0][0][0]) < 60
    named = {it.name: it for it in example.parameters_of(config)}
    parameter = named["model.layers.1.mlp.down_proj.weight"]
    parts = [example.shard_of(parameter, rank, 7) for rank in range(7)]
    whole = parameter.fill(np.empty(parameter.shape, parameter.dtype))
    assert sum(part.shape[0] for part in parts) == parameter.shape[0]
    got = np.concatenate([parameter.fill(np.empty(part.shape, parameter.dtype), part) for part in parts])
    assert got.tobytes() == whole.tobytes()
