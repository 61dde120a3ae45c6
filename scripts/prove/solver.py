"""Answer one SMT-LIB question with whichever of two solvers knows first: what halmos calls as its solver.

Yices decides words of bits, cvc5 decides divisions and products once it may read words as integers. Neither is good at
the other's questions. Runs in halmos's own environment, and prints `sat` with a model, `unsat` or `unknown`.

Usage: python scripts/prove/solver.py SECONDS FILE
"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

POLL_SECONDS = 0.01


def cvc5(file: str) -> None:
    """Print what cvc5 answers to each command of a file."""
    from cvc5 import InputLanguage, InputParser, Solver, TermManager

    solver = Solver(TermManager())
    solver.setOption("solve-bv-as-int", "sum")
    solver.setOption("produce-models", "true")
    parser = InputParser(solver)
    parser.setFileInput(InputLanguage.SMT_LIB_2_6, file)
    while not (command := parser.nextCommand()).isNull():
        print(command.invoke(solver, parser.getSymbolManager()), end="")


def first_answer(commands: list[list[str]], seconds: float) -> str:
    """What the first command to know printed; `unknown` if none does in time."""
    end = time.monotonic() + seconds
    with ExitStack() as stack:
        running = {}
        for command in commands:
            output = stack.enter_context(tempfile.TemporaryFile("w+"))
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            running[process] = output
        while running and time.monotonic() < end:
            for process in [process for process in running if process.poll() is not None]:
                output = running.pop(process)
                output.seek(0)
                if (answer := output.read()).startswith(("sat", "unsat")):
                    return answer
            time.sleep(POLL_SECONDS)
    return "unknown\n"


def main(seconds: str, file: str) -> None:
    if seconds == "cvc5":
        return cvc5(file)
    beside = Path(sys.executable).parent
    commands = [
        [str(beside / "yices-smt2"), "--smt2-model-format", "--bvconst-in-decimal", file],
        [sys.executable, __file__, "cvc5", file],
    ]
    print(first_answer(commands, float(seconds)), end="")
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
