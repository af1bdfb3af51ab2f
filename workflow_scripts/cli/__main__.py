"""Run the command line by `python -m workflow_scripts.cli`."""

import sys

from workflow_scripts.cli import main

sys.exit(main())
