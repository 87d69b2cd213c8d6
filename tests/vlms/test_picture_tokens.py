"""Tokens of a picture, by hand from the rules that the makers of models have published."""

import pytest

from vlfeedback.vlms.ledger.picture_tokens import picture_tokens


@pytest.mark.parametrize(
    ("model", "width", "height", "expected"),
    [
        # OpenAI's own examples of tiles: 768 x 768 has 2 x 2; 1024 x 2048 becomes 768 x 1536.
        ("gpt-4o", 1024, 1024, 85 + 4 * 170),
        ("gpt-4o", 2048, 4096, 85 + 6 * 170),
        ("gpt-4.1-2025-04-14", 128, 64, 85 + 170),  # small ones are not enlarged
        ("gpt-4o-mini", 512, 512, 2833 + 5667),
        ("o3", 128, 64, 75 + 150),
        ("gpt-5", 512, 512, 85 + 170),
        # OpenAI's patches of 32 px: 32 x 32 and 16 x 16 of them; at most 1536.
        ("gpt-4.1-mini", 1024, 1024, 1659),  # 1.62 * 1024 = 1658.88
        ("gpt-4.1-mini", 4000, 1474, 2489),  # 1.62 * 1536 = 2488.32
        ("gpt-5-nano", 512, 512, 384),
        ("gpt-5.4-mini", 512, 512, 308),  # 1.2 * 256 = 307.2
        ("gpt-6.2-sol", 256, 256, 77),  # 1.2 * 64 = 76.8
        # Gemini.
        ("gemini-2.5-flash", 384, 384, 258),
        ("gemini-2.5-flash", 385, 100, 258),
        ("gemini-2.0-flash", 1000, 800, 4 * 258),
        ("gemini-3.8-flash", 224, 224, 1120),
        # Qwen: 8 x 8 patches of 28 px; 300 px are 11 of them; of 32 px at least 64.
        ("Qwen/Qwen2.5-VL-7B-Instruct", 224, 224, 64),
        ("qwen2-vl", 300, 224, 88),
        ("Qwen/Qwen3-VL-8B-Instruct", 224, 224, 64),
        ("qwen3-vl", 320, 320, 100),
        # Others as the finest of these.
        ("some-model", 224, 225, 72),
    ],
)
def test_a_picture_is_as_many_tokens_as_its_model_makes_of_it(
    model: str, width: int, height: int, expected: int
) -> None:
    assert picture_tokens(model, width, height) == expected
