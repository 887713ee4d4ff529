"""Small generators with the layouts of published code."""

import torch
from torch import nn
from torch.nn import functional as F


class Wrapped(nn.Module):
    """Layers in a sequence under an attribute, like most networks."""

    def __init__(self, name, *layers):
        super().__init__()
        self.name = name
        setattr(self, name, nn.Sequential(*layers))

    def forward(self, z):
        return getattr(self, self.name)(z[:, :, None, None])


def plain(size=64, channels=3, width=4, latent=20, norm=nn.BatchNorm2d, relu=nn.ReLU, wrap=lambda layer: layer):
    """Returns the layers of the DCGAN in pytorch/examples."""
    widths = {64: [8, 4, 2, 1], 32: [4, 2, 1], 28: [2, 1]}[size]
    layers = [wrap(nn.ConvTranspose2d(latent, width * widths[0], 7 if size == 28 else 4, 1, 0, bias=False))]
    for wide, narrow in zip(widths, [*widths[1:], None]):
        layers += [norm(width * wide), relu()]
        out = channels if narrow is None else width * narrow
        layers.append(wrap(nn.ConvTranspose2d(width * wide, out, 4, 2, 1, bias=False)))
    return [*layers, nn.Tanh()]


def nested_blocks():
    """Returns a network with a separate sequence for each step, and a bias in the last layer."""

    def block(one, other, kernel, stride, padding):
        return nn.Sequential(
            nn.ConvTranspose2d(one, other, kernel, stride, padding, bias=False), nn.BatchNorm2d(other), nn.ReLU()
        )

    return Wrapped(
        "net", block(20, 32, 4, 1, 0), block(32, 16, 4, 2, 1), block(16, 8, 4, 2, 1),
        nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def digits_without_padding(width=8, relu=nn.ReLU):
    """Returns a network with sides of 1, 3, 6, 13 and 28, kernels of 3 and 4, strides of 2 and 1, and no padding."""

    def block(one, other, kernel=3, stride=2):
        return nn.Sequential(nn.ConvTranspose2d(one, other, kernel, stride), nn.BatchNorm2d(other), relu())

    last = nn.Sequential(nn.ConvTranspose2d(width, 1, 4, 2), nn.Tanh())
    blocks = block(10, 4 * width), block(4 * width, 2 * width, 4, 1), block(2 * width, width)
    return Wrapped("gen", *blocks, last)


class Blocks(nn.Module):
    """Blocks with the same names as those of this project, and another last layer."""

    def __init__(self):
        super().__init__()
        widths = [(20, 16, 1, 0), (16, 8, 2, 1), (8, 4, 2, 1)]
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"conv": nn.ConvTranspose2d(one, other, 4, *rest), "norm": nn.BatchNorm2d(other)})
            for one, other, *rest in widths
        )
        self.to_rgb = nn.ConvTranspose2d(4, 3, 4, 2, 1)

    def forward(self, z):
        x = z[:, :, None, None]
        for block in self.blocks:
            x = F.relu(block["norm"](block["conv"](x)))
        return torch.tanh(self.to_rgb(x))


class Resized(nn.Module):
    """A linear layer, then resizing and convolutions. The published code passes 0.8 as the epsilon by mistake."""

    def __init__(self, size=32, classes=0, latent=20):
        super().__init__()
        if classes:
            self.label_emb = nn.Embedding(classes, latent)
        self.side = size // 4
        self.l1 = nn.Sequential(nn.Linear(latent, 16 * self.side**2))
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(16), nn.Upsample(scale_factor=2), nn.Conv2d(16, 16, 3, 1, 1), nn.BatchNorm2d(16, 0.8),
            nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(16, 8, 3, 1, 1), nn.BatchNorm2d(8, 0.8),
            nn.LeakyReLU(0.2), nn.Conv2d(8, 3, 3, 1, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z, labels=None):
        z = z if labels is None else z * self.label_emb(labels)
        return self.conv_blocks(self.l1(z).view(len(z), 16, self.side, self.side))


