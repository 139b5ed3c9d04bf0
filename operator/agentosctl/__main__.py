"""`python -m agentosctl`, where the script is not on PATH."""

from agentosctl.cli import main

raise SystemExit(main())
