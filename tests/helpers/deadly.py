"""Work that kills its process; apart, since each new process imports what is here."""

import os
import signal


def work(number, deadly):
    """Give the number back, or kill the process."""
    if number in deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"number": number}


def tell_killed(number, _deadly):
    """Tell of work that killed its process."""
    return {"killed": number}
