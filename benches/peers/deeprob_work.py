"""A Gaussian RAT-SPN in deeprob-kit: 784 variables, depth 4, 10 replicas, 20 sums, 20 leaf components."""

import torch
from deeprob.spn.models import GaussianRatSpn

import timing


def main():
    operation, batch, seconds, threads = timing.arguments()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = GaussianRatSpn(
        784, out_classes=10, rg_depth=4, rg_repetitions=10, rg_batch=20, rg_sum=20, random_state=0
    )
    rows = torch.randn(batch, 784)
    labels = torch.arange(batch) % 10
    if operation == "loglik":
        model.eval()

        def call():
            with torch.no_grad():
                model(rows)
    else:
        model.train()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

        def call():
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(rows), labels).backward()
            optimizer.step()
            model.apply_constraints()

    timing.report(call, batch, seconds)


main()
