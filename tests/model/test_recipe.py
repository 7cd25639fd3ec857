"""The rate and the optimizer of a phase."""

import pytest

from model.settings import TrainConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recipe(keras):
    from model import recipe

    return recipe


def configure(lr=0.1, **changes) -> TrainConfig:
    return TrainConfig("made", "none", "on", "tanh", lr, budget=1, batch_size=1, seeds=[1], **changes)


def test_an_optimizer_clips_in_px_and_averages_over_a_twentieth_of_its_steps_at_most(recipe):
    plain = recipe.make_optimizer(configure(), 100, 0.1, 128)
    assert type(plain).__name__ == "Adam"
    assert (plain.global_clipnorm, plain.use_ema, plain.weight_decay) == (None, False, None)
    settings = configure(optimizer="adamw", weight_decay=0.02, clip=0.5, average=0.99)
    momenta = {10: 0.0, 20: 0.0, 1000: 0.98, 2000: 0.99, 10_000: 0.99}
    for steps, momentum in momenta.items():
        made = recipe.make_optimizer(settings, steps, 0.1, 128)
        assert (type(made).__name__, made.weight_decay, made.use_ema) == ("AdamW", 0.02, True)
        # Half a unit of 128 px.
        assert made.global_clipnorm == 64
        assert made.ema_momentum == pytest.approx(momentum)


def test_the_rate_rises_and_falls_in_one_cycle_or_is_halved(recipe):
    cycle = recipe.make_rate(configure(schedule="cosine", warm_up=0.1), 100, 10)
    rates = [float(cycle(step)) for step in (0, 5, 10, 55, 100)]
    assert rates == pytest.approx([0.1 / 25, 0.052, 0.1, 0.05, 0], rel=1e-4, abs=1e-8)
    halved = recipe.make_rate(configure(halve_every=2), 100, 10)
    assert [round(float(halved(step)), 6) for step in (0, 19, 20, 39, 40, 99)] == [0.1, 0.1, 0.05, 0.05, 0.025, 0.00625]
    assert float(recipe.make_rate(configure(lr=0.3, halve_every=10), 100, 10)(99)) == pytest.approx(0.3)
