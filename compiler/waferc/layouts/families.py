"""The table of families: which graph operations the layout search knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from waferc.layouts.contraction import CONTRACTION
from waferc.layouts.elementwise import ELEMENTWISE
from waferc.layouts.movement import MOVEMENT
from waferc.layouts.strategy import AnyFamily
from waferc_ir.ops.declare import Op

FAMILIES: Mapping[type[Op], AnyFamily] = MappingProxyType(
    {family.op: family for family in (*ELEMENTWISE, *CONTRACTION, *MOVEMENT)}
)
