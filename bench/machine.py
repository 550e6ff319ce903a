"""One line about the processor, and the commit that was built: what stands above every table of figures."""
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def machine():
    model = platform.machine()
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = next(int(line.split()[1]) // 2**20 for line in open("/proc/meminfo", encoding="utf-8")
                  if line.startswith("MemTotal:"))
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True,
                            text=True, check=False).stdout.strip() or "unknown"
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, {memory} GiB, load {load:.1f} at start; commit {commit}"