class Functional(nn.Module):
    """A linear layer, and activations that are functions."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(20, 32 * 4 * 4)
        for number, (one, other) in enumerate([(32, 16), (16, 8)]):
            conv = nn.Sequential(nn.ConvTranspose2d(one, other, 4, 2, 1, bias=False), nn.BatchNorm2d(other))
            setattr(self, f"t_conv{number + 1}", conv)
        self.t_conv3 = nn.Sequential(nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False))

    def forward(self, z):
        x = self.fc(z).view(-1, 32, 4, 4)
        x = F.relu(self.t_conv2(F.relu(self.t_conv1(x))))
        return torch.tanh(self.t_conv3(x))


class Attributes(nn.Module):
    """Layers as attributes, each followed by its norm, or all convolutions first."""

    def __init__(self, norms_last):
        super().__init__()
        sizes = [(20, 32, 1, 0), (32, 16, 2, 1), (16, 8, 2, 1), (8, 1, 2, 1)]
        for number, (one, other, stride, padding) in enumerate(sizes, 1):
            setattr(self, f"deconv{number}", nn.ConvTranspose2d(one, other, 4, stride, padding))
            if not norms_last and number < 4:
                setattr(self, f"deconv{number}_bn", nn.BatchNorm2d(other))
        if norms_last:
            for number, (_, other, _, _) in enumerate(sizes[:-1], 1):
                setattr(self, f"deconv{number}_bn", nn.BatchNorm2d(other))

    def forward(self, z):
        x = z[:, :, None, None]
        for number in (1, 2, 3):
            x = F.relu(getattr(self, f"deconv{number}_bn")(getattr(self, f"deconv{number}")(x)))
        return torch.tanh(self.deconv4(x))


class Stems(nn.Module):
    """The latent and the one-hot class each go through a first layer of their own, and are then concatenated."""

    def __init__(self, classes=4):
        super().__init__()
        self.classes = classes
        self.deconv1_1, self.deconv1_1_bn = nn.ConvTranspose2d(20, 16, 4), nn.BatchNorm2d(16)
        self.deconv1_2, self.deconv1_2_bn = nn.ConvTranspose2d(classes, 16, 4), nn.BatchNorm2d(16)
        self.deconv2, self.deconv2_bn = nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16)
        self.deconv3, self.deconv3_bn = nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.BatchNorm2d(8)
        self.deconv4 = nn.ConvTranspose2d(8, 1, 4, 2, 1)

    def forward(self, z, labels):
        one_hot = F.one_hot(labels, self.classes).float()
        x = F.relu(self.deconv1_1_bn(self.deconv1_1(z[:, :, None, None])))
        y = F.relu(self.deconv1_2_bn(self.deconv1_2(one_hot[:, :, None, None])))
        x = F.relu(self.deconv2_bn(self.deconv2(torch.cat([x, y], 1))))
        x = F.relu(self.deconv3_bn(self.deconv3(x)))
        return torch.tanh(self.deconv4(x))


class Embedded(nn.Module):
    """The embedding of the class is concatenated to the latent, before or after it."""

    def __init__(self, before):
        super().__init__()
        self.before = before
        self.label_embedding = nn.Embedding(5, 7)
        self.main = nn.Sequential(*plain(32, latent=27))

    def forward(self, z, labels):
        known = self.label_embedding(labels)
        return self.main(torch.cat([known, z] if self.before else [z, known], 1)[:, :, None, None])


class OneHot(nn.Module):
    """The one-hot class follows the latent. No tensor shows this."""

    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(*plain(32, latent=24))

    def forward(self, z, labels):
        return self.main(torch.cat([z, F.one_hot(labels, 4).float()], 1)[:, :, None, None])


class Dense(nn.Module):
    """A linear layer with a batch norm of every unit, then kernels of 5 and output paddings; 28 px."""

    def __init__(self):
        super().__init__()
        self.dense, self.norm1 = nn.Linear(20, 7 * 7 * 16, bias=False), nn.BatchNorm1d(7 * 7 * 16)
        self.conv1, self.norm2 = nn.ConvTranspose2d(16, 12, 5, 1, 2, bias=False), nn.BatchNorm2d(12)
        self.conv2, self.norm3 = nn.ConvTranspose2d(12, 8, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.conv3 = nn.ConvTranspose2d(8, 1, 5, 2, 2, 1, bias=False)

    def forward(self, z):
        x = F.leaky_relu(self.norm1(self.dense(z)), 0.2).view(-1, 16, 7, 7)
        x = F.leaky_relu(self.norm2(self.conv1(x)), 0.2)
        return torch.tanh(self.conv3(F.leaky_relu(self.norm3(self.conv2(x)), 0.2)))


def threes():
    """Returns a network for 96 px, whose last stride is 3."""
    layers = plain(64)
    layers[-2] = nn.ConvTranspose2d(4, 3, 5, 3, 1, bias=False)
    return Wrapped("main", *layers)


def refined(channels=3):
    """Returns a network whose last kernel is 1: it mixes the colours, or cuts digits to 28 px by its padding."""
    mixed = nn.Conv2d(4, 3, 1) if channels == 3 else nn.ConvTranspose2d(4, 1, 1, 1, 2)
    return Wrapped("main", *plain(32, 4, norm=nn.BatchNorm2d)[:-1], nn.BatchNorm2d(4), nn.ReLU(), mixed, nn.Tanh())


def residual():
    """Returns a residual network with blocks of two convolutions."""

    def block():
        convs = [[nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1)] for _ in range(2)]
        return nn.ModuleDict({"model": nn.Sequential(*convs[0], *convs[1])})

    blocks = nn.Sequential(block(), block(), block())
    return nn.ModuleDict({"dense": nn.Linear(20, 256), "model": blocks, "final": nn.Conv2d(16, 3, 3, 1, 1)})


def with_shortcuts():
    """Returns a residual network with a convolution of kernel 1 as a shortcut."""
    return nn.ModuleDict({
        "dense": nn.Linear(20, 256), "conv1": nn.Conv2d(16, 16, 3, 1, 1), "conv2": nn.Conv2d(16, 16, 3, 1, 1),
        "bypass": nn.Conv2d(16, 16, 1), "final": nn.Conv2d(16, 3, 3, 1, 1),
    })  # fmt: skip


def u_net():
    """Returns a U-Net, which takes images to images."""
    inner = nn.Sequential(nn.Conv2d(8, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ConvTranspose2d(16, 8, 4, 2, 1))
    return nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), inner, nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh())


def as_trained(network, latent=20, classes=0, uniform=False, seed=0):
    """Draws the weights of a network, and lets its norms store statistics like in training. Returns it in eval mode."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = 1.5 / max(parameter[0].numel(), 1) ** 0.5 if parameter.ndim > 1 else 0.3
            parameter.copy_(scale * torch.randn(parameter.shape, generator=rng))
        norms = [module for module in network.modules() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
        for module in norms:
            module.weight += 1
        network.train()
        for step in range(80):
            if step == 40:  # by now, the vectors of spectral norms have converged
                for module in norms:
                    module.reset_running_stats()
                    module.momentum = None  # average over all further steps, like after a long training
            z = torch.rand((64, latent), generator=rng) * 2 - 1 if uniform else torch.randn((64, latent), generator=rng)
            network(z, torch.randint(classes, (64,), generator=rng)) if classes else network(z)
    return network.eval()
