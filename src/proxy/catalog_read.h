// SPDX-License-Identifier: PostgreSQL
// One reading of the primary's catalogs, as far as they decide what is a read.
#pragma once

#include <string>
#include <vector>

#include "pgweir/sql/catalog.h"
#include "proxy/errand.h"

namespace pgweir::proxy {

class CatalogRead final : public Errand {
 public:
    CatalogRead(ClientId id, std::string database);

    const std::string& database() const { return database_; }
    std::vector<sql::Catalog::Row> take_rows() { return std::move(rows_); }

    void ask(session::ServerSession& server, EffectList& effects) override;

    // The schema has changed since it was asked: its answer is of no use.
    bool is_outdated = false;

 private:
    void row(ByteView body) override;

    std::string database_;
    std::vector<sql::Catalog::Row> rows_;
    std::size_t bytes_ = 0;
};

}  // namespace pgweir::proxy
