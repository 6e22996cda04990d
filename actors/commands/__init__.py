"""The commands of `run.py`, a file each: `add` declares its words, `run` does it.

`undertaking` is how each begins; `opening` and `resting` are what several open, a service
or the store of one at rest; `showing` is how they answer.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

Words: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name
