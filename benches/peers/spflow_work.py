"""The same RAT-SPN in SPFlow, as an einsum network: every pair of children, 20 sums, 10 repetitions."""

import torch
from spflow.meta.data.scope import Scope
from spflow.modules.leaves import Normal
from spflow.zoo.einet import Einet

import timing


def main():
    operation, batch, seconds, threads = timing.arguments()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    leaves = Normal(Scope(list(range(784))), out_channels=20, num_repetitions=10)
    model = Einet(
        [leaves], num_classes=10, num_sums=20, num_leaves=20, depth=4, num_repetitions=10,
        layer_type="einsum",
    )
    rows = torch.randn(batch, 784)
    if operation == "loglik":

        def call():
            with torch.no_grad():
                model.log_likelihood(rows)
    else:
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

        def call():
            optimizer.zero_grad()
            (-model.log_likelihood(rows).mean()).backward()
            optimizer.step()

    timing.report(call, batch, seconds)


main()
