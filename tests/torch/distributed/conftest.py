"""Fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import need


@pytest.fixture
def rank_one_of_two() -> Iterator[None]:
    """A process group in which nobody else is."""
    fake, dist = need("torch.testing._internal.distributed.fake_pg"), need("torch.distributed")
    dist.init_process_group("fake", store=fake.FakeStore(), rank=1, world_size=2)
    yield
    dist.destroy_process_group()
