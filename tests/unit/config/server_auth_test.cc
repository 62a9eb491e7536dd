// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/server_auth.h"

#include <doctest/doctest.h>

#include "pgweir/config/option_value.h"
#include "pgweir/config/settings.h"

using namespace pgweir;
using namespace pgweir::config;

TEST_CASE("require_auth is read as libpq reads it") {
    CHECK(*parse_require_auth("") == RequireAuth{});
    CHECK(*parse_require_auth("scram-sha-256") == RequireAuth{false, false, false, true});
    CHECK(*parse_require_auth("md5, scram-sha-256") == RequireAuth{false, false, true, true});
    CHECK(*parse_require_auth("!password,!none") == RequireAuth{false, false, true, true});
    for (const std::string_view wrong :
         {"gss", "md5,!password", "!md5,password", ",", "md5,", "!", "MD5", "md5 password"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_require_auth(wrong));
    }
}

TEST_CASE("every require_auth is written as it is read") {
    for (int bits = 0; bits < 16; ++bits) {
        const RequireAuth require{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0,
                                  (bits & 8) != 0};
        CAPTURE(text_of(require));
        CHECK(*parse_require_auth(text_of(require)) == require);
    }
}

TEST_CASE("a list names methods, too") {
    const auto require = read_value<RequireAuth>(RawValue(TextList{"md5", "scram-sha-256"}));
    CHECK(require == RequireAuth{false, false, true, true});
    CHECK_THROWS_WITH(read_value<RequireAuth>(RawValue(std::string("scram"))),
                      "can't be \"scram\": methods are none, password, md5 and scram-sha-256");
    CHECK_THROWS_AS(read_value<RequireAuth>(RawValue(true)), ValueError);
}

TEST_CASE("a database says for itself how its nodes may authenticate pgweir") {
    Settings settings;
    settings.tls.server_require_auth.assign(RequireAuth{false, false, false, true});
    settings.tls.server_channel_binding.assign(ChannelBinding::Require);
    settings.add_database("strict");
    auto& lax = settings.add_database("lax");
    lax.server_require_auth.assign(RequireAuth{});
    lax.server_channel_binding.assign(ChannelBinding::Disable);
    lax.server_cleartext_password.assign(CleartextPassword::Anywhere);
    lax.server_max_protocol_version.assign(ProtocolVersion::V32);

    const EffectivePool strict_pool = settings.pool_for("strict", "u");
    CHECK(strict_pool.require_auth == RequireAuth{false, false, false, true});
    CHECK(strict_pool.channel_binding == ChannelBinding::Require);
    CHECK(strict_pool.cleartext_password == CleartextPassword::Protected);
    CHECK(strict_pool.max_protocol_version == ProtocolVersion::V30);
    const EffectivePool lax_pool = settings.pool_for("lax", "u");
    CHECK(lax_pool.require_auth == RequireAuth{});
    CHECK(lax_pool.channel_binding == ChannelBinding::Disable);
    CHECK(lax_pool.cleartext_password == CleartextPassword::Anywhere);
    CHECK(lax_pool.max_protocol_version == ProtocolVersion::V32);
}

TEST_CASE("a connection string says it as libpq's") {
    auto settings = settings_from_connection_string(
        "postgres://u@h/d?sslmode=require&require_auth=scram-sha-256&channel_binding=require");
    const EffectivePool pool = settings->pool_for("d", "u");
    CHECK(pool.require_auth == RequireAuth{false, false, false, true});
    CHECK(pool.channel_binding == ChannelBinding::Require);

    Settings in_file;
    in_file.add_database("d").url.assign("postgres://u@h/d?require_auth=!password");
    CHECK(in_file.pool_for("d", "u").require_auth == RequireAuth{true, false, true, true});
}

TEST_CASE("channel binding can't be required where there is no TLS") {
    Settings settings;
    settings.add_database("d");
    settings.tls.server_channel_binding.assign(ChannelBinding::Require, 7);
    CHECK_NOTHROW(settings.check("f"));
    settings.tls.server_tls_sslmode.assign(TlsMode::Disable, 8);
    CHECK_THROWS_WITH(settings.check("f"),
                      "f:7: server_channel_binding = \"require\" can't be with "
                      "server_tls_sslmode = \"disable\"");
}
