#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""compare.py FOLDER: of base-N.json and this-N.json, what benchmarks printed side by side, the
ratio of this to base for each case: the median, and the extremes, over N."""

import glob
import json
import os
import statistics
import sys


def read(path):
    cases = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if "ns" in record and "case" in record:
                cases[record["bench"], record["case"]] = record["ns"]
    return cases


def main():
    folder = sys.argv[1]
    ratios = {}
    for path in sorted(glob.glob(os.path.join(folder, "base-*.json"))):
        base = read(path)
        this = read(path.replace("base-", "this-"))
        for case, ns in this.items():
            if base.get(case):
                ratios.setdefault(case, []).append(ns / base[case])
    if not ratios:
        sys.exit("compare.py: no case is in both")
    last = None
    for (bench, case), values in ratios.items():
        if bench != last:
            print("%s (x: times base)" % bench)
        last = bench
        print("  %-30s x %.2f (%.2f to %.2f)" % (
            case, statistics.median(values), min(values), max(values)))


main()
