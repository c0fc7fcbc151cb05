"""Every other value of every byte of a small export, put to the verifier, and every deletion and cut.

    python -m tests.campaigns.every_byte
    python -m tests.campaigns.every_byte --files names.jsonl manifest.sig

`tests/conformance/test_every_byte.py` tries one other value at each place; here are all 255. Writes down how
many changes there were and how the check ended. Ends with 1 when any of them passed.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import pytest

from tests.conformance.mutations import codes_of, every_change, quick_signatures
from tests.conformance.test_every_byte import WHOLE, whole

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Try every change of the files asked for and write down what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="*", default=sorted(WHOLE), choices=sorted(WHOLE))
    told = {}
    for name in parser.parse_args().files:
        began = time.monotonic()
        with pytest.MonkeyPatch.context() as patch:
            quick_signatures(patch)
            count, codes = codes_of(whole(name), name, every_change)
        told[name] = {"changes": count, "exit_codes": codes, "seconds": round(time.monotonic() - began)}
        print(name, json.dumps(told[name]), flush=True)
    (RESULTS / "every-byte.json").write_text(json.dumps(told, indent=2) + "\n")
    return int(any(0 in one["exit_codes"] for one in told.values()))


if __name__ == "__main__":
    sys.exit(main())
