"""`python -m mnist_hpo` is `mnist-hpo`."""

import sys

from mnist_hpo.cli import main

if __name__ == "__main__":
    sys.exit(main())
