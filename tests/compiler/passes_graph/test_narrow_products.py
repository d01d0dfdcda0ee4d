from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.compiler.frontend.running_torch import lower_model, unit_of
from tests.end_to_end.test_state import Cached

from waferc.evaluate.graph import evaluate
from waferc.passes.base import PassError
from waferc.passes.decompose import Decompose
from waferc.passes.fold_constants import FoldConstants
from waferc.passes.narrow_products import NarrowProducts
from waferc.passes.simplify_graph import SimplifyGraph
from waferc.tolerance import accumulation, derive
from waferc.unit import Unit
from waferc_ir.dtypes import DType
from waferc_ir.ops.graph_compute import Contract, Embedding
from waferc_ir.ops.graph_structure import Output, Parameter, State
from waferc_ir.types import TensorType
from waferc_ir.verify import verify


@pytest.fixture(scope="module")
def before() -> Unit:
    torch.manual_seed(3)
    example = torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, dtype=torch.long)
    unit = unit_of(lower_model(Cached(1, 5).eval(), *example))
    for one in (FoldConstants(), Decompose(), SimplifyGraph()):
        unit = one.run(unit)
    return unit


def narrowed(unit: Unit) -> Unit:
    made = FoldConstants().run(NarrowProducts().run(unit))
    verify(made.program)
    return made


def test_weights_and_caches_are_stored_in_f16_and_sums_are_f32(before: Unit) -> None:
    unit = narrowed(before)
    ops = [statement.op for statement in unit.program.statements]
    assert all(op.dtype is DType.F16 for op in ops if isinstance(op, State))
    assert all(op.wide for op in ops if isinstance(op, Contract))
    stored = {op.label: op for op in ops if isinstance(op, Parameter) and len(op.shape) > 1}
    assert {op.dtype for op in stored.values() if op.dtype.is_float} == {DType.F16}
    assert all(unit.weights[op.label].dtype == op.dtype.numpy for op in stored.values())
    tables = [op.table for op in ops if isinstance(op, Embedding)]
    assert all(isinstance(t.type, TensorType) and t.type.dtype is DType.F16 for t in tables)
    [logits] = [op.x for op in ops if isinstance(op, Output)]
    assert isinstance(logits.type, TensorType)
    assert logits.type.dtype is DType.F32


def test_it_means_the_same_within_the_derived_bound_token_after_token(before: Unit) -> None:
    unit = narrowed(before)
    states: list[dict[str, NDArray[Any]]] = [{}, {}]
    bound = derive(accumulation(unit.program), DType.F32).relative_l2
    for position, token in enumerate((3, 16, 0, 7, 7)):
        inputs = {
            "ids": np.asarray([[token]], np.int32),
            "position": np.asarray([position], np.int32),
        }
        [expected], [found] = (
            evaluate(one.program, inputs, one.weights, kept).values()
            for one, kept in zip((before, unit), states, strict=True)
        )
        error = float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
        assert 1e-6 < error < bound < 0.02  # f16 shows, and is far from a wrong result


def test_f32_leaves_the_program_as_it_is(before: Unit) -> None:
    assert NarrowProducts("f32").run(before) is before


def test_a_weight_beyond_f16_is_named(before: Unit) -> None:
    large = {**before.weights, "qkv.weight": before.weights["qkv.weight"] * 1e6}
    with pytest.raises(PassError, match=r"'qkv\.weight' has numbers beyond what f16 holds"):
        NarrowProducts().run(Unit(before.program, large, before.machine))
