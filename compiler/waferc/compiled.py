"""A compiled model: call it, verify it, look at its costs, save it, load it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waferc.frontend.eager import Reference, as_array, as_tensor, is_tensor
from waferc.report import Report, report
from waferc.signature import Signature, read_signature
from waferc.tolerance import Accumulation, Tolerance, Verification, compare, derive
from waferc_ir.diagnostics import WaferError
from waferc_runtime.host.bundle import read_bundle, read_file, write_bundle
from waferc_runtime.host.contents import Bundle
from waferc_runtime.host.engines import PHANTOM
from waferc_runtime.host.joined import folders
from waferc_runtime.host.json_fields import Field
from waferc_runtime.host.manifest import MANIFEST, EntryPoint
from waferc_runtime.host.session import Session
from waferc_runtime.host.wafers import Wafers, on_wafers

Array = NDArray[Any]
HOST_SCRIPT = "run.py"  # of the whole, and in the folder of each wafer where there are several


class VerificationError(WaferError):
    """A model cannot be verified: there is nothing to compare it with."""

    code = "verify"


class WafersError(WaferError):
    """What is asked for is there for one wafer only, and the model is on several."""

    code = "wafers"


Example = tuple[tuple[Any, ...], Mapping[str, Any]]  # positional arguments, and by keyword


@dataclass
class _Place:
    """Where the session of a model is, once there is one: all its entries share it."""

    session: Session | Wafers | None = None


@dataclass
class Compiled:
    """A model in CSL, with its weights, on virtual wafers that are made at the first call.

    A model of several entries is called by entry: `compiled["decode"](...)`; all entries work on
    the same wafers, weights and states. `host_scripts` are by file; `signatures`, `references` (the
    PyTorch model) and `examples` (the arguments that it was compiled with) are by entry; there are
    no references and examples for a model that was loaded from a bundle.
    """

    bundle: Bundle
    signatures: Mapping[str, Signature]
    host_scripts: Mapping[str, str]
    references: Mapping[str, Reference] = field(default_factory=lambda: {})
    examples: Mapping[str, Example] = field(default_factory=lambda: {})
    engine: str = field(default="vector", kw_only=True)
    selected: str | None = field(default=None, kw_only=True)
    place: _Place = field(default_factory=_Place, kw_only=True, repr=False)

    def __getitem__(self, entry: str) -> Compiled:
        """The model with an entry chosen, on the same wafer. Raises EntryError."""
        return replace(self, selected=self.bundle.manifest.entry(entry).label)

    @property
    def entries(self) -> tuple[str, ...]:
        """The names of all entries; of a model that has but one, `main`."""
        return tuple(entry.label for entry in self.bundle.manifest.entries)

    @property
    def entry(self) -> EntryPoint:
        """The entry that is called. Raises EntryError if there are several and none is chosen."""
        return self.bundle.manifest.entry(self.selected)

    @property
    def signature(self) -> Signature:
        """How the entry is called and what it returns."""
        return self.signatures[self.entry.label]

    @property
    def wafers(self) -> Session | Wafers:
        """The virtual wafers, one or several, with the program and its weights on them."""
        if self.place.session is None:
            self.place.session = on_wafers(self.bundle, self.engine)
        return self.place.session

    @property
    def session(self) -> Session:
        """The virtual wafer of a model that takes but one.

        Raises:
            WafersError: it takes several.
        """
        wafers = self.wafers
        if isinstance(wafers, Wafers):
            raise WafersError(
                f"{self.bundle.manifest.name} is on {len(wafers.sessions)} wafers, and this is"
                " about one",
                help="name the bundle of one, the folder wafer0 in that of the whole",
            )
        return wafers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model returns for these arguments, nested as the model nests it.

        Tensors come back where tensors were given, NumPy arrays otherwise, in the dtypes of the
        model. Raises StructureError or InputError if the arguments are not those of the model.
        """
        given = self.signature.arguments.flatten((args, kwargs), "arguments")
        results: dict[str, Any] = self.run({k: as_array(v) for k, v in given.items()})
        if any(is_tensor(value) for value in given.values()):
            results = {label: as_tensor(array) for label, array in results.items()}
        return self.signature.returns.build(results)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by label for inputs by label, in the dtypes of the model.

        Inputs that no output depends on may be given or left out.
        """
        self.signature.check(inputs)
        known = set(self.signature.arguments.labels())
        entry = self.entry
        used = {placement.label for placement in entry.inputs}
        outputs = self.wafers.run(
            {k: array for k, array in inputs.items() if k in used or k not in known},
            entry=entry.label,
        )
        dtypes = self.signature.dtypes
        return {
            label: array.astype(dtypes[label], copy=False) if label in dtypes else array
            for label, array in outputs.items()
        }

    @property
    def tolerance(self) -> Tolerance:
        """How far outputs may be from the reference, by element type and accumulation."""
        document = Field(self.entry.document["tolerance"], "tolerance", MANIFEST)
        fields = document.mapping(("accumulation", "weight", "depth"))
        found = Accumulation(
            fields["weight"].integer(0, 2**53),
            fields["accumulation"].integer(0, 2**53),
            fields["depth"].integer(0, 2**53),
        )
        return derive(found, self.bundle.manifest.dtype)

    def verify(
        self,
        inputs: object = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        tolerance: float | None = None,
    ) -> Verification:
        """Compare with eager PyTorch on these inputs, or on those it was compiled with.

        Args:
            inputs: positional arguments: a tuple or list, or one tensor or array.
            kwargs: arguments by keyword.
            tolerance: largest relative L2 error to pass, instead of the derived one.

        Raises:
            VerificationError: the PyTorch model is not at hand, or inputs are needed.
        """
        entry = self.entry.label
        reference = self.references.get(entry)
        if reference is None:
            raise VerificationError(
                "there is no PyTorch model to compare with: this one was loaded from a bundle",
                help="use verify_outputs() with expected outputs, or `waferc verify --model`",
            )
        if inputs is None and kwargs is None:
            if entry not in self.examples:
                raise VerificationError("an exported program brings no inputs: give some")
            args, named = self.examples[entry]
        else:
            args, named = positional(inputs), dict(kwargs or {})
        wanted = self.signature.returns.flatten(reference(args, named), "outputs")
        given = self.signature.arguments.flatten((args, dict(named)), "arguments")
        return self.verify_outputs(
            {label: as_array(value) for label, value in given.items()},
            {label: as_array(value) for label, value in wanted.items()},
            tolerance=tolerance,
        )

    def verify_outputs(
        self,
        inputs: Mapping[str, Array],
        expected: Mapping[str, Array],
        *,
        tolerance: float | None = None,
    ) -> Verification:
        """Compare outputs for `inputs` with `expected` ones, all by label.

        States are those of a first call, before and after.
        """
        limit = self.tolerance if tolerance is None else Tolerance(tolerance, "the caller")
        self.wafers.reset()
        found = self.run(inputs)
        self.wafers.reset()
        return compare(found, expected, limit, self.bundle.manifest.dtype)

    def report(self) -> Report:
        """Costs of the last call; where there was none, of a call on zeros or without data."""
        if self.wafers.last_call is None:
            self._measure(None, watch=False)
        return report(self.wafers)

    def profile(self, inputs: Mapping[str, Array] | None = None) -> Report:
        """Run the model on inputs by label (zeros if none), and say where the cycles went."""
        self._measure(inputs, watch=True)
        return report(self.wafers)

    def _measure(self, inputs: Mapping[str, Array] | None, *, watch: bool) -> None:
        entry = self.entry
        if self.engine == PHANTOM:
            self.wafers.measure(entry=entry.label, watch=watch)
            return
        given = {p.label: np.zeros(p.shape, p.dtype.numpy) for p in entry.inputs}
        known = set(self.signature.arguments.labels())
        if inputs is not None:
            given = {k: v for k, v in inputs.items() if k in given or k not in known}
        self.wafers.run(given, entry=entry.label, watch=watch)

    def save(self, folder: str | Path) -> None:
        """Write CSL, manifest, weights and host script to `folder`, whole or not at all.

        Raises:
            BundleError: the folder cannot be written, or holds something else than a bundle.
        """
        scripts = {name: text.encode() for name, text in self.host_scripts.items()}
        write_bundle(self.bundle, folder, scripts)


def load(folder: str | Path, *, engine: str = "vector") -> Compiled:
    """The compiled model in a folder that `save` wrote. torch is not needed.

    Raises:
        BundleError: the folder is not a bundle, or is damaged.
    """
    bundle = read_bundle(folder)
    names = [HOST_SCRIPT]
    if bundle.wafers:
        names += [f"{name}/{HOST_SCRIPT}" for name in folders(bundle.manifest.document)]
    scripts = {name: read_file(folder, name) for name in names}
    signatures = {entry.label: read_signature(entry) for entry in bundle.manifest.entries}
    return Compiled(bundle, signatures, scripts, engine=engine)


def positional(inputs: object) -> tuple[Any, ...]:
    """Inputs as positional arguments: one tensor or array stands for itself."""
    if isinstance(inputs, tuple | list):
        return tuple(inputs)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return () if inputs is None else (inputs,)
