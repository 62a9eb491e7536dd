// SPDX-License-Identifier: PostgreSQL
// How the files that declare SHOW tables declare a column, and make texts of rows.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/admin/show.h"
#include "pgweir/wire/backend_messages.h"

namespace pgweir::admin {

using wire::kInt4Oid;
using wire::kInt8Oid;
using wire::kNumericOid;
using wire::kTextOid;
using Cell = std::optional<std::string>;

template <typename Row>
struct Column {
    std::string_view name;
    std::uint32_t type_oid;
    std::string_view help;
    Cell (*text)(const Row& row, const ShowData& data);
};

inline Cell to_cell(const std::string& text) {
    return text;
}
inline Cell to_cell(const Cell& text) {
    return text;
}
inline Cell to_cell(bool yes) {
    return yes ? "1" : "0";
}
inline Cell to_cell(std::uint64_t number) {
    return std::to_string(number);
}
inline Cell to_cell(const std::optional<std::uint64_t>& number) {
    return number ? Cell(std::to_string(*number)) : Cell();
}

template <auto Member, typename Row>
Cell field(const Row& row, const ShowData&) {
    return to_cell(row.*Member);
}
template <auto Member, typename Row>
Cell seconds(const Row& row, const ShowData&) {
    return std::to_string((row.*Member).us / 1'000'000);
}
template <auto Member, typename Row>
Cell microseconds_part(const Row& row, const ShowData&) {
    return std::to_string((row.*Member).us % 1'000'000);
}
template <auto Member, typename Row>
Cell point_in_time(const Row& row, const ShowData& data) {
    if (!data.origin_unix_us) return {};
    return format_unix_time((row.*Member).us + *data.origin_unix_us);
}

template <typename Row>
std::vector<TableColumn> heads_of(std::span<const Column<Row>> columns) {
    std::vector<TableColumn> heads;
    for (const Column<Row>& column : columns) {
        heads.push_back({column.name, column.type_oid, column.help});
    }
    return heads;
}

template <typename Row>
std::vector<TableRow> texts_of(std::span<const Column<Row>> columns, std::span<const Row> rows,
                               const ShowData& data) {
    std::vector<TableRow> texts;
    texts.reserve(rows.size());
    for (const Row& row : rows) {
        TableRow& text = texts.emplace_back();
        text.reserve(columns.size());
        for (const Column<Row>& column : columns) {
            text.push_back(column.text == nullptr ? Cell() : column.text(row, data));
        }
    }
    return texts;
}

}  // namespace pgweir::admin
