"""What is expected of a program before it runs: cycles of what is run, tokens, regions by kind."""

from __future__ import annotations

import pytest
import torch

import waferc
from waferc.driver import assemble, example_calls, lower_model
from waferc.options import CompileOptions
from waferc.outlook import outlook
from waferc.planning import plan
from waferc.tokens import rates, tokens_of


class Steps(torch.nn.Module):
    """Six layers that are alike."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(12, 12) for _ in range(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


@pytest.mark.parametrize("wafers", [1, 2])
def test_the_outlook_counts_regions_by_kind_and_is_near_what_a_run_takes(wafers: int) -> None:
    grid = waferc.machine("wse2").grid(2 * 6 // wafers, 2)
    options = CompileOptions(grid, (2, 2), stages=6, wafers=wafers, name="steps")
    calls = example_calls(None, (torch.zeros(2, 12),))
    lowered = lower_model(Steps().eval(), calls, options)
    found = plan(lowered.unit, options).plan
    first, main, head, *kinds = outlook(found).splitlines()
    on = "wse2" if wafers == 1 else "2 wafers wse2"
    assert first == f"steps on {on}, 6 regions; by the cost model:"
    measured = assemble(found.placed, lowered.signatures).report().cycles
    assert main.startswith(f"  main: {found.cycles['main']:,} cycles")
    assert ("between wafers" in main) == (wafers > 1)
    assert 0.6 < found.cycles["main"] / measured < 1.7
    assert head.split()[-1] == "main"
    counts = [line.split()[0] for line in kinds]
    assert sum(1 if count.startswith("r") else int(count) for count in counts) == 6
    assert len(kinds) < 6
    cycles = [int(line.split()[-1].replace(",", "")) for line in kinds]
    assert f"works for {max(cycles):,} cycles" in main


def test_tokens_are_counted_where_an_entry_is_that_of_a_language_model() -> None:
    assert tokens_of([(2, 5), (5,), (5,)], [(2, 5, 31)]) == 10
    assert tokens_of([(2, 5), (5,)], [(2, 1, 31)]) == 10  # logits of the last alone
    assert tokens_of([(2, 5), (4,)], [(2, 5, 31)]) is None
    assert tokens_of([(2, 5)], [(2, 5, 31)]) is None
    assert tokens_of([(2, 5), (5,)], [(2, 5)]) is None


def test_rates_are_per_second_of_the_machine() -> None:
    assert rates(1_000, 10, None, None) == "100.0 calls per second, one after the other"
    assert rates(1_000, 10, ("r3", 4.0), 2) == (
        "200.0 tokens per second, one after the other (one stream); at most 500.0 if they follow"
        " one another through the regions, as r3 works for 4 cycles"
    )
