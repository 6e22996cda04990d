"""How much memory the process holds now, as the kernel counts it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")


def resident() -> int:
    """Bytes in memory; where the system does not tell, the most there have been."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # In KiB, but for macOS.
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()
