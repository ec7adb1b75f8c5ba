"""What compares two databases: a program for Node.js, which the image has with node-postgres, and how its answer is read.

It runs in a one-off task of the service. It has the service's credentials from its own variables, and only the hosts from its
input. Of every table it writes the count of rows and the newest time in a column that says when a row was made or changed, as
one line of JSON. Both databases are only read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lambdas.procedures.run import VerifyError

HOSTS = "COMPARED_HOSTS"
"""The variable with the hosts, the live one first."""
_MARK = "compared: "
_SHOWN = 8

PROGRAM = r"""
const { Client } = require("pg");
const quoted = (name) => '"' + name.replace(/"/g, '""') + '"';
const TABLES = `
  SELECT table_schema AS schema, table_name AS name,
    (SELECT column_name FROM information_schema.columns c
      WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name
        AND c.column_name IN ('updated_at', 'created_at') AND c.data_type LIKE 'timestamp%'
      ORDER BY c.column_name DESC LIMIT 1) AS time
  FROM information_schema.tables t
  WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
  ORDER BY 1, 2`;
async function read(host) {
  const { VARIABLES } = process.env;
  const of = Object.fromEntries(Object.entries(JSON.parse(VARIABLES)).map(([key, name]) => [key, process.env[name]]));
  const client = new Client({ host, port: of.port, user: of.username, password: of.password, database: of.dbname,
    connectionTimeoutMillis: 10000 });
  await client.connect();
  await client.query("SET default_transaction_read_only = on; SET statement_timeout = '10min'");
  const found = {};
  for (const { schema, name, time } of (await client.query(TABLES)).rows) {
    const newest = time ? `max(${quoted(time)})::text` : "NULL";
    const table = `${quoted(schema)}.${quoted(name)}`;
    const [row] = (await client.query(`SELECT count(*)::text AS rows, ${newest} AS newest FROM ${table}`)).rows;
    found[`${schema}.${name}`] = [row.rows, row.newest];
  }
  await client.end();
  return found;
}
(async () => {
  const both = [];
  for (const host of process.env.COMPARED_HOSTS.split(",")) both.push(await read(host));
  const [live, other] = both;
  const differ = {};
  for (const name of Object.keys({ ...live, ...other }))
    if (JSON.stringify(live[name]) !== JSON.stringify(other[name])) differ[name] = [live[name], other[name]];
  console.log("compared: " + JSON.stringify({ tables: Object.keys(live).length, differ }));
})().catch((error) => { console.error(error.message); process.exit(1); });
"""


def command() -> Sequence[str]:
    """The command of the task."""
    return ("node", "-e", PROGRAM)


def variables(hosts: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    """The variables of the task: the hosts, and in which of its own variables the credentials are."""
    return {HOSTS: ",".join(hosts), "VARIABLES": json.dumps(names)}


def told(lines: Sequence[str]) -> str:
    """What the program found, in words; VerifyError when it wrote no answer."""
    found = [line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)]
    if not found:
        raise VerifyError(f"The task compared nothing: it wrote {' / '.join(lines[-5:]) or 'nothing'}.")
    answer = json.loads(found[-1])
    differ = answer["differ"]
    if not differ:
        return f"All {answer['tables']} tables have the same rows and the same newest time."
    more = f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
    return f"{len(differ)} of {answer['tables']} tables differ: {'; '.join(_table(differ))}{more}."


def _table(differ: Mapping[str, Any]) -> Iterator[str]:
    for name in list(differ)[:_SHOWN]:
        live, other = (_side(side) for side in differ[name])
        yield f"{name}: {live} live, {other} restored"


def _side(side: Any) -> str:
    if side is None:
        return "no table"
    rows, newest = side
    return f"{rows} rows" + (f" to {newest}" if newest else "")
