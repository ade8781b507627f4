"""`python -m benchmarks.child module:function [arguments]`: print its result as JSON."""

import json
import sys
from importlib import import_module


def main() -> None:
    module, _, function = sys.argv[1].partition(":")
    result = getattr(import_module(f"benchmarks.{module}"), function)(*json.loads(sys.argv[2]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
