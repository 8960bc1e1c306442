"""How a command says how it went."""

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """The exit codes that all commands share; a command documents its own from 4 on.

    0: it went well. 1: the configuration has faults. 2: the command line is wrong.
    3: the exporter cannot start (the port is taken, the ledger cannot be used). 70: nobody foresaw what happened.
    74: what it had to say could not be written to standard output.

    1 and 2 stay so until somebody changes something, and service managers are told not to try again: so nothing else
    may end with them, as Python itself would with 1 after a traceback.
    """

    OK = 0
    CONFIG = 1
    USAGE = 2
    CANNOT_START = 3
    CRASHED = 70  # EX_SOFTWARE of sysexits.h
    OUTPUT = 74  # EX_IOERR


class CannotStart(click.ClickException):
    """What keeps a command from starting, in words for the user."""

    exit_code = ExitCode.CANNOT_START
