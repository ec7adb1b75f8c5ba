"""Print the counts of the faults: `python -m tests.faults [SHARE]`, of every family one case in SHARE."""

import sys
import time
from collections import Counter, defaultdict

from aws_lambda_powertools import Logger

from tests.faults.generator import broken, families

Logger(service="rollback").setLevel("CRITICAL")  # half of the time would go into log lines that nobody reads


def main() -> int:
    share = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(f"{'family':26} {'cases':>7} {'broken':>7} {'seconds':>8}")
    kinds: Counter[str] = Counter()
    first: dict[str, list[str]] = defaultdict(list)
    for family, cases in families(share=share).items():
        began, count = time.process_time(), 0
        for case in cases:
            found = broken(case)
            count += bool(found)
            kinds.update(found)
            for one in found:
                if len(first[one]) < 3:
                    first[one].append(case[0])
        print(f"{family:26} {len(cases):7} {count:7} {time.process_time() - began:8.1f}")
    for violation, number in kinds.most_common():
        print(f"{number:6} x {violation}: {'; '.join(first[violation])}")
    return bool(kinds)


sys.exit(main())
