#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""sarif_check.py LOG RECORDS: LOG, SARIF that `pagewalk audit --sarif` printed, has what SARIF 2.1.0
requires, and says what RECORDS, the same audit by --json, says. Prints TAP.

With PGW_SARIF_SCHEMA, the path of the standard's JSON schema (npm's package @microsoft/jest-sarif has
it as lib/schemas/sarif-2.1.0-rtm.5.json), and Python's jsonschema, it is also validated; else that is
said, and only the required properties are looked at, as listed here from the standard's chapter 3.
"""
import json
import os
import sys

# Object: its required properties and their types.
LOG = {'version': str, 'runs': list}
RUN = {'tool': dict, 'results': list}
DRIVER = {'name': str, 'rules': list}
RULE = {'id': str}
RESULT = {'message': dict, 'ruleId': str, 'ruleIndex': int, 'level': str, 'locations': list}
NOTIFICATION = {'message': dict}
INVOCATION = {'executionSuccessful': bool}
LEVELS = {'none', 'note', 'warning', 'error'}


def lacks(what, wanted):
    return [f'{key} of {what!r:.60}' for key, kind in wanted.items() if type(what.get(key)) is not kind]


def problems(log):
    """What the standard requires and is not there."""
    found = lacks(log, LOG) + [f'version {log.get("version")}'] * (log.get('version') != '2.1.0')
    for run in log.get('runs', []):
        found += lacks(run, RUN) + lacks(run['tool'].get('driver', {}), DRIVER)
        rules = run['tool']['driver']['rules']
        for rule in rules:
            found += lacks(rule, RULE)
            found += [f'text of {rule["id"]}' for key in ('shortDescription', 'fullDescription', 'help')
                      if not rule[key].get('text')]
        for invocation in run.get('invocations', []):
            found += lacks(invocation, INVOCATION)
            for notification in invocation.get('toolExecutionNotifications', []):
                found += lacks(notification, NOTIFICATION) + lacks(notification['message'], {'text': str})
        for result in run['results']:
            found += lacks(result, RESULT) + lacks(result['message'], {'text': str})
            found += [f'level {result["level"]}'] * (result['level'] not in LEVELS)
            found += [f'rule {result["ruleId"]}'] * (rules[result['ruleIndex']]['id'] != result['ruleId'])
            for location in result['locations']:
                found += lacks(location['physicalLocation']['artifactLocation'], {'uri': str})
            found += [f'suppression {s}' for s in result.get('suppressions', [])
                      if s.get('kind') not in ('inSource', 'external')]
    return found


def by_schema(log):
    path = os.environ.get('PGW_SARIF_SCHEMA')
    if not path:
        return None
    import jsonschema  # not everywhere
    with open(path, encoding='utf-8') as file:
        schema = json.load(file)
    checker = jsonschema.validators.validator_for(schema)(schema)
    return [f'{list(e.path)}: {e.message:.100}' for e in checker.iter_errors(log)]


def main(log, records):
    with open(log, encoding='utf-8') as file:
        log = json.load(file)
    with open(records, encoding='utf-8') as file:
        records = [json.loads(line) for line in file]
    run = log['runs'][0]
    told = sorted((r['ruleId'], r['level'], r['properties'].get('first')) for r in run['results']
                  if not r['suppressions'])
    expected = sorted((r['rule'], r['level'], r.get('first')) for r in records
                      if r.get('record') == 'finding')
    unchecked = [n['associatedRule']['id'] for n in run['invocations'][0]['toolExecutionNotifications']]
    wanted = [r['rule'] for r in records if r.get('record') == 'unchecked']
    schema = by_schema(log)
    checks = [('sarif: has what is required', problems(log)),
              ('sarif: the same findings', [] if told == expected else [told, expected]),
              ('sarif: the same that is not checked', [] if unchecked == wanted else [unchecked, wanted])]
    if schema is None:
        print('# PGW_SARIF_SCHEMA is not set: not validated against the schema')
    else:
        checks.append(('sarif: valid by its schema', schema))
    for nr, (name, wrong) in enumerate(checks, 1):
        print('not ok' if wrong else 'ok', nr, f'- {name}')
        for line in wrong[:5]:
            print('#', line)
    print(f'1..{len(checks)}')


if __name__ == '__main__':
    main(*sys.argv[1:])
