"""Lines to typed events, in SQL: the usual spellings by the million.

Sound, not complete: what this takes, `spelling` would take with the same values; what this does
not recognise (`good` is false) is for `spelling` to read or to refuse. Numbers pass by their
digits: a bare cast would round "1.5" to 2.
"""

# ruff: noqa: S608 -- no text of a user is in any statement: only our names and numbers

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obbligato.documents.canonical import LARGEST_JSON_INTEGER
from obbligato.metering.line_parsing import FIELDS, WHOLE_NUMBERS
from obbligato.protocol.constants import MAX_TIME, PPM, UINT64_MAX, Metric, Tier

_TEXTS: Final = tuple(name for name in FIELDS if name not in WHOLE_NUMBERS)

_PATHS: Final = "[" + ", ".join(f"'$.{name}'" for name in FIELDS) + "]"


def texts_of_json(lines: str) -> str:
    """SQL: the fields as text, one row a line of the relation `lines` (line, text).

    `whole` is false for a line that is no object, or that has other fields or one twice. Text in
    quotes where a number belongs keeps its quotes, and so is none; a name of a tier loses them.
    """
    return f"""
      SELECT line, {", ".join(_of_json(number, name) for number, name in enumerate(FIELDS, 1))},
        values IS NOT NULL AND NOT comma
          AND len(keys) = len(list_filter(values, lambda each: each IS NOT NULL)) AS whole
      FROM (
        SELECT line,
          CASE WHEN object THEN json_extract(text, {_PATHS}) END AS values,
          CASE WHEN object THEN json_keys(text) END AS keys,
          -- The parser takes a comma after the last field, which JSON does not have.
          regexp_matches(text, ',\\s*\\}}\\s*$') AS comma
        FROM (
          SELECT line, text, coalesce(json_valid(text) AND ltrim(text)[1] = '{{', false) AS object
          FROM {lines}
        )
      )"""


def _of_json(position: int, name: str) -> str:
    value = f"values[{position}]"
    if name in _TEXTS:
        # A number is no identifier: '' is refused.
        inside = (
            f"""CASE WHEN starts_with({value}::VARCHAR, '"') THEN {value} ->> '$' ELSE '' END"""
        )
    elif name in ("tier", "metric"):
        inside = (
            f"""CASE WHEN regexp_matches({value}::VARCHAR, '^"[A-Za-z_]+"$') """
            f"""THEN {value} ->> '$' ELSE {value}::VARCHAR END"""
        )
    elif name == "occurred_at":
        inside = (
            f"""CASE WHEN {value}::VARCHAR LIKE '"%T%' THEN {value} ->> '$' """
            f"""ELSE {value}::VARCHAR END"""
        )
    else:
        inside = f"{value}::VARCHAR"
    return f"CASE WHEN {value}::VARCHAR != 'null' THEN {inside} END AS {name}"


def texts_of_csv(lines: str, columns: Sequence[str]) -> str:
    """SQL: as `texts_of_json`, for lines of CSV (RFC 4180) under these columns; '' is no value."""
    plain = "string_split(text, ',')"
    quoted = (
        r"""list_transform(regexp_extract_all(',' || text, ',("(?:[^"]|"")*"|[^",]*)', 1), """
        r"""lambda each: CASE WHEN each[1] = '"' """
        r"""THEN replace(each[2:-2], '""', '"') ELSE each END)"""
    )
    well_quoted = r"""regexp_full_match(',' || text, '(?:,(?:"(?:[^"]|"")*"|[^",]*))+')"""
    values = ", ".join(
        f"nullif(values[{columns.index(name) + 1}], '') AS {name}"
        if name in columns
        else f"NULL::VARCHAR AS {name}"
        for name in FIELDS
    )
    return f"""
      SELECT line, {values}, coalesce(len(values) = {len(columns)}, false) AS whole
      FROM (
        SELECT line,
          CASE WHEN NOT contains(text, '"') THEN {plain}
            WHEN {well_quoted} THEN {quoted} END AS values
        FROM (SELECT line, rtrim(text, chr(13)) AS text FROM {lines})
      )"""


def typed(texts: str) -> str:
    """SQL: the typed events of a relation of texts, with `good` for those to be believed."""
    return f"""
      SELECT *, coalesce(
          whole AND {_key("event_id")} AND {_optional("output_id")}
          AND {_optional("attribution_provider")}
          AND (has_license != has_isrc)
          AND (NOT has_license OR license_id >= 1)
          AND (NOT has_isrc OR regexp_full_match(isrc, '[A-Z]{{2}}[A-Z0-9]{{3}}[0-9]{{7}}'))
          AND occurred_at BETWEEN 0 AND {MAX_TIME}
          AND tier IS NOT NULL AND metric IS NOT NULL AND model_id IS NOT NULL
          AND units BETWEEN 1 AND {LARGEST_JSON_INTEGER}
          AND influence_ppm BETWEEN 1 AND {PPM}
          AND units::HUGEINT * influence_ppm <= {UINT64_MAX}, false) AS good
      FROM (
        SELECT line, whole, event_id,
          {_moment("occurred_at")} AS occurred_at,
          license_id IS NOT NULL AS has_license,
          {_number("license_id", "UINTEGER", 10)} AS license_id,
          isrc IS NOT NULL AS has_isrc,
          CASE WHEN regexp_full_match(isrc, '[A-Za-z0-9 -]+') THEN
            regexp_replace(replace(replace(upper(isrc), ' ', ''), '-', ''), '^ISRC', '')
          END AS isrc,
          {_word("tier", Tier)} AS tier,
          {_word("metric", Metric)} AS metric,
          {_number("units", "UBIGINT", 16)} AS units,
          {_number("influence_ppm", "UINTEGER", 7)} AS influence_ppm,
          CASE WHEN regexp_full_match(model_id, '0x[0-9a-fA-F]{{64}}')
            THEN lower(model_id) END AS model_id,
          output_id, attribution_provider
        FROM ({texts})
      )"""


def _number(name: str, kind: str, most_digits: int) -> str:
    digits = f"regexp_full_match({name}, '[0-9]{{1,{most_digits}}}')"
    return f"CASE WHEN {digits} THEN try_cast({name} AS {kind}) END"


def _moment(name: str) -> str:
    iso = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
    return f"""CASE WHEN regexp_full_match({name}, '[0-9]{{1,13}}') THEN try_cast({name} AS BIGINT)
          WHEN regexp_full_match({name}, '{iso}')
            THEN epoch(try_strptime({name}, '%Y-%m-%dT%H:%M:%SZ'))::BIGINT END"""


def _word(name: str, kind: type[Tier] | type[Metric]) -> str:
    arms = " ".join(
        f"WHEN '{member.value}' THEN {member.value} WHEN '{member.name}' THEN {member.value}"
        for member in kind
    )
    return f"(CASE upper({name}) {arms} END)::UTINYINT"


def _key(name: str) -> str:
    """A letter, digit or sign somewhere: whether other characters say anything is told slowly."""
    return (
        f"length({name}) <= 200 AND regexp_matches({name}, '[\\p{{L}}\\p{{N}}!-~]') "
        f"AND NOT contains({name}, chr(0))"
    )


def _optional(name: str) -> str:
    return f"({name} IS NULL OR {_key(name)})"
