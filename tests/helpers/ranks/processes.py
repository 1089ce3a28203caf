"""torch.distributed, for tests whose processes share a model. Where it is not, all tests of a module are skipped."""

from __future__ import annotations

from typing import Any

import pytest
from support import need

__all__ = ["dist", "torch"]

need("ml_dtypes")
torch: Any = need("torch")
dist: Any = torch.distributed
if not dist.is_available():
    pytest.skip("torch was built without torch.distributed", allow_module_level=True)
