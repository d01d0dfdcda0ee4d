"""`waferc generate`: tokens from a decoder's bundle, as they come."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waferc import cli_plan
from waferc.check_tokens import check_tokens
from waferc.cli_files import load_model
from waferc.compiled import Compiled, load
from waferc.generate import GenerateError, Tokens, decoder, generate
from waferc.progress import Progress
from waferc_runtime.host.engines import ENGINES

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    one = verbs.add_parser(
        "generate",
        help="generate tokens with a decoder's bundle",
        description="Go on with a prompt, one token after the other. The bundle's model takes ids "
        "[batch, 1] and a position [1] and keeps its cache in buffers; where it has the entries "
        "prefill and decode, the prompt goes through prefill in chunks. A model is compiled first: "
        "one that does so, or a causal language model of transformers.",
    )
    one.add_argument(
        "model", metavar="BUNDLE",
        help="folder that `waferc compile -o` wrote; or MODULE.py:FACTORY or FILE.pt2",
    )  # fmt: skip
    one.add_argument(
        "--prompt", action="append", required=True, metavar="IDS",
        help="token ids with commas between; once for each row of the batch",
    )  # fmt: skip
    one.add_argument("--max-new-tokens", type=int, default=16, metavar="N", help="(%(default)s)")
    one.add_argument(
        "--context", type=int, metavar="N",
        help="use no more than N tokens of the cache (all that it holds); of a model that is to be "
        "compiled, how many it holds",
    )  # fmt: skip
    one.add_argument(
        "--prefill", type=int, metavar="N",
        help="tokens of a prompt per call, of a model that is to be compiled",
    )  # fmt: skip
    one.add_argument(
        "--temperature", type=float, default=0.0, metavar="T",
        help="0 takes the likeliest token, larger ones draw (%(default)s)",
    )  # fmt: skip
    one.add_argument("--seed", type=int, default=0, help="of the draws (%(default)s)")
    one.add_argument(
        "--verify", metavar="MODEL",
        help="compare the logits with those of a PyTorch model afterwards: FILE.py:NAME, "
        "a module or a function that returns one",
    )  # fmt: skip
    one.add_argument("--engine", default="vector", choices=tuple(ENGINES), help="(%(default)s)")
    cli_plan.add_options(one.add_argument_group("how a model is compiled"))


def run_verb(arguments: argparse.Namespace) -> int:
    """Print the tokens of each position as they come: one number per row of the batch.

    Exit code 1 if the logits are not those of the model given with `--verify`.
    """
    model = None if arguments.verify is None else load_model(arguments.verify).model
    prompt = [_ids(row) for row in arguments.prompt]
    compiled = _decoder(arguments, len(prompt))

    def show(tokens: Tokens) -> None:
        print(" ".join(map(str, tokens.tolist())), flush=True)

    options: dict[str, Any] = {"temperature": arguments.temperature, "seed": arguments.seed}
    tokens = generate(
        compiled, prompt, arguments.max_new_tokens,
        context=arguments.context, observe=show, **options,
    )  # fmt: skip
    if model is None:
        return 0
    with Progress().step("compare with PyTorch"):
        verification = check_tokens(compiled, model, tokens[:, :-1])
    print(verification, file=sys.stderr)
    return 0 if verification.passed else 1


def _decoder(arguments: argparse.Namespace, batch: int) -> Compiled:
    """The bundle that is named, or the model compiled for so many rows."""
    if Path(arguments.model).is_dir():
        return load(arguments.model, engine=arguments.engine)
    if arguments.context is None:
        raise GenerateError(
            f"{arguments.model} is no folder, and a model is compiled for a context",
            help="name the folder of a bundle, or give --context N",
        )
    options = cli_plan.options(arguments)
    progress = Progress()
    with progress.step(f"load {arguments.model}"):
        model = load_model(arguments.model).model
    with progress.step("compile"):
        compiled = decoder(model, batch, arguments.context, prefill=arguments.prefill, **options)
    return replace(compiled, engine=arguments.engine)


def _ids(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise GenerateError(
            f"{text!r} is no list of token ids", help="such as --prompt 3,1,4"
        ) from None
