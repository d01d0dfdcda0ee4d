"""Functions on scalars that `@map` applies where no DSD operation exists: their CSL and their cost.

Bodies are written for f32. The f16 form of a function converts, computes in f32 and rounds once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waferc.emit.diagnostics import EmitError
from waferc.emit.pe_program import Array, Element, ScalarFunction
from waferc.layouts.vector_functions import VectorFunction
from waferc_ir.machine import Machine


@dataclass(frozen=True, slots=True)
class Definition:
    """A function by its lines, and what a call costs beside scalar operations."""

    parameters: tuple[str, ...]
    lines: tuple[str, ...]
    scalars: int
    divides: int = 0
    maths: int = 0


def _compare(operator: str) -> Definition:
    return Definition(("a", "b"), (f"return if (a {operator} b) one else zero;",), 2)


# The rational approximation of erf on [-4, 4], x P(x^2) / Q(x^2), has the coefficients of Eigen's
# generic_fast_erf_float. Measured: error at most 7e-8, and 4e-7 when every step rounds to f32.
_ERF_P = (
    "-2.72614225801306e-10", "2.77068142495902e-08", "-2.10102402082508e-06",
    "-5.69250639462346e-05", "-7.34990630326855e-04", "-2.95459980854025e-03",
    "-1.60960333262415e-02",
)  # fmt: skip
_ERF_Q = (
    "-1.45660718464996e-05", "-2.13374055278905e-04", "-1.68282697438203e-03",
    "-7.37332916720468e-03", "-1.42647390514189e-02",
)  # fmt: skip


# Cephes, expf: error at most 2 units in the last place.
_EXP = (
    "1.9875691500e-4", "1.3981999507e-3", "8.3334519073e-3", "4.1665795894e-2", "1.6666665459e-1",
    "5.0000001201e-1",
)  # fmt: skip


def _horner(coefficients: Sequence[str], variable: str) -> str:
    text = coefficients[0]
    for coefficient in coefficients[1:]:
        sign = "-" if coefficient.startswith("-") else "+"
        text = f"({text}) * {variable} {sign} {coefficient.lstrip('-')}"
    return text


DEFINITIONS: dict[str, Definition] = {
    # Conditions choose between variables, so that every element takes equally long.
    # 2^n times a polynomial of what is left of x, which is at most ln(2) / 2. Adding 1.5 * 2^23
    # rounds to an integer, whose bits are then the lowest.
    "exp": Definition(
        ("x",),
        (
            "const scaled: f32 = x * 1.4426950408889634 + 12582912.0;",
            "const n: f32 = scaled - 12582912.0;",
            "const r: f32 = x - n * 0.693359375 + n * 2.12194440e-4;",
            f"const p: f32 = ({_horner(_EXP, 'r')}) * r * r + r + 1.0;",
            "const bits: u32 = @bitcast(u32, p) + (@bitcast(u32, scaled) << 23);",
            "const power: f32 = @bitcast(f32, bits);",
            "const top: f32 = @bitcast(f32, @as(u32, 0x7f800000));",
            "const low: f32 = if (x < -87.33) zero else power;",
            "return if (x > 88.72) top else low;",
        ),
        26,
    ),
    "log": Definition(("x",), ("return math.log_f32(x);",), 0, maths=1),
    "sqrt": Definition(("x",), ("return math.sqrt_f32(x);",), 0, maths=1),
    "rsqrt": Definition(("x",), ("return math.invsqrt_f32(x);",), 0, maths=1),
    "sin": Definition(("x",), ("return math.sin_f32(x);",), 0, maths=1),
    "cos": Definition(("x",), ("return math.cos_f32(x);",), 0, maths=1),
    "tanh": Definition(("x",), ("return math.tanh_f32(x);",), 0, maths=1),
    "floor": Definition(("x",), ("return math.floor_f32(x);",), 0, maths=1),
    "ceil": Definition(("x",), ("return math.ceil_f32(x);",), 0, maths=1),
    "pow": Definition(("a", "b"), ("return math.pow_f32(a, b);",), 0, maths=1),
    "reciprocal": Definition(("x",), ("return one / x;",), 0, divides=1),
    "div": Definition(("a", "b"), ("return a / b;",), 0, divides=1),
    # Three steps of Newton's for the reciprocal, from a guess by the exponent that is 12 % off.
    # Below -80 the sigmoid is that of -80, 2e-35.
    "sigmoid": Definition(
        ("x",),
        (
            "const low: f32 = if (x < -80.0) @as(f32, -80.0) else x;",
            "const size: f32 = one + exp_f32(-low);",
            "const a: f32 = @bitcast(f32, @as(u32, 0x7ef311c3) - @bitcast(u32, size));",
            "const b: f32 = a * (2.0 - size * a);",
            "const c: f32 = b * (2.0 - size * b);",
            "return c * (2.0 - size * c);",
        ),
        42,
    ),
    "silu": Definition(
        ("x",),
        (
            "const whole: f32 = sigmoid_f32(x);",
            "const part: f32 = if (x < -80.0) zero else whole;",
            "return x * part;",
        ),
        45,
    ),
    "erf": Definition(
        ("x",),
        (
            "const low: f32 = if (x < -4.0) @as(f32, -4.0) else x;",
            "const c: f32 = if (low > 4.0) @as(f32, 4.0) else low;",
            "const s: f32 = c * c;",
            f"const p: f32 = {_horner(_ERF_P, 's')};",
            f"const q: f32 = {_horner(_ERF_Q, 's')};",
            "return c * p / q;",
        ),
        28,
        divides=1,
    ),
    "gelu": Definition(
        ("x",),
        ("return 0.5 * x * (one + erf_f32(x * 0.7071067811865476));",),
        32,
        divides=1,
    ),
    "gelu_tanh": Definition(
        ("x",),
        (
            "const inner: f32 = 0.7978845608028654 * (x + 0.044715 * x * x * x);",
            "return 0.5 * x * (one + math.tanh_f32(inner));",
        ),
        8,
        maths=1,
    ),
    "softplus": Definition(
        ("x",),
        (
            "const positive: f32 = if (x > zero) x else zero;",
            "const size: f32 = if (x > zero) x else -x;",
            "return positive + math.log_f32(one + math.exp_f32(-size));",
        ),
        7,
        maths=2,
    ),
    "sign": Definition(
        ("x",),
        (
            "const up: f32 = if (x > zero) one else zero;",
            "const down: f32 = if (x < zero) one else zero;",
            "return up - down;",
        ),
        5,
    ),
    "min": Definition(("a", "b"), ("return if (a < b) a else b;",), 2),
    "eq": _compare("=="),
    "ne": _compare("!="),
    "lt": _compare("<"),
    "le": _compare("<="),
    "gt": _compare(">"),
    "ge": _compare(">="),
    "select": Definition(("c", "a", "b"), ("return if (c != zero) a else b;",), 2),
}
_NEEDS = {"gelu": "erf", "sigmoid": "exp", "silu": "sigmoid"}

INTEGER: dict[str, tuple[tuple[str, ...], str]] = {
    "add": (("a", "b"), "a + b"),
    "sub": (("a", "b"), "a - b"),
    "mul": (("a", "b"), "a * b"),
    "max": (("a", "b"), "if (a > b) a else b"),
    "min": (("a", "b"), "if (a < b) a else b"),
    "neg": (("a",), "-a"),
    "abs": (("a",), "if (a < 0) -a else a"),
    "relu": (("a",), "if (a > 0) a else @as({T}, 0)"),
    "sign": (("a",), "@as({T}, a > 0) - @as({T}, a < 0)"),
}
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_DIRECT = frozenset({"log", "sqrt", "rsqrt", "sin", "cos", "tanh", "floor", "ceil", "pow"})


class ScalarFunctions:
    """Collects the functions that a PE file needs, in order of first use."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._functions: dict[str, ScalarFunction] = {}

    def all(self) -> tuple[ScalarFunction, ...]:
        """Everything asked for so far."""
        return tuple(self._functions.values())

    def float_function(self, fn: str, element: Element) -> ScalarFunction:
        """`fn` on floats; the result has the same type (comparisons give 0 or 1).

        Raises:
            EmitError: there is no such function.
        """
        if fn not in DEFINITIONS:
            raise EmitError(
                f"no scalar function computes {fn!r}", help=f"known: {', '.join(DEFINITIONS)}"
            )
        definition = DEFINITIONS[fn]
        machine = self._machine
        cost = (
            definition.scalars * machine.scalar_cycles
            + definition.divides * machine.divide_cycles
            + definition.maths * machine.math_cycles
        )
        if fn in _DIRECT and element == "f32":
            library = definition.lines[0].removeprefix("return ").partition("(")[0]
            return ScalarFunction(library, "", cost)
        if fn in _NEEDS:
            self.float_function(_NEEDS[fn], "f32")
        single = self._add(f"{fn}_f32", definition.parameters, "f32", definition.lines, cost)
        if element == "f32":
            return single
        arguments = ", ".join(f"@as(f32, {name})" for name in definition.parameters)
        line = f"return @as(f16, {fn}_f32({arguments}));"
        extra = (len(definition.parameters) + 1) * machine.scalar_cycles + machine.call_cycles
        return self._add(f"{fn}_f16", definition.parameters, "f16", (line,), cost + extra)

    def integer_function(self, fn: str, element: Element, result: Element) -> ScalarFunction:
        """`fn` on integers; comparisons give 0 or 1 in the float type `result`.

        Raises:
            EmitError: there is no such function on integers.
        """
        cost = 3 * self._machine.scalar_cycles
        if fn in COMPARISONS:
            line = f"return if (a {COMPARISONS[fn]} b) @as({result}, 1.0) else @as({result}, 0.0);"
            return self._add(f"{fn}_{element}", ("a", "b"), element, (line,), cost, result)
        if fn == "select":
            line = f"return if (c != @as({result}, 0.0)) a else b;"
            typed: list[tuple[str, Element]] = [("c", result), ("a", element), ("b", element)]
            text = _text(f"select_{element}", typed, element, (line,))
            return self._keep(f"select_{element}", text, cost)
        if fn not in INTEGER:
            raise EmitError(
                f"{fn!r} of {element} elements has no kernel",
                help="convert to a float type first (tensor.float())",
            )
        parameters, expression = INTEGER[fn]
        line = f"return {expression.format(T=element)};"
        return self._add(f"{fn}_{element}", parameters, element, (line,), cost)

    def conversion(self, source: Element, target: Element) -> ScalarFunction:
        """Element type `source` to `target`; float to integer truncates."""
        line = f"return @as({target}, x);"
        name = f"{source}_to_{target}"
        return self._add(name, ("x",), source, (line,), self._machine.scalar_cycles, target)

    def truth(self, source: Element, target: Element) -> ScalarFunction:
        """1 where an element is not zero, else 0, in the float type `target`."""
        zero = "0" if source.startswith("i") else "0.0"
        line = f"return if (x != {zero}) @as({target}, 1.0) else @as({target}, 0.0);"
        name = f"{source}_is_nonzero"
        return self._add(name, ("x",), source, (line,), 2 * self._machine.scalar_cycles, target)

    def vectors(self, function: VectorFunction, scratch: Array) -> ScalarFunction:
        """A function on f16 vectors `(x, out)`, with its intermediate results in `scratch`."""
        name = f"{function.name}_f16_x{function.count}"
        return self._keep(
            name, _vector_text(name, function, scratch), function.cycles(self._machine)
        )

    def _add(
        self,
        name: str,
        parameters: Sequence[str],
        element: Element,
        lines: Sequence[str],
        cost: int,
        result: Element | None = None,
    ) -> ScalarFunction:
        typed: list[tuple[str, Element]] = [(parameter, element) for parameter in parameters]
        spelled = [_constants(line, element) for line in lines]
        return self._keep(name, _text(name, typed, result or element, spelled), cost)

    def _keep(self, name: str, text: str, cost: int) -> ScalarFunction:
        return self._functions.setdefault(name, ScalarFunction(name, text, cost))


