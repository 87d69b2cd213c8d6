import pytest
import torch

from vlfeedback.offline import IQLConfig
from vlfeedback.offline.iql import IQLImpl, Transitions
from vlfeedback.offline.recorded_step import RecordedStep


def learner(device: str = "cpu", dropout: float = 0.25) -> IQLImpl:
    algo = IQLConfig(hidden=[16, 16], cosine_steps=8, dropout=dropout).create(device=device)
    impl: IQLImpl = algo.build((3,), 2, [0, 1])
    return impl


def batches(n: int, device: str = "cpu") -> list[Transitions]:
    generator = torch.Generator().manual_seed(0)
    widths = (3, 2, 1, 3, 1)
    return [
        Transitions(*(torch.rand(2, 6, width, generator=generator).to(device) for width in widths))
        for _ in range(n)
    ]


def test_recorded_steps_are_those_of_the_learner() -> None:
    impl, reference = learner(), learner()
    step = RecordedStep(impl)
    for batch in batches(5):
        step(batch)
        reference.step(batch, log=False)
    for name in ("q", "target_q", "value", "policy"):
        one, other = (getattr(x.modules, name).state_dict() for x in (impl, reference))
        for key in one:
            torch.testing.assert_close(one[key], other[key])


@pytest.mark.gpu
def test_on_a_gpu_they_are_those_of_the_processor() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    impl, reference = learner("cuda:0", dropout=0.0), learner(dropout=0.0)
    step = RecordedStep(impl)
    for batch, same in zip(batches(5), batches(5, "cuda:0"), strict=True):
        step(same)
        reference.step(batch, log=False)
    for name in ("q", "value", "policy"):
        one, other = (getattr(x.modules, name).state_dict() for x in (impl, reference))
        for key in one:
            torch.testing.assert_close(one[key].cpu(), other[key], rtol=1e-3, atol=1e-4)
