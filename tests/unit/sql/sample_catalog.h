// SPDX-License-Identifier: PostgreSQL
// A catalog made by hand, small enough to know by heart: the tests' statements speak of it.
#pragma once

#include <string>
#include <vector>

#include "pgweir/sql/catalog.h"

namespace pgweir::sql {

inline std::vector<Catalog::Row> sample_rows() {
    std::vector<Catalog::Row> rows;
    const auto add = [&rows](char kind, bool is_harmless, std::vector<std::string> names) {
        for (std::string& name : names) rows.push_back({kind, std::move(name), is_harmless});
    };
    // PostgreSQL's own.
    add('f', true,
        {"count",
         "sum",
         "avg",
         "max",
         "min",
         "lower",
         "upper",
         "length",
         "now",
         "date_trunc",
         "generate_series",
         "unnest",
         "array_agg",
         "string_agg",
         "json_agg",
         "row_number",
         "rank",
         "lag",
         "coalesce",
         "random",
         "clock_timestamp",
         "gen_random_uuid",
         "pg_sleep",
         "system",
         "bernoulli",
         "like_escape",
         "similar_to_escape",
         "extract",
         "timezone",
         "overlay",
         "position",
         "substring",
         "btrim",
         "ltrim",
         "rtrim",
         "version",
         "current_setting",
         "pg_collation_for",
         "xpath",
         "xmlexists",
         "to_tsvector",
         "to_tsquery",
         "pg_typeof",
         "has_table_privilege",
         "pg_get_viewdef",
         "format",
         "jsonb_build_object",
         "rows_from",
         "percentile_cont",
         "normalize",
         "is_normalized",
         "current_schema",
         "timeofday",
         "pg_partition_tree",
         "overlaps",
         "abs",
         "numeric",
         "mode",
         "ts_headline",
         "to_char",
         "json_to_record",
         "jsonb_to_recordset",
         "obj_description",
         "set_bit",
         "date_part"});
    add('f', false,
        {"nextval", "setval", "currval", "lastval", "set_config", "setseed", "query_to_xml",
         "lo_create", "lo_unlink", "lo_import", "lo_export", "txid_status", "pg_relation_size",
         "pg_database_size", "lo_open", "lowrite", "ts_stat", "table_to_xml"});
    add('o', true, {"=",  "<>", "<",  ">",   "<=",  ">=",   "+",  "-",  "*",  "/",   "%",  "^",
                    "||", "~",  "~~", "~~*", "!~~", "!~~*", "~*", "!~", "->", "->>", "#>", "@>",
                    "<@", "&&", "?",  "@@",  "|/",  "@",    "&",  "|",  "#",  "<<",  ">>", "!~*"});
    add('t', true,
        {"int4",    "int8",     "int2",   "text",      "date",        "bpchar",   "varchar",
         "numeric", "bool",     "uuid",   "timestamp", "timestamptz", "interval", "jsonb",
         "json",    "regclass", "float8", "float4",    "bytea",       "xml",      "time",
         "bit",     "varbit",   "_text",  "mood",      "point"});
    add('r', true, {"pg_class", "pg_stats", "pg_tables", "tables", "columns"});
    // Made by users.
    add('r', true, {"t", "u", "v_good", "orders", "lines", "Weird Name", "matview"});
    add('r', false, {"unlogged", "remote", "v_bad", "seq"});
    add('f', true, {"stable_fn", "discount"});
    add('f', false, {"volatile_fn", "dblink", "dblink_exec", "crosstab"});
    add('o', false, {"<->!"});
    add('t', false, {"bad_domain"});
    // Of one name, one harmless and one not.
    rows.push_back({'f', "overloaded", true});
    rows.push_back({'f', "overloaded", false});
    return rows;
}

}  // namespace pgweir::sql
