from __future__ import annotations

import numpy as np
from tests.runtime.library.programs import compute

from waferc_runtime.builtins.random import GENERATORS, SEED, advance

TOP = 'const random = @import_module("<random>");'


def one_step(register: int) -> int:
    bit = (register >> 22 ^ register >> 17) & 1
    return (register << 1 | bit) & 0xFFFFFFFF


def test_a_use_is_a_hundred_and_twenty_eight_steps() -> None:
    for register in (SEED, 1, 0x12345678):
        slow = register
        for _ in range(128):
            slow = one_step(slow)
        assert advance(np.array([register], np.uint32)).tolist() == [slow]


def test_engines_draw_the_same_numbers() -> None:
    body = f"""
      for (@range(i16, 4)) |i| {{ out[i] = @random16(); }}
      @set_active_prng({GENERATORS + 1});
      out[4] = @random16();
      random.set_global_prng_seed(77);
      out[5] = @random16();
      @set_active_prng(0);
      out[6] = @random16();
    """
    register, wanted = np.array([SEED, SEED, 77], np.uint32), []
    for which in (0, 0, 0, 0, 1, 2, 0):
        wanted.append(int(register[which]) & 0xFFFF)
        register[which] = advance(register[which : which + 1])[0]
    for result in compute(body, "u16", 7, top=TOP):
        assert result == wanted


def test_numbers_fill_their_range() -> None:
    n = 400
    for draw, low, high, mean, spread in (
        ("random.random_f32(-1.0, 3.0)", -1.0, 3.0, 1.0, 4 / 12**0.5),
        ("@as(f32, random.random_f16(0.0, 1.0))", 0.0, 1.0, 0.5, 1 / 12**0.5),
        ("@as(f32, random.random_pow_u32(10))", 0.0, 1023.0, 511.5, 1024 / 12**0.5),
        ("random.random_normal_f32()", -6.0, 6.0, 0.0, 1.0),
    ):
        body = f"for (@range(i16, {n})) |i| {{ out[i] = {draw}; }}"
        first, *others = compute(body, "f32", n, top=TOP)
        values = np.array(first)
        assert low <= values.min()
        assert values.max() <= high
        assert abs(values.mean() - mean) < 5 * spread / n**0.5
        assert 0.8 * spread < values.std() < 1.2 * spread
        assert all(other == first for other in others)
