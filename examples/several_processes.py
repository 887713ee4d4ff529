"""Several processes: torchrun, a DistributedSampler and a wrapped data set.

    torchrun --nproc-per-node 2 examples/several_processes.py

An item depends only on the seed, the epoch and its index, whichever process draws it. So the processes together see
exactly the items that one process would see.
"""

import argparse
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from gan_augment import GANAugmentedDataset
from gan_augment.demo import load_digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    if not dist.is_torchelastic_launched():
        parser.error("run this script with torchrun")
    gpus = torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])  # one for each process of this machine
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpus else torch.device("cpu")
    dist.init_process_group("nccl" if gpus else "gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()

    images, labels = load_digits()
    data = TensorDataset(images[::10].float() / 255, labels[::10])
    train = GANAugmentedDataset(data, "dcgan-mnist-32", ratio=0.25, seed=0)
    sampler = DistributedSampler(train, shuffle=True)
    loader = DataLoader(train, batch_size=50, sampler=sampler)

    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).to(device))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    synthetic = torch.zeros(1, device=device)
    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        train.set_epoch(epoch)  # other real images are replaced in each epoch, the same in each process
        for inputs, targets in loader:
            loss = nn.functional.cross_entropy(model(inputs.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        synthetic += sum(train.is_synthetic(place) for place in sampler)
    dist.all_reduce(synthetic)
    if rank == 0:
        share = float(synthetic) / (options.epochs * len(train))
        print(f"{ranks} processes, loss {loss.item():.2f}, synthetic share {share:.1%}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
