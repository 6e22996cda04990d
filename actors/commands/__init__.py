"""The commands of `run.py`, a file each: `add` declares its words, `run` does it.

`opening` is what several of them open: a service, a store at rest, a bar of progress; `showing` how
they answer.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

Words: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name
