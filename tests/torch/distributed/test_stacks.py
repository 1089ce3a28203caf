"""The page of each stack: its example runs, alone or by torchrun, and asserts what it says."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import HELPERS, HUNG, ROOT, need, wanted

pytestmark = pytest.mark.any_isa

FOLDER = ROOT / "docs" / "stacks"
#: The package that a page is about, if it is not torch alone
PACKAGES = {
    "accelerate": ["accelerate"],
    "lightning": ["lightning"],
    "timm": ["torchvision_for_tests", "timm"],
    "torchtitan": ["torchtitan", "triton"],
    "transformers": ["transformers"],
}
#: Whose packages no machine without a GPU runs as they are: test_torch_deepspeed.py, test_torch_megatron.py
ELSEWHERE = {"deepspeed", "megatron"}
_RUN = re.compile(r"<!-- run: (python|torchrun (\d))( -->\n\n```python\n)(.*?)```", re.DOTALL)
#: torchvision's operators do not load beside every torch: the tests' stand-in is imported first
_FIRST = "import importlib.util\nif importlib.util.find_spec('torchvision'):\n    import torchvision_for_tests\n"
#: Gloo's threads of torch 2.13 abort the process at its end now and then: what the example says is checked before
_LAST = "import os\nos._exit(0)\n"


@pytest.mark.parametrize("page", sorted(path.stem for path in FOLDER.glob("*.md")))
def test_examples_of_stacks_run(page: str, tmp_path: Path) -> None:
    need("torch")
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    examples = list(_RUN.finditer(text))
    if page in ELSEWHERE:
        assert not examples
        assert "```python" in text
        return
    if page == "torchtitan":  # which asks for packages of GPUs
        for package in PACKAGES[page]:
            pytest.importorskip(package)
    for package in PACKAGES.get(page, []):
        if package == "torchvision_for_tests" or importlib.util.find_spec(package) is None:
            wanted(package)
    assert examples
    for found in examples:
        run(found[4], found[2], tmp_path / "example.py", page in PACKAGES)


def run(code: str, processes: str | None, script: Path, first: bool) -> None:
    """Run an example, by torchrun if it wants several processes."""
    script.write_text((_FIRST if first else "") + code + (_LAST if processes else ""))
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes] if processes else []
    path = os.pathsep.join([HELPERS, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *several, str(script)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=HUNG,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_stack_is_linked() -> None:
    entry = (FOLDER.parent / "cluster.md").read_text(encoding="utf-8")
    missing = [path.stem for path in FOLDER.glob("*.md") if f"stacks/{path.name}" not in entry]
    assert missing == []
