"""The operating system and its processor; needs neither framework."""

import os
import platform
import re
import sys
from pathlib import Path

from fsrcnn.errors import InputError

CPUINFO = Path("/proc/cpuinfo")  # Linux alone has it


def check_supported() -> None:
    """Raise `InputError` on an operating system that is neither Linux nor macOS."""
    if sys.platform not in ("linux", "darwin"):
        raise InputError(f"{sys.platform}: fsrcnn runs on Linux and macOS; on Windows, use it within WSL 2")


def processor_name() -> str:
    """The CPU's model name as the operating system gives it, such as "AMD EPYC 9B14"."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def processor_flags() -> set[str]:
    """The instruction sets of the CPU under Linux's names, such as "avx2"; empty where they aren't told."""
    return set(_cpuinfo("flags").split())


def usable_cores() -> int:
    """The cores that this process may run on; PYTHON_CPU_COUNT overrides it, as in Python from 3.13 on."""
    share = os.environ.get("PYTHON_CPU_COUNT", "")
    if share.isdecimal() and int(share):  # "default" is another word that it may hold
        return int(share)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpuinfo(key: str) -> str:
    if not CPUINFO.exists():
        return ""
    first = re.search(rf"^{key}\s*:\s*(.+)$", CPUINFO.read_text(), re.MULTILINE)
    return first[1] if first else ""
