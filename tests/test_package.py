"""The package as a whole: importing it, its names, and what pickles."""

import pickle
import subprocess
import sys

import pytest
import torch

import gan_augment
from gan_augment import (
    BatchLoader,
    Conditional,
    Fixed,
    FixedRatioBatchSampler,
    GANAugmentedDataset,
    Generator,
    GeneratorConfig,
    Recipe,
    Same,
    SyntheticMix,
    SyntheticPool,
    Teacher,
    TeacherConfidence,
    Uniform,
    from_pretrained,
    list_pretrained,
)


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)


def test_importing_opens_no_socket_and_builds_nothing_heavy():
    done = run(
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('opened a socket')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "import torch; state = torch.get_rng_state()\n"
        "import gan_augment\n"
        "assert torch.equal(state, torch.get_rng_state())\n"
        "heavy = {'accelerate', 'matplotlib', 'huggingface_hub', 'mlxtend', 'scipy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_public_names_are_the_listed_ones_and_all_exist():
    assert len(set(gan_augment.__all__)) == len(gan_augment.__all__)
    for name in gan_augment.__all__:
        assert getattr(gan_augment, name) is not None


def public_objects():
    generator = Generator(GeneratorConfig(image_size=16, channels=1, num_classes=3, width=4))
    pool = SyntheticPool.generate(generator, 6, progress=False)
    real = torch.utils.data.TensorDataset(torch.rand(6, 1, 16, 16), torch.arange(6) % 3)
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 3))
    data = GANAugmentedDataset(real, pool, 0.5)
    return [
        generator,
        generator.config,
        pool,
        data,
        SyntheticMix(generator, 0.5),
        FixedRatioBatchSampler(data, 4, 0.5),
        BatchLoader(data, 4),
        Same(),
        Conditional(class_map={0: 1}),
        Fixed(label=2),
        Uniform(weight=0.5),
        Teacher(teacher=teacher),
        TeacherConfidence(teacher),
        Recipe(),
        from_pretrained("dcgan-mnist-32").card,
    ]


@pytest.mark.parametrize("place", range(15))
def test_every_public_object_pickles(place):
    original = public_objects()[place]
    again = pickle.loads(pickle.dumps(original))
    assert type(again) is type(original)
    assert repr(again) == repr(original)


def test_every_name_of_the_zoo_loads_in_eval_mode_and_leaves_the_random_state():
    state = torch.get_rng_state()
    for name in list_pretrained(installed=True):
        generator = from_pretrained(name)
        assert not generator.training
        assert generator.card.name == name
    assert torch.equal(state, torch.get_rng_state())
