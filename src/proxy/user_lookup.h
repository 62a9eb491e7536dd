// SPDX-License-Identifier: PostgreSQL
// One run of auth_query. It takes nothing from the client but the user's name, as a bind parameter.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/errand.h"

namespace pgweir::proxy {

class UserLookup final : public Errand {
 public:
    UserLookup(ClientId id, std::string database, std::string user, std::string sql);

    const std::string& database() const { return database_; }
    const std::string& user() const { return user_; }
    // What it said of the user.
    const std::optional<std::string>& secret() const { return secret_; }

    void ask(session::ServerSession& server, EffectList& effects) override;

    std::vector<ClientId> askers;

 private:
    void row(ByteView body) override;

    std::string database_;
    std::string user_;
    std::string sql_;
    std::size_t rows_ = 0;
    std::optional<std::string> secret_;
};

}  // namespace pgweir::proxy
