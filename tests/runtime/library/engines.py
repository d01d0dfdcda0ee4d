"""The engines on which libraries are tried."""

from __future__ import annotations

from collections.abc import Sequence

from waferc_runtime.host.engines import EngineFactory
from waferc_runtime.reference.engine import ReferenceEngine
from waferc_runtime.vector.engine import VectorEngine

ENGINES: Sequence[EngineFactory] = (VectorEngine, ReferenceEngine)
