# %% [markdown]
# # Start here
#
# This notebook loads a pretrained GAN, mixes its images into real ones, and trains a small classifier with and without
# them. It takes about a minute on a CPU, and needs no knowledge of GANs.
#
# In Colab, choose *File > Open notebook*. In the tab *GitHub*, enter the address of the repository and choose this
# file, or upload it. Then choose *Runtime > Run all*.

# %% [markdown]
# ## 1. Install
#
# The extra `demo` brings 5,000 real handwritten digits. If pip does not find `gan-augment`, it is not on PyPI yet.
# Then install it from its repository: replace `gan-augment[demo]` with `gan-augment[demo] @ git+ADDRESS`, with the
# address of the repository. On your own machine you can also run `pip install ".[demo]"` in a clone.

# %%
# %pip install --quiet "gan-augment[demo]"

# %%
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2
from torchvision.utils import make_grid

from gan_augment import GANAugmentedDataset, SyntheticMix, from_pretrained
from gan_augment.demo import load_digits

# %% [markdown]
# ## 2. Look at the samples of a generator
#
# `from_pretrained` loads a generator by name. `dcgan-mnist-32` comes with the package, so nothing is downloaded. It
# draws digits of the class that you ask for.

# %%
ORANGE, GREY = (255, 140, 0), (128, 128, 128)


def show(images, marked=None, columns=10):
    """Returns a picture of uint8 images, with an orange frame around the marked ones."""
    marked = torch.zeros(len(images), dtype=torch.bool) if marked is None else marked
    large = v2.functional.resize(images.expand(-1, 3, -1, -1), [56, 56])
    colours = [ORANGE if mark else GREY for mark in marked]
    framed = [v2.functional.pad(image, [3], fill=colour) for image, colour in zip(large, colours)]
    return v2.functional.to_pil_image(make_grid(framed, columns, padding=2, pad_value=255))


generator = from_pretrained("dcgan-mnist-32")
show(generator.sample(30, torch.arange(30) % 10, seed=0))

# %% [markdown]
# Each column shows three samples of one class. Look at the samples before you mix them: if you cannot tell what they
# show, a classifier cannot learn from them. The card says what the generator was trained on, and under which terms you
# may use it.

# %%
card = generator.card
print("trained on:", card.data["description"])
print("terms of the data:", card.data["terms"])
print("licence of the weights:", card.license)

# %% [markdown]
# ## 3. Mix a batch
#
# `SyntheticMix` is a transform of batches, like torchvision's `MixUp`. At ratio 0.25 it replaces a quarter of the
# images with synthetic ones of the same class, so the labels stay valid.

# %%
images, labels = load_digits()
order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
batch, classes = images[order[:20]], labels[order[:20]]

torch.manual_seed(0)
mix = SyntheticMix("dcgan-mnist-32", ratio=0.25)
mixed, mixed_classes = mix(batch, classes)

synthetic = (mixed != batch).flatten(1).any(1)
print(f"{int(synthetic.sum())} of {len(mixed)} images are synthetic")
print("the classes are the same:", torch.equal(mixed_classes, classes))
show(mixed, synthetic)

# %% [markdown]
# The images with an orange frame are synthetic. The frames are only in the picture, not in the batch.
#
# ## 4. Wrap a data set
#
# You can also wrap a data set. It keeps its length, its order and the type of its items, so your loaders and samplers
# stay as they are. Each epoch replaces a different set of real images.

# %%
real = TensorDataset(images[order[:100]].float() / 255, labels[order[:100]])
train = GANAugmentedDataset(real, "dcgan-mnist-32", ratio=0.25, seed=0, progress=False)
print(f"before: {len(real)} real items")
print(f"after: {len(train)} items, {int(train.synthetic_mask().sum())} of them synthetic")
for epoch in range(3):
    train.set_epoch(epoch)
    first = train.synthetic_mask().nonzero().flatten()[:8].tolist()
    print(f"epoch {epoch}: the first synthetic items are {first}")

# %% [markdown]
# ## 5. Train with and without
#
# We train a small network on these 100 digits, with ordinary augmentation, and test it on 2,000 other digits. Then we
# do the same with half of the digits replaced. Both ways train for the same number of steps. With the same seed, both
# start from the same network and read the items in the same order.

# %%
test_images, test_labels = images[order[1000:3000]].float() / 255, labels[order[1000:3000]]
augment = v2.RandomAffine(degrees=10, translate=(0.1, 0.1))


def accuracy(data, seed, epochs=30):
    torch.manual_seed(seed)
    layers = nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 7 * 7, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(epochs):
        if isinstance(data, GANAugmentedDataset):
            data.set_epoch(epoch)
        for inputs, targets in DataLoader(data, batch_size=20, shuffle=True):
            loss = nn.functional.cross_entropy(model(augment(inputs)), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return float((model.eval()(test_images).argmax(1) == test_labels).float().mean())


print("seed  real only  mixed  difference")
for seed in range(3):
    half = GANAugmentedDataset(real, "dcgan-mnist-32", ratio=0.5, seed=seed, progress=False)
    alone, together = accuracy(real, seed), accuracy(half, seed)
    print(f"{seed:4}     {alone:.1%}  {together:.1%}  {(together - alone) * 100:+.1f} points")

# %% [markdown]
# **These runs prove nothing.** The rows differ only in their seed, and still the gain differs from row to row. All
# rows use the same 100 training digits and the same test digits, and nobody tuned the training without synthetic
# images. Also, this generator was trained on 55,000 other digits. If there is a gain, it comes from those digits; it
# is not free.
#
# Whether mixing helps on *your* images is a question for a study. It tunes the training without synthetic images,
# repeats everything with new training images, and gives an interval. Sometimes its answer is no.
#
# ## Next
#
# * [does_it_help.ipynb](does_it_help.ipynb) runs a small study, and shows how to read it.
# * In your own loop, two lines are enough: `mix = SyntheticMix(...)` and `images, labels = mix(images, labels)`. Do
#   not mix validation or test images.
# * If no generator fits your images, fit one: `gan-augment train --data photos/ --recipe tiny-conditional-light --set
#   image_size=64 --budget 20m --out runs/photos`. Then pass `runs/photos/generator` instead of a name.
