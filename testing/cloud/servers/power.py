#!/usr/bin/python3
"""`shutdown`, `poweroff` and `halt` inside a machine, which has no init system: asks the kernel to end it (reboot(2): in a process id namespace, its init).

`shutdown [-P|-h|-H] now|+MINUTES`; with minutes it goes to the background.
"""

import ctypes
import os
import sys
import time

POWER_OFF = 0x4321FEDC


def main() -> None:
    """Does it, now or later."""
    when = next((word for word in sys.argv[1:] if not word.startswith("-")), "now")
    minutes = 0.0 if when == "now" else float(when.removeprefix("+"))
    if minutes:
        if os.fork():
            return
        os.setsid()
        time.sleep(60 * minutes)
    libc = ctypes.CDLL(None, use_errno=True)
    os.sync()
    if libc.reboot(POWER_OFF) != 0:
        sys.exit(f"shutdown: {os.strerror(ctypes.get_errno())}")


main()
