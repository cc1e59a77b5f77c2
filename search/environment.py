"""What a study's bits depend on, read without importing any of it."""

import contextlib
import hashlib
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("mnist-hpo", "tensorflow", "keras", "keras-tuner", "optuna", "scikit-learn", "numpy")


def current_environment() -> dict[str, str]:
    """Returns versions and the processor: where training again gives equal bits."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found | {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
    }


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Says in words what changed between two environments, a line each."""
    return tuple(
        f"{name}: was {then.get(name, 'not there')}, now {now.get(name, 'not there')}"
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    )


def other_versions(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Says which versions changed, a line each: another machine may have another processor."""
    names = {"python", *_PACKAGES}
    before, after = (
        {name: value for name, value in known.items() if name in names} for known in (then, now)
    )
    return differences(before, after)


def _processor() -> str:
    """Returns the model and a fingerprint of its instruction sets, which oneDNN chooses by."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        fields = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
        flags = " ".join(sorted(fields.get("flags", fields.get("Features", "")).split()))
        name = fields.get("model name", platform.machine())
        return f"{name} ({hashlib.sha256(flags.encode()).hexdigest()[:8]})"
    return platform.processor() or platform.machine()
