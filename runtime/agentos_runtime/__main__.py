"""`python -m agentos_runtime`, the same as `agentos-runtime`."""

import sys

from agentos_runtime.cli import main

if __name__ == "__main__":
    sys.exit(main())
