"""Campaigns: what takes minutes to hours, each a command whose figures go to log.jsonl beside it.

The suite runs a short form of each.

python -m tests.campaigns.kills --log tests/campaigns/log.jsonl
"""

import json
import platform
import time
from importlib.metadata import version


def write(path, campaign, figures):
    """Prints the figures of a campaign as one line of JSON, and adds it to the log where there is one."""
    made = {"date": time.strftime("%Y-%m-%d"), "python": platform.python_version()} | {
        name: version(name) for name in ("torch", "pillow", "numpy")
    }
    line = json.dumps({"campaign": campaign} | figures | made)
    print(line, flush=True)
    if path:
        with open(path, "a") as log:
            log.write(line + "\n")
