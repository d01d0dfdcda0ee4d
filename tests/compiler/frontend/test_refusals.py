"""What is said about models that cannot be compiled."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import Any

import pytest
import torch
from tests.compiler.frontend import models_refused as models
from torch import nn

from waferc.frontend.capture import capture
from waferc.frontend.lower import lower
from waferc_ir.diagnostics import WaferError

FILE = "tests/compiler/frontend/models_refused.py"
X = torch.ones(2, 3)

REFUSED: dict[str, tuple[Callable[[], nn.Module], Any, str]] = {
    "branch": (
        models.Branch,
        X,
        f"""\
error[capture]: control flow or a shape depends on the data in a tensor
 --> {FILE}:11:9
   |
11 |         if x.sum() > 0:
   |         ^^^^^^^^^^^^^^^
  = help: select with torch.where, or decide outside of forward""",
    ),
    "masked": (
        models.Masked,
        X,
        f"""\
error[capture]: the shape of what aten.index.Tensor yields is not fixed
 --> {FILE}:18:9
   |
18 |         return x[x > 0]
   |         ^^^^^^^^^^^^^^^
  = help: export with static shapes; select with torch.where, not by a mask""",
    ),
    "crash": (
        models.Crash,
        X,
        f"""\
error[capture]: torch cannot trace the model: RuntimeError: a and b must have same reduction dim, \
but got [2, 3] X [7, 7].
 --> {FILE}:23:9
   |
23 |         return x @ torch.ones(7, 7)
   |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^""",
    ),
    "trained": (
        models.Trained,
        X,
        f"""\
error[capture]: the model writes to the parameter weight
 --> {FILE}:34:9
   |
34 |         self.weight.detach().add_(1)
   |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: return the new value instead, or keep it in a buffer""",
    ),
    "overwrite": (
        models.Overwrite,
        X,
        f"""\
error[capture]: the model writes to an input x
 --> {FILE}:40:9
   |
40 |         x.mul_(2)
   |         ^^^^^^^^^
  = help: return the new value instead, or keep it in a buffer""",
    ),
    "random": (
        models.Random,
        X,
        f"""\
error[capture]: the model draws random numbers (aten.native_dropout.default)
 --> {FILE}:50:9
   |
50 |         return self.dropout(x)
   |         ^^^^^^^^^^^^^^^^^^^^^^
  = help: call model.eval() first, so that dropout does nothing""",
    ),
    "unsupported": (
        models.Unsupported,
        X,
        f"""\
error[lower]: torch operator aten.cumsum.default has no lowering
 --> {FILE}:55:9
   |
55 |         return torch.cumsum(x, 0) + torch.cumsum(x, 1)
   |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = note: 3 calls; this is the first
  = note: in Unsupported.inner
  = help: `waferc ops --torch` lists what is known; compiler/README.md says how to add one

error[lower]: torch operator aten.sort.default has no lowering
 --> {FILE}:65:9
   |
65 |         order = torch.sort(y)[0]
   |         ^^^^^^^^^^^^^^^^^^^^^^^^
  = help: `waferc ops --torch` lists what is known; compiler/README.md says how to add one

error[lower]: element type float64 is not supported
 --> {FILE}:66:9
   |
66 |         wide = order.double()
   |         ^^^^^^^^^^^^^^^^^^^^^
  = help: convert the model and its inputs with .float()""",
    ),
    "integers": (
        models.Integers,
        torch.tensor([1, 2]),
        f"""\
error[lower]: aten.div.Tensor_mode divides integers, which the wafer's kernels do not
 --> {FILE}:72:9
   |
72 |         return n // 2
   |         ^^^^^^^^^^^^^""",
    ),
    "wide": (
        models.Wide,
        torch.tensor([1, 2]),
        """\
error[lower]: constant large holds integers from 1 to 1099511627776
  = help: the wafer's integers have 32 bits""",
    ),
    "wide_state": (
        models.Counting,
        torch.tensor([1, 2]),
        """\
error[lower]: state count holds integers from -2147483649 to 0
  = help: the wafer's integers have 32 bits""",
    ),
    "double_input": (
        models.Same,
        X.double(),
        """\
error[lower]: input x: element type float64 is not supported
  = help: convert the model and its inputs with .float()

error[lower]: element type float64 is not supported
 --> tests/compiler/frontend/models_refused.py:88:9
   |
88 |         return x + 1
   |         ^^^^^^^^^^^^
  = help: convert the model and its inputs with .float()""",
    ),
    "brain_float": (
        models.Same,
        X.bfloat16(),
        """\
error[lower]: input x: element type bfloat16 is not supported
  = help: convert the model with .float() or .half(): the wafer has f32 and f16

error[lower]: element type bfloat16 is not supported
 --> tests/compiler/frontend/models_refused.py:88:9
   |
88 |         return x + 1
   |         ^^^^^^^^^^^^
  = help: convert the model with .float() or .half(): the wafer has f32 and f16""",
    ),
    "empty": (
        models.Same,
        torch.ones(0, 3),
        """\
error[lower]: input x of shape [0, 3] has no elements

error[lower]: the output output has no elements
 --> tests/compiler/frontend/models_refused.py:88:9
   |
88 |         return x + 1
   |         ^^^^^^^^^^^^""",
    ),
    "no_tensor": (
        models.Same,
        (X, {"a": object()}),
        """\
error[capture]: example input [1]['a'] is of type object
  = help: give tensors, numbers, and lists, tuples or dicts of them""",
    ),
    "missing": (
        models.Same,
        (),
        "error[capture]: torch cannot trace the model: TypeError: missing a required argument: 'x'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_error_says_what_where_and_what_to_do(case: str) -> None:
    make, args, expected = REFUSED[case]
    printed = io.StringIO()
    with pytest.raises(WaferError) as caught, redirect_stderr(printed):
        lower(capture(make(), args))
    assert str(caught.value) == expected
    assert printed.getvalue() == ""


def test_what_is_no_model_is_named() -> None:
    with pytest.raises(WaferError) as caught:
        capture(3)
    assert str(caught.value) == (
        "error[capture]: a model is an nn.Module, an ExportedProgram or a .pt2 path, not int"
    )


def test_without_torch_capture_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(WaferError) as caught:
        capture(object())
    assert str(caught.value) == (
        "error[capture]: capturing a model needs torch, which is not installed\n"
        "  = help: pip install 'waferc[torch]'; compiled models run without it"
    )


def test_dynamic_shapes_are_refused() -> None:
    shapes = {"x": {0: torch.export.Dim("n", min=2, max=9)}}
    program = torch.export.export(models.Same(), (torch.ones(4, 3),), dynamic_shapes=shapes)
    with pytest.raises(WaferError) as caught:
        capture(program)
    assert str(caught.value) == (
        "error[capture]: the shape of x is dynamic\n"
        "  = help: export with static shapes, one program per shape"
    )
