// SPDX-License-Identifier: PostgreSQL
#include "proxy/user_lookup.h"

#include "pgweir/wire/backend_messages.h"

namespace pgweir::proxy {

namespace {
constexpr std::size_t kAnswerBytesMax = 64 * 1024;
constexpr std::size_t kRowsMax = 1000;
}  // namespace

UserLookup::UserLookup(ClientId id, std::string database, std::string user, std::string sql)
    : Errand(id, "auth_query", kAnswerBytesMax),
      database_(std::move(database)),
      user_(std::move(user)),
      sql_(std::move(sql)) {}

void UserLookup::ask(session::ServerSession& server, EffectList& effects) {
    const std::optional<std::string_view> name = user_;
    send(server, sql_, {&name, 1}, effects);
}

void UserLookup::row(ByteView body) {
    if (++rows_ > kRowsMax) {
        return fail("auth_query answered more than " + std::to_string(kRowsMax) + " rows");
    }
    const auto values = wire::read_data_row(body);
    if (!values || values->size() < 2) {
        return fail("auth_query must answer two columns: user name and verifier");
    }
    // A query that ignores its parameter must not let somebody in with another one's password.
    if (!(*values)[0] || *(*values)[0] != user_) return;
    if ((*values)[1]) secret_ = std::string(*(*values)[1]);
}

}  // namespace pgweir::proxy