def _constants(line: str, element: Element) -> str:
    words = {"one": f"@as({element}, 1.0)", "zero": f"@as({element}, 0.0)"}
    for word, text in words.items():
        for before, after in ((" ", " "), (" ", ";"), ("(", " "), (" ", ")")):
            line = line.replace(f"{before}{word}{after}", f"{before}{text}{after}")
    return line


def _text(
    name: str,
    parameters: Sequence[tuple[str, Element]],
    result: Element,
    lines: Sequence[str],
) -> str:
    head = ", ".join(f"{parameter}: {element}" for parameter, element in parameters)
    body = "\n".join(f"  {line}" for line in lines)
    return f"fn {name}({head}) {result} {{\n{body}\n}}"


def _vector_text(name: str, function: VectorFunction, scratch: Array) -> str:
    lines = [f"fn {name}(x: mem1d_dsd, out: mem1d_dsd) void {{"]
    for vector, offset in function.offsets.items():
        access = f"|i|{{{function.count}}} -> {scratch.name}[i + {offset}]"
        lines.append(f"  const {vector} = @get_dsd(mem1d_dsd, .{{ .tensor_access = {access} }});")
    registers = function.registers()
    for (file, vector), number in registers.items():
        register = f"{vector}_{file.removeprefix('dsr_')}"
        lines.append(f"  const {register} = @get_dsr({file}, {number});")
        lines.append(f"  @load_to_dsr({register}, {vector});")

    def operand(file: str, given: str | float) -> str:
        if (file, given) in registers:
            return f"{given}_{file.removeprefix('dsr_')}"
        if isinstance(given, int):
            return f"{given & 0xFFFF:#06x}"
        return str(given)

    for step in function.steps:
        files = ("dsr_src0", "dsr_src1", "")
        sources = [operand(file, s) for file, s in zip(files, step.sources, strict=False)]
        operands = ", ".join([operand("dsr_dest", step.dest), *sources])
        lines.append(f"  @{step.operation}({operands});")
    return "\n".join([*lines, "}"])
