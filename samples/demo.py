"""The main job: train a small GPT, compile it, run it on the virtual wafer, compare with PyTorch.

    python -m samples.demo            (or `make demo`)

Each token of the continuation is one forward pass over the whole context: the text so far stands
at the left of a row of fixed length, zeros at its right, and causal attention keeps what stands
right of a character from reaching it. Exits with 1 if the wafer's text or logits are not
PyTorch's.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from samples.char_gpt import CharGPT, Config, decode, encode, train
from torch import Tensor

import waferc

PROMPT = 'The "for" statement is used to '


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    options = _parse(arguments)
    torch.set_num_threads(1)  # the model is so small that a second thread gains little
    start = time.perf_counter()
    print("1. Train a character-level GPT on the help texts that ship with Python")
    model, training = train(
        Config(), steps=options.steps, progress=lambda line: print(f"   {line}", flush=True)
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"   {parameters:,} parameters, loss {training.loss:.3f} in {training.seconds:.0f} s")

    print(f"2. Compile it for {options.target}: {options.stages} regions joined by streams")
    example = _row(encode(PROMPT), model.config.context)
    begin = time.perf_counter()
    width, height = options.region
    compiled = waferc.compile(
        model, (example,), target=options.target, region=(width, height), stages=options.stages
    )
    compiled.save(options.output)
    print(f"   {time.perf_counter() - begin:.1f} s; the CSL is in {options.output / 'csl'}")

    print("3. Prefill: the prompt on the virtual wafer, and in PyTorch")
    verification = compiled.verify()
    print("   " + str(verification).replace("\n", "\n   "))

    print(f"4. Continue greedily, {options.tokens} characters, one forward pass each")
    wafer, passes = _continue_on_wafer(compiled, model.config, options.tokens)
    eager = _continue_eagerly(model, options.tokens)
    print(f"   wafer:   {wafer!r}")
    print(f"   PyTorch: {eager!r}")
    print(f"   {'the same text' if wafer == eager else 'DIFFERENT TEXT'}")

    print("5. What a forward pass costs")
    report = compiled.report()
    print("   " + str(report).replace("\n", "\n   "))
    print(
        f"   largest SRAM of a PE: {report.largest_sram_bytes:,} of "
        f"{report.machine.sram_bytes:,} bytes"
    )
    seconds = float(np.median(passes))
    rate, dense = report.macs / seconds, dense_rate()
    print(
        f"   simulation: {seconds:.2f} s per forward pass (median of {len(passes)}), "
        f"{rate / 1e6:,.0f} million multiply-accumulates per second; "
        f"NumPy's dense matmul here: {dense / 1e6:,.0f} million (1/{dense / rate:,.0f} of it)"
    )
    print(f"done in {time.perf_counter() - start:.0f} s")
    return 0 if wafer == eager and verification.passed else 1


def _row(ids: Tensor, context: int) -> Tensor:
    """Character numbers [1, context]: the last `context` of the text, zeros at the right."""
    row = torch.zeros(1, context, dtype=torch.int64)
    recent = ids[-context:]
    row[0, : len(recent)] = recent
    return row


def _next(logits: NDArray[np.float32], length: int, context: int) -> int:
    """The likeliest character after a text of `length`, by logits [1, context, alphabet]."""
    return int(np.argmax(logits[0, min(length, context) - 1]))


def _continue_on_wafer(
    compiled: waferc.Compiled, config: Config, tokens: int
) -> tuple[str, list[float]]:
    """The continuation of the prompt, and the seconds of simulation of each forward pass."""
    ids = encode(PROMPT)
    seconds: list[float] = []
    for _ in range(tokens):
        begin = time.perf_counter()
        logits = compiled(_row(ids, config.context)).numpy()
        seconds.append(time.perf_counter() - begin)
        follower = _next(logits, len(ids), config.context)
        ids = torch.cat([ids, torch.tensor([follower])])
        _show(f"   {decode(ids)!r}")
    _show("")
    return decode(ids), seconds


def _continue_eagerly(model: CharGPT, tokens: int) -> str:
    """The same in PyTorch, without padding."""
    ids = encode(PROMPT)
    for _ in range(tokens):
        with torch.no_grad():
            logits = model(ids[-model.config.context :][None]).numpy()
        follower = int(np.argmax(logits[0, -1]))
        ids = torch.cat([ids, torch.tensor([follower])])
    return decode(ids)


def dense_rate(extent: int = 768, repeats: int = 5) -> float:
    """Multiply-accumulates per second of NumPy's f32 matrix product on this computer."""
    factors = np.random.default_rng(0).standard_normal((2, extent, extent), dtype=np.float32)
    times: list[float] = []
    for _ in range(repeats):
        begin = time.perf_counter()
        np.matmul(factors[0], factors[1])
        times.append(time.perf_counter() - begin)
    return extent**3 / min(times)


def _show(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=600, help="training steps (%(default)s)")
    parser.add_argument("--tokens", type=int, default=24, help="characters (%(default)s)")
    parser.add_argument("--target", default="wse3", help="machine (%(default)s)")
    parser.add_argument(
        "--region", type=_region, default=(8, 8), metavar="WxH", help="PEs of a region (8x8)"
    )
    parser.add_argument("--stages", type=int, default=4, help="regions (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="%(default)s")
    return parser.parse_args(arguments)


def _region(text: str) -> tuple[int, int]:
    """Width and height out of a text such as `8x8`."""
    width, _, height = text.partition("x")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main())
