// SPDX-License-Identifier: PostgreSQL
#include "proxy/catalog_read.h"

#include "pgweir/wire/backend_messages.h"

namespace pgweir::proxy {

namespace {
constexpr std::size_t kRowBytesMax = 64 * 1024;
// A schema of some hundred thousand names; a larger one is not known, and its reads go to the
// primary.
constexpr std::size_t kBytesMax = 64U << 20;
}  // namespace

CatalogRead::CatalogRead(ClientId id, std::string database)
    : Errand(id, "the catalog", kRowBytesMax), database_(std::move(database)) {}

void CatalogRead::ask(session::ServerSession& server, EffectList& effects) {
    send(server, sql::catalog_query(), {}, effects);
}

void CatalogRead::row(ByteView body) {
    const auto values = wire::read_data_row(body);
    if (!values || values->size() != 3 || !(*values)[0] || !(*values)[1] || !(*values)[2] ||
        (*values)[0]->size() != 1) {
        return fail("a malformed row");
    }
    bytes_ += body.size();
    if (bytes_ > kBytesMax) return fail("it has too many names");
    rows_.push_back({.kind = (*values)[0]->front(),
                     .name = std::string(*(*values)[1]),
                     .is_harmless = *(*values)[2] == "t"});
}

}  // namespace pgweir::proxy
