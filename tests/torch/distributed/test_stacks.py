"""The page of each stack: its example runs, alone or by torchrun, and asserts what it says."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import HELPERS, ROOT, need, wanted

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
    found = _RUN.search(text)
    if page in ELSEWHERE:
        assert found is None
        assert "```python" in text
        return
    if page == "torchtitan":  # which asks for packages of GPUs
        for package in PACKAGES[page]:
            pytest.importorskip(package)
    for package in PACKAGES.get(page, []):
        if package == "torchvision_for_tests" or importlib.util.find_spec(package) is None:
            wanted(package)
    assert found is not None
    script = tmp_path / "example.py"
    script.write_text((_FIRST if page in PACKAGES else "") + found[4] + (_LAST if found[2] else ""))
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", found[2]] if found[2] else []
    path = os.pathsep.join([HELPERS, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *several, str(script)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_stack_is_linked() -> None:
    entry = (FOLDER.parent / "cluster.md").read_text(encoding="utf-8")
    missing = [path.stem for path in FOLDER.glob("*.md") if f"stacks/{path.name}" not in entry]
    assert missing == []
