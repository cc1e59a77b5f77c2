"""How to try it: folds, jobs, the ledger, proposals and the loop. Knows nothing of MNIST."""
