"""How many tokens a picture is read as, by the rules that the makers of models have published.

Sources, read 2026-11-27:

- OpenAI, "Images and vision": tiles of 512 px after shrinking to 2048 px and then the shorter side
  to 768 px, or patches of 32 px times a factor, https://openai-hd4n6.mintlify.app/docs/guides/images;
  factors and tiles as billed,
  https://community.openai.com/t/introducing-gpt-5-4-mini-and-nano-our-most-capable-small-models-yet/1377015
  and https://community.openai.com/t/vision-more-than-one-way-to-send-a-request-undocumented-and-different-pricing-realized/1262691;
  patches times 1.2 of GPT-5.5 and 6, https://huggingface.co/datasets/JOHNISKING/image-token-cost
- Gemini up to 2.5: 258 up to 384 px, else 258 for each tile of 768 px,
  https://geminibyexample.com/027-calculate-input-tokens; from 3 on: 1120 where the request names no
  resolution, https://fastgptplus.com/en/posts/gemini-3-pro-media-resolution-parameter
- Qwen2-VL and 2.5-VL: patches of 28 px, 4 to 16384 of them,
  https://huggingface.co/Qwen/Qwen2-VL-7B-Instruct/discussions/47; Qwen3-VL and later: patches of
  32 px, 64 to 16384, by `patch_size`, `merge_size` and `size` of its preprocessor_config.json
- Claude: patches of 28 px,
  https://jackin.tailrocks.com/research/token-optimization/42-multimodal-token-economics

Of all other models patches of 28 px are assumed, the finest of these: rather too much.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial

__all__ = ["picture_tokens"]


def picture_tokens(model: str, width: int, height: int) -> int:
    """Tokens that a model reads a picture as, about.

    Args:
        model: its name; what stands before the last slash is passed over.
        width: pixels.
        height: pixels.

    >>> picture_tokens("gpt-4o", 1024, 1024)  # OpenAI's own example
    765
    >>> picture_tokens("Qwen/Qwen2.5-VL-7B-Instruct", 224, 224)
    64
    """
    name = model.rpartition("/")[2].lower()
    rule = next(rule for pattern, rule in _RULES if fnmatchcase(name, pattern))
    return rule(width, height)


def _tiles(base: int, tile: int, width: int, height: int) -> int:
    """OpenAI's older rule, with detail "high"."""
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 768 / min(width, height))
    n_tiles = math.ceil(width * scale / 512) * math.ceil(height * scale / 512)
    return base + tile * n_tiles


def _patches(size: int, factor: float, least: int, most: int, width: int, height: int) -> int:
    n_patches = math.ceil(width / size) * math.ceil(height / size)
    return math.ceil(factor * min(max(n_patches, least), most))


def _gemini(width: int, height: int) -> int:
    if max(width, height) <= 384:
        return 258
    return 258 * math.ceil(width / 768) * math.ceil(height / 768)


_Rule = Callable[[int, int], int]

_RULES: tuple[tuple[str, _Rule], ...] = (  # the first that fits
    ("gpt-4o-mini*", partial(_tiles, 2833, 5667)),
    ("gpt-4.1-mini*", partial(_patches, 32, 1.62, 1, 1536)),
    ("gpt-4.1-nano*", partial(_patches, 32, 2.46, 1, 1536)),
    ("o4-mini*", partial(_patches, 32, 1.72, 1, 1536)),
    ("gpt-4*", partial(_tiles, 85, 170)),
    ("o[13]*", partial(_tiles, 75, 150)),
    ("gpt-5-mini*", partial(_patches, 32, 1.2, 1, 1536)),
    ("gpt-5-nano*", partial(_patches, 32, 1.5, 1, 1536)),
    ("gpt-5.4-mini*", partial(_patches, 32, 1.2, 1, 1536)),
    ("gpt-5.4-nano*", partial(_patches, 32, 1.2, 1, 1536)),
    ("gpt-5.[01]*", partial(_tiles, 85, 170)),
    ("gpt-5.*", partial(_patches, 32, 1.2, 1, 10_000)),
    ("gpt-5*", partial(_tiles, 85, 170)),  # not published for these; as gpt-4.1
    ("gpt-*", partial(_patches, 32, 1.2, 1, 2**31)),
    ("gemini-[12]*", _gemini),
    ("gemini-*", lambda width, height: 1120),
    ("qwen2*", partial(_patches, 28, 1.0, 4, 16_384)),
    ("qwen*", partial(_patches, 32, 1.0, 64, 16_384)),
    ("*", partial(_patches, 28, 1.0, 4, 16_384)),
)
