#!/usr/bin/env python3
"""Changes the strategy of longtail.py from the command line while it trains: the classes that are
drawn change with the next batches. Needs a running evendrawd and `evendraw` in the PATH (or its path
in the environment variable EVENDRAW).

    ./live_change.py [options of longtail.py]
"""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
JOB = "live-none-0"


def main():
    evendraw = os.environ.get("EVENDRAW", "evendraw")
    training = subprocess.Popen(
        [sys.executable, HERE / "longtail.py", "--job", "live", "--strategies", "none"]
        + ["--seeds", "1", "--report", "25", "--steps", "100", *sys.argv[1:]],
        stdout=subprocess.PIPE,
        text=True,
    )
    changed = False
    for line in training.stdout:
        print(line, end="", flush=True)
        if line.startswith("step") and not changed:
            command = [evendraw, "job", "set", JOB, "--strategy", "stratified"]
            command += ["--set", "proportions=equal"]
            print("$", " ".join(command), flush=True)
            subprocess.run(command, check=True)
            changed = True
    return training.wait()


if __name__ == "__main__":
    sys.exit(main())
